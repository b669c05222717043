"""The ledger's tables. migrations/ makes them; a test holds the two together."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Float,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    literal_column,
)

from headrace.document import UNKEEPABLE
from headrace.states import Mark, Mode, Preparation, Reason, State, SubmissionState

_Word = TypeVar("_Word", bound=StrEnum)

_MOST_DETAIL_CHARACTERS = 2000


class Moment(TypeDecorator[datetime]):
    """A point in time: aware, in UTC, exact to the microsecond, and comparable on both engines."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Word(TypeDecorator[_Word], Generic[_Word]):
    """A member of one of our enums, kept as its text."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[_Word]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: _Word | None, dialect: object) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, dialect: object) -> _Word | None:  # noqa: ARG002  SQLAlchemy's signature
        return None if value is None else self.words(value)


class Marks(TypeDecorator[tuple[Mark, ...]]):
    """The marks of a run, with commas between them."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Mark, ...] | None, dialect: object) -> str:  # noqa: ARG002  SQLAlchemy's signature
        return ",".join(value or ())

    def process_result_value(self, value: str | None, dialect: object) -> tuple[Mark, ...]:  # noqa: ARG002  SQLAlchemy's signature
        return tuple(Mark(word) for word in value.split(",")) if value else ()


class Remark(TypeDecorator[str]):
    """Free text from outside, cut to a length and rid of what PostgreSQL cannot keep."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        return None if value is None else UNKEEPABLE.sub("\N{REPLACEMENT CHARACTER}", value[:_MOST_DETAIL_CHARACTERS])


# Keys sort by their bytes, as S3 lists them, whatever the database's language.
_KEY = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only in an INTEGER key.
_SERIAL = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *parts: Any) -> Table:
    return Table(name, metadata, *parts)


# What all contents of one S3 key share. Its row is what two recorders of one key wait for.
objects = _table(
    "objects",
    Column("id", Text, primary_key=True),
    Column("received_on", Text, nullable=False),  # the UTC day on which the key was first seen
    Column("current", Text),  # the document that, as far as was told, lies there now
    Column("gone_at", Moment),  # when a scan found nothing there any more
)

documents = _table(
    "documents",
    Column("id", Text, primary_key=True),
    Column("object_id", Text, ForeignKey("objects.id"), nullable=False, index=True),
    Column("bucket", Text, nullable=False),
    Column("key", _KEY, nullable=False),
    Column("etag", Text, nullable=False),
    Column("version_id", Text),
    Column("size", BigInteger),
    Column("last_modified", Moment),
    Column("sequencer", Text),
    Column("received_at", Moment, nullable=False),
    Column("received_on", Text, nullable=False),
    Index(None, "bucket", "key"),
)

runs = _table(
    "runs",
    Column("id", Text, primary_key=True),
    Column("document_id", Text, ForeignKey("documents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", Word(State), nullable=False),
    Column("reason", Word(Reason), index=True),
    Column("detail", Remark, nullable=False, default=""),
    Column("marks", Marks, nullable=False, default=()),
    Column("route", Text, index=True),
    Column("revision", Text),
    Column("provider", Text),
    Column("account", Text),
    Column("model", Text),
    Column("mode", Word(Mode)),
    Column("media_type", Remark),
    Column("preparation", Word(Preparation)),
    Column("pages", Integer),
    Column("pages_source", Text),
    Column("walked_pages", Integer),
    Column("cost", Float),
    Column("batch", Text, index=True),
    Column("precedence", Integer, nullable=False, default=0, server_default="0"),
    Column("reserved_on", Text),  # the UTC day against whose budgets it was admitted; None once that is settled
    Column("reserved_pages", Integer),
    Column("reserved_cost", Float),
    Column("due_at", Moment),
    Column("claimed_at", Moment),
    Column("lease_until", Moment),
    Column("token", Integer, nullable=False, default=0),
    Column("deliveries", Integer, nullable=False, default=0),
    Column("sweeps", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("put_offs", Integer, nullable=False, default=0, server_default="0"),  # in a row, by a store that fails
    Column("put_off_for", Word(Reason)),  # why, the last time
    Column("put_off_since", Moment),  # since when it has been that
    Column("published", Boolean, nullable=False, default=False),
    Column("created_at", Moment, nullable=False, index=True),
    Column("updated_at", Moment, nullable=False),
    Column("ended_at", Moment, index=True),
    UniqueConstraint("document_id", "number"),
    Index(None, "state", "due_at"),
    # What is counted of a lane, and of all runs (`headrace status`), is read from this index alone.
    Index("ix_runs_count", "state", "provider", "account", "model", "route", "reason", "precedence", "pages", "cost"),
)


def is_queued() -> ColumnElement[bool]:
    """That a run waits for the dispatcher; what waits in doubt is left to settling.

    The words stand in the statement itself, as in the index below: else neither engine would use it.
    """
    waiting: ColumnElement[str] = literal_column(f"'{State.WAITING}'")
    in_doubt: ColumnElement[str] = literal_column(f"'{Reason.IN_DOUBT}'")
    return (runs.c.state == waiting) & runs.c.reason.is_distinct_from(in_doubt)


def is_rerun(table: FromClause = runs) -> ColumnElement[bool]:
    """That a run is not the first of its document, as the index below has it."""
    again: ColumnElement[bool] = table.c.number > literal_column("1", Integer)
    return again


Index("ix_runs_rerun", runs.c.document_id, sqlite_where=is_rerun(), postgresql_where=is_rerun())

QUEUE = (runs.c.provider, runs.c.account, runs.c.model, runs.c.precedence, runs.c.route)
"""Waiting runs that share these form a queue."""

Index("ix_runs_queue", *QUEUE, runs.c.due_at, runs.c.id, sqlite_where=is_queued(), postgresql_where=is_queued())

submissions = _table(
    "submissions",
    Column("key", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("mode", Word(Mode), nullable=False),
    Column("paid", Boolean, nullable=False),
    Column("state", Word(SubmissionState), nullable=False),
    Column("reason", Word(Reason)),
    Column("attempt", Integer, nullable=False),
    Column("token", Integer, nullable=False),
    Column("send_before", Moment, nullable=False),
    Column("pages", Integer),
    Column("cost", Float),
    Column("provider_cost", Float),  # what the provider itself says it costs
    Column("spent_on", Text),  # the UTC day on which budgets count it as spent; None where they do not
    Column("spent_pages", Integer),
    Column("spent_cost", Float),
    Column("job", Remark),
    Column("polls", Integer, nullable=False, default=0),
    Column(
        "deliveries", Integer, nullable=False, default=0, server_default="0"
    ),  # polls begun that ended without a word
    Column("due_at", Moment),  # its next poll
    Column("group_id", _SERIAL, ForeignKey("poll_groups.id"), index=True),
    Column("created_at", Moment, nullable=False),
    Column("accepted_at", Moment),
    Column("doubted_at", Moment),
    Column("looks", Integer, nullable=False, default=0, server_default="0"),  # listings asked since it is in doubt
    Column("look_at", Moment),  # the next one
    Column("absent_at", Moment),  # the first of them that came to its end without it
    Column("updated_at", Moment, nullable=False),
    # Of a run's submissions in a state, SQLite would else look at all that are in the state, whatever their run.
    Index(None, "run_id", "state"),
    Index(None, "state", "look_at"),
    Index(None, "job"),
)


# Paid answers that nobody can ask for again, while the bucket does not take them.
unstored_answers = _table(
    "unstored_answers",
    Column("key", Text, primary_key=True),  # the submission's
    Column("raw", LargeBinary, nullable=False),  # as the bucket would have it, packed
    Column("prediction", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)


class GroupState(StrEnum):
    """A poll group takes jobs while it is open, and is looked after until it has ended."""

    OPEN = "open"
    CLOSED = "closed"
    ENDED = "ended"


poll_groups = _table(
    "poll_groups",
    Column("id", _SERIAL, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("open_jobs", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("heartbeat", Moment),
    Column("state", Word(GroupState), nullable=False),
    # Nothing is due for a while and no message is under way: the sweep begins the next turn.
    Column("resting", Boolean, nullable=False, default=False, server_default=false()),
    Column("created_at", Moment, nullable=False),
    Index(None, "state", "due_at"),
)

history = _table(
    "history",
    Column("id", _SERIAL, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False, index=True),
    Column("step", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("state", Word(State)),
    Column("reason", Word(Reason)),
    Column("detail", Remark, nullable=False),
    Column("seconds", Float),
)

# Messages of a bucket's queue that could not be read, kept until a person has dealt with them.
parked_events = _table(
    "parked_events",
    Column("id", Text, primary_key=True),
    Column("queue", Text, nullable=False),
    Column("message", Remark, nullable=False),  # the queue's id of it
    Column("why", Remark, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("parked_at", Moment, nullable=False, index=True),
)

batches = _table(
    "batches",
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("detail", Remark, nullable=False),
    Column("started_at", Moment, nullable=False),
)

# The queues of waiting runs, as the dispatcher left them. A row of the route "" is a whole precedence of a lane.
queues = _table(
    "queues",
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("precedence", Integer, primary_key=True, autoincrement=False),
    Column("route", Text, primary_key=True),
    Column("passed", Float, nullable=False),  # pages that went, by its weight: who has the least is next
    Column("reason", Word(Reason)),  # why it stands still
    Column("detail", Remark, nullable=False),
    Column("until", Moment),
    Column("since", Moment),
)

# What the dispatcher remembers of a lane.
lanes = _table(
    "lanes",
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("flying", Integer, nullable=False),  # at most so many runs are admitted or submitted
    Column("counted_at", Moment, nullable=False),  # when that was counted last
    Column("rests_until", Moment),  # there is no place before, as the limiter said
    Column("rests_for", Word(Reason)),
)

# Pages and money, by the UTC day on which they were promised.
spending = _table(
    "spending",
    Column("day", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("pages_reserved", BigInteger, nullable=False),
    Column("pages_spent", BigInteger, nullable=False),
    Column("cost_reserved", Float, nullable=False),
    Column("cost_spent", Float, nullable=False),
)

# What somebody allowed beyond a budget, in one of its periods.
budget_raises = _table(
    "budget_raises",
    Column("id", _SERIAL, primary_key=True),
    Column("budget", Text, nullable=False),
    Column("period", Text, nullable=False),  # its first day
    Column("pages", BigInteger, nullable=False),
    Column("cost", Float, nullable=False),
    Column("by", Remark, nullable=False),
    Column("why", Remark, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "budget", "period"),
)

# Accounts (model "") and lanes that are left alone, and how they fared of late.
breakers = _table(
    "breakers",
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("openings", Integer, nullable=False),  # in a row, the pause grows with them
    Column("opened_at", Moment),  # None while it is closed
    Column("reason", Word(Reason)),
    Column("detail", Remark, nullable=False),
    Column("probe_at", Moment),  # from then on one run may try; None where a person has to say so
    Column("probe", Text),  # the run that tries
    Column("probe_until", Moment),
    Column("updated_at", Moment, nullable=False),
)

# Lanes whose jobs are not asked for before a time, since the provider refused to say more.
poll_rests = _table(
    "poll_rests",
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("until", Moment, nullable=False),
    Column("refusals", Integer, nullable=False),  # in a row, the rest grows with them
    Column("reason", Word(Reason), nullable=False),
    Column("detail", Remark, nullable=False),
)

# How long a lane's jobs took of late, by the power of two of their pages: a running quantile.
durations = _table(
    "durations",
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("early", Float, nullable=False),  # seconds: one job in twenty was ready sooner
    Column("jobs", Integer, nullable=False),
)

route_revisions = _table(
    "route_revisions",
    Column("revision", Text, primary_key=True),
    Column("route", Text, nullable=False),
    Column("definition", Text, nullable=False),  # JSON
    Column("first_seen", Moment, nullable=False),
)

leases = _table(
    "leases",
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Moment, nullable=False),
)

watches = _table(
    "watches",
    Column("bucket", Text, primary_key=True),
    Column("prefix", _KEY, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# Accounts whose provider was seen to tell our keys again: only then a key that is not told is absent.
echoes = _table(
    "echoes",
    Column("provider", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("seen_at", Moment, nullable=False),
)

# Passes over a whole bucket that outlast a process: a scan, a rebuild.
passes = _table(
    "passes",
    Column("name", Text, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON: what it found so far
    Column("started_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("finished_at", Moment),
)

schedules = _table(
    "schedules",
    Column("name", Text, primary_key=True),
    Column("last_run_at", Moment, nullable=False),
)

# One row: which ledger this is.
identity = _table(
    "identity",
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)
