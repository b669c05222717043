"""Queues with precedence, spending, breakers that remember why, and how long jobs take."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_QUEUE = ["provider", "account", "model", "precedence", "route", "due_at", "id"]
_LANE = ("provider", "account", "model")


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _texts(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    op.add_column("runs", sa.Column("precedence", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("reserved_on", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("reserved_pages", sa.Integer(), nullable=True))
    op.add_column("runs", sa.Column("reserved_cost", sa.Float(), nullable=True))
    op.add_column("poll_groups", sa.Column("resting", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("submissions", sa.Column("provider_cost", sa.Float(), nullable=True))
    op.add_column("submissions", sa.Column("spent_on", sa.Text(), nullable=True))
    op.add_column("submissions", sa.Column("spent_pages", sa.Integer(), nullable=True))
    op.add_column("submissions", sa.Column("spent_cost", sa.Float(), nullable=True))
    op.execute("UPDATE runs SET precedence = 1 WHERE batch IS NOT NULL")
    # Why a run merely waits is told by its queue from now on.
    op.execute("UPDATE runs SET reason = NULL, detail = '' WHERE state = 'waiting' AND reason = 'in_flight'")
    op.create_index(
        "ix_runs_queue",
        "runs",
        _QUEUE,
        sqlite_where=sa.text("state = 'waiting' AND reason IS NOT 'in_doubt'"),
        postgresql_where=sa.text("state = 'waiting' AND reason IS DISTINCT FROM 'in_doubt'"),
    )
    op.create_index(
        "ix_runs_rerun",
        "runs",
        ["document_id"],
        sqlite_where=sa.text("number > 1"),
        postgresql_where=sa.text("number > 1"),
    )
    op.drop_index("ix_runs_lane", "runs")
    op.create_index(
        "ix_runs_count",
        "runs",
        ["state", "provider", "account", "model", "route", "reason", "precedence", "pages", "cost"],
    )
    # By the run alone SQLite would not look: it took all that are in the state.
    op.drop_index("ix_submissions_run_id", "submissions")
    op.create_index("ix_submissions_run_id_state", "submissions", ["run_id", "state"])
    op.drop_table("budgets")
    op.drop_table("breakers")
    op.create_table(
        "queues",
        *_texts(*_LANE),
        sa.Column("precedence", sa.Integer(), nullable=False, autoincrement=False),
        *_texts("route"),
        sa.Column("passed", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        *_texts("detail"),
        _moment("until"),
        _moment("since"),
        sa.PrimaryKeyConstraint(*_LANE, "precedence", "route", name="pk_queues"),
    )
    op.create_table(
        "lanes",
        *_texts(*_LANE),
        sa.Column("flying", sa.Integer(), nullable=False),
        _moment("counted_at", nullable=False),
        _moment("rests_until"),
        sa.Column("rests_for", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(*_LANE, name="pk_lanes"),
    )
    op.create_table(
        "spending",
        *_texts("day", "provider", "account", "route"),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("pages_reserved", "pages_spent")),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("cost_reserved", "cost_spent")),
        sa.PrimaryKeyConstraint("day", "provider", "account", "route", name="pk_spending"),
    )
    op.create_table(
        "budget_raises",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *_texts("budget", "period"),
        sa.Column("pages", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        *_texts("by", "why"),
        _moment("at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budget_raises"),
    )
    op.create_index("ix_budget_raises_budget_period", "budget_raises", ["budget", "period"])
    op.create_table(
        "breakers",
        *_texts(*_LANE),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("failures", "openings")),
        _moment("opened_at"),
        sa.Column("reason", sa.Text(), nullable=True),
        *_texts("detail"),
        _moment("probe_at"),
        sa.Column("probe", sa.Text(), nullable=True),
        _moment("probe_until"),
        _moment("updated_at", nullable=False),
        sa.PrimaryKeyConstraint(*_LANE, name="pk_breakers"),
    )
    op.create_table(
        "poll_rests",
        *_texts(*_LANE),
        _moment("until", nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        *_texts("reason", "detail"),
        sa.PrimaryKeyConstraint(*_LANE, name="pk_poll_rests"),
    )
    op.create_table(
        "durations",
        *_texts(*_LANE),
        sa.Column("size", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("early", sa.Float(), nullable=False),
        sa.Column("jobs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(*_LANE, "size", name="pk_durations"),
    )
