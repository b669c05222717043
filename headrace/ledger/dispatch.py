"""Letting waiting runs go, as far as their lanes have room."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, tuple_, update

from headrace.ledger.engine import Database, one_at_a_time
from headrace.ledger.moves import move
from headrace.ledger.records import Advance, Hint
from headrace.ledger.rows import run_of, select_runs
from headrace.ledger.schema import runs
from headrace.routing import Lane
from headrace.states import Reason, State

_LANE = (runs.c.provider, runs.c.account, runs.c.model)
_IN_FLIGHT = (State.ADMITTED, State.SUBMITTED)
_MOST_MARKED = 1000


class Dispatch(Database):
    """The call of the dispatcher."""

    def admit(self, in_flight: Callable[[Lane], int], limit: int = 200) -> list[Hint]:
        """Admit waiting runs that are due, the oldest of each lane first, at most `limit` of a lane.

        `in_flight` says how many runs of a lane may be admitted or submitted at once. A run that does not
        fit stays waiting and due, with the reason in_flight, so that it goes as soon as there is room.
        Each lane has its own transaction; two dispatchers at once never admit too many.
        """
        with self._reading() as connection:
            lanes = [
                Lane(*row)
                for row in connection.execute(select(*_LANE).where(is_admissible(self._clock.now())).distinct())
            ]
        hints: list[Hint] = []
        for lane in sorted(lanes):
            most = in_flight(lane)
            with self._transaction("admit") as tx:
                one_at_a_time(tx, "admit")
                hints += _admit_lane(tx, lane, most, limit, self._clock.now())
        return hints


def is_admissible(now: datetime) -> ColumnElement[bool]:
    """That a run waits for the dispatcher, and is due; what waits in doubt is left to settling."""
    return (runs.c.state == State.WAITING) & (runs.c.due_at <= now) & runs.c.reason.is_distinct_from(Reason.IN_DOUBT)


def _admit_lane(tx: Connection, lane: Lane, most: int, limit: int, now: datetime) -> Sequence[Hint]:
    ours = tuple_(*_LANE) == tuple_(*lane)
    due = ours & is_admissible(now)
    flying = tx.execute(select(func.count()).select_from(runs).where(ours, runs.c.state.in_(_IN_FLIGHT))).scalar_one()
    room = min(limit, most - flying)
    admitted: list[Hint] = []
    if room > 0:
        oldest = select_runs().where(due).order_by(runs.c.created_at, runs.c.id).limit(room)
        for row in tx.execute(oldest.with_for_update(of=runs)).all():
            move(tx, run_of(row), Advance(State.ADMITTED), now)
            admitted.append(Hint(row.id, State.ADMITTED, lane.provider))
    if most - flying - len(admitted) <= 0:
        unmarked = due & (runs.c.reason.is_distinct_from(Reason.IN_FLIGHT))
        some = select(runs.c.id).where(unmarked).order_by(runs.c.created_at, runs.c.id).limit(_MOST_MARKED)
        tx.execute(update(runs).where(runs.c.id.in_(some)).values(reason=Reason.IN_FLIGHT, updated_at=now))
    return admitted
