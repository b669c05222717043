"""The queues of waiting runs, found without looking at each run; and why they stand still."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, select, tuple_, update

from headrace.dispatching import Standstill
from headrace.ledger.records import Run
from headrace.ledger.schema import QUEUE, is_queued, queues, runs
from headrace.ledger.upserts import insert_or_update
from headrace.routing import Lane
from headrace.states import Precedence, Reason, State
from headrace.turns import Queue

_LANE = (queues.c.provider, queues.c.account, queues.c.model)


class Remembered(NamedTuple):
    """What was noted of a queue the last time."""

    passed: float
    standstill: Standstill | None


class After(NamedTuple):
    """How a lane's queues stand after a round of the dispatcher."""

    passed: Mapping[Queue, float]
    standstills: Mapping[Queue, Standstill]


class Waiting(NamedTuple):
    """A queue in which runs wait, and the one of them that is due first."""

    lane: Lane
    queue: Queue
    run_id: str
    due_at: datetime


def from_the_index(query: Any) -> Any:
    """The query, of waiting runs, by their index: SQLite would take another, which has the state, and sort them all."""
    return query.where(is_queued()).with_hint(runs, "INDEXED BY ix_runs_queue", "sqlite")


_ORDER = (*QUEUE, runs.c.due_at, runs.c.id)
# A run that waits without lane or route should not be; it is nobody's, and is told as stuck.
_FIRST = from_the_index(select(*_ORDER)).where(*(column.is_not(None) for column in QUEUE)).order_by(*_ORDER).limit(1)


def _first_behind(last: int) -> Any:
    """The first run of the first queue behind another one, the same as that in all columns before this one."""
    same = [QUEUE[place] == bindparam(QUEUE[place].name) for place in range(last)]
    return _FIRST.where(*same, QUEUE[last] > bindparam(QUEUE[last].name))


# One column is compared at a time: told to compare all of them at once, SQLite reads every run of the queue. A queue of
# the same precedence comes first, else one of the same model, and so on.
_BEHIND = [_first_behind(last) for last in reversed(range(len(QUEUE)))]


def waiting_queues(connection: Connection) -> Iterator[Waiting]:
    """The queues in which runs wait: one step of the index for each, however many runs there are."""
    row = connection.execute(_FIRST).one_or_none()
    while row is not None:
        queue = Queue(Precedence(row.precedence), row.route)
        yield Waiting(Lane(row.provider, row.account, row.model), queue, row.id, row.due_at)
        row = _next_queue(connection, row)


def due_queues(connection: Connection, now: datetime) -> dict[Lane, list[Queue]]:
    """The queues that have a run which is due, by their lanes; first the lane of the run that is due longest.

    A budget may be for several lanes: were it always the same one that goes first, it could leave the others nothing.
    """
    due = sorted((waiting for waiting in waiting_queues(connection) if waiting.due_at <= now), key=_since)
    found: defaultdict[Lane, list[Queue]] = defaultdict(list)
    for waiting in due:
        found[waiting.lane].append(waiting.queue)
    return dict(found)


def _since(waiting: Waiting) -> tuple[datetime, str]:
    return waiting.due_at, waiting.run_id


def _next_queue(connection: Connection, row: Row[Any]) -> Row[Any] | None:
    """The first run of the queue behind the one of this run."""
    queue = {column.name: row[place] for place, column in enumerate(QUEUE)}
    found = (connection.execute(behind, queue).one_or_none() for behind in _BEHIND)
    return next((behind for behind in found if behind is not None), None)


def remembered(connection: Connection, lane: Lane) -> dict[Queue, Remembered]:
    """What was noted of a lane's queues, and of its precedences (the route "")."""
    query = select(queues).where(tuple_(*_LANE) == tuple_(*lane))
    return {
        Queue(Precedence(row.precedence), row.route): Remembered(
            row.passed, None if row.reason is None else Standstill(row.reason, row.detail, row.until)
        )
        for row in connection.execute(query)
    }


def remember(tx: Connection, lane: Lane, before: Mapping[Queue, Remembered], after: After, now: datetime) -> None:
    """Note what changed of a lane's queues; one of which there is nothing to say is forgotten."""
    told = after.passed.keys() | after.standstills.keys()
    for queue in told:
        known = before.get(queue)
        still = after.standstills.get(queue)
        amount = after.passed.get(queue, 0.0 if known is None else known.passed)
        if known == Remembered(amount, still):
            continue
        row: dict[str, Any] = {**lane._asdict(), **queue._asdict(), "passed": amount, **_told(still)}
        if known is not None and _kind(known.standstill) == _kind(still):
            tx.execute(_ours(update(queues), lane, queue).values(row))
        else:
            insert_or_update(tx, queues, row | {"since": now if still else None})
    for queue in before.keys() - told:
        tx.execute(_ours(delete(queues), lane, queue))


class Place(NamedTuple):
    """A queue, in its lane."""

    lane: Lane
    queue: Queue


def standing_still(connection: Connection) -> dict[Place, Standstill]:
    """The queues that stand still, and why."""
    query = select(queues).where(queues.c.reason.is_not(None))
    return {
        Place(Lane(row.provider, row.account, row.model), Queue(Precedence(row.precedence), row.route)): Standstill(
            row.reason, row.detail, row.until
        )
        for row in connection.execute(query)
    }


class Kept(NamedTuple):
    """What waits in queues that stand still."""

    runs: int
    pages: int


def kept_by(connection: Connection, still: Standstill) -> Kept:
    """How much waits in the queues that stand still for this, whatever `until` says."""
    same = (queues.c.reason == still.reason) & (queues.c.detail == still.detail)
    columns = [queues.c[column.name] for column in QUEUE]
    how_much = select(func.count(), func.coalesce(func.sum(runs.c.pages), 0))
    kept = Kept(0, 0)
    for row in connection.execute(select(*columns).where(same)).all():
        ours = [column == value for column, value in zip(QUEUE, row, strict=True)]
        found, pages = connection.execute(from_the_index(how_much.select_from(runs)).where(*ours)).one()
        kept = Kept(kept.runs + int(found), kept.pages + int(pages))
    return kept


def stands_still_for(*reasons: Reason) -> ColumnElement[bool]:
    """That a run merely waits, in a queue that stands still for one of these reasons."""
    return runs.c.reason.is_(None) & queue_stands_still_for(*reasons)


def queue_stands_still_for(*reasons: Reason) -> ColumnElement[bool]:
    """That a run waits in a queue that stands still for one of these reasons, whatever brought the run there."""
    return _waits_in(queues.c.reason.in_(reasons))


def queue_stands_still_until(moment: datetime) -> ColumnElement[bool]:
    """That a run waits in a queue that was said to stand still until then, or longer."""
    return _waits_in(queues.c.until >= moment)


def _waits_in(such: ColumnElement[bool]) -> ColumnElement[bool]:
    same = [column == queues.c[column.name] for column in QUEUE]
    return is_queued() & select(queues.c.route).where(*same, such).exists()


def with_standstills(connection: Connection, found: Sequence[Run]) -> list[Run]:
    """The runs, those that merely wait in a queue that stands still with the reason of that."""
    if not any(_merely_waits(run) for run in found):
        return list(found)
    known = standing_still(connection)
    return [_with(run, known) for run in found]


def _with(run: Run, known: Mapping[Place, Standstill]) -> Run:
    if not _merely_waits(run) or run.lane is None:
        return run
    still = known.get(Place(run.lane, Queue(run.precedence, run.route or "")))
    return run if still is None else replace(run, reason=still.reason, detail=still.detail, stands_until=still.until)


def _merely_waits(run: Run) -> bool:
    return run.state is State.WAITING and run.reason is None


def _ours(statement: Any, lane: Lane, queue: Queue) -> Any:
    return statement.where(
        tuple_(*_LANE) == tuple_(*lane), queues.c.precedence == queue.precedence, queues.c.route == queue.route
    )


def _told(still: Standstill | None) -> dict[str, Any]:
    if still is None:
        return {"reason": None, "detail": "", "until": None}
    return still._asdict()


def _kind(still: Standstill | None) -> object:
    return None if still is None else still.reason
