"""What settling doubt, scanning a bucket and rebuilding the ledger remember."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("objects", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("put_offs", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("put_off_for", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("put_off_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "unstored_answers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("prediction", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_unstored_answers"),
    )
    op.add_column("submissions", sa.Column("doubted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("submissions", sa.Column("looks", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("submissions", sa.Column("look_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("submissions", sa.Column("absent_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_submissions_state_look_at", "submissions", ["state", "look_at"])
    op.create_index("ix_submissions_job", "submissions", ["job"])
    op.create_table(
        "echoes",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "account", name="pk_echoes"),
    )
    op.create_table(
        "passes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_passes"),
    )
