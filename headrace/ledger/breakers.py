"""Accounts and lanes that are left alone: what was heard of them, and whether a run may be sent."""

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, bindparam, delete, select, tuple_

from headrace.breaking import FAILURES, OF_THE_ACCOUNT, REFUSALS, Breaker, paused
from headrace.dispatching import Standstill
from headrace.ledger.engine import Database, one_at_a_time
from headrace.ledger.schema import breakers, runs
from headrace.ledger.upserts import insert_or_update
from headrace.routing import Lane
from headrace.states import Reason, State

log = structlog.get_logger()

_PLACE = (breakers.c.provider, breakers.c.account, breakers.c.model)
# An account is the lane without a model.
_OF_LANE = (
    select(breakers)
    .where(
        breakers.c.provider == bindparam("of_provider"),
        breakers.c.account == bindparam("of_account"),
        breakers.c.model.in_(["", bindparam("of_model")]),
    )
    .order_by(*_PLACE)
)
_NAMES = tuple(field.name for field in fields(Breaker))


class Known(NamedTuple):
    """The breaker of a lane, or of an account, whose lane has no model."""

    lane: Lane
    breaker: Breaker

    @property
    def place(self) -> str:
        """In words: nanonets/emea, or nanonets/emea/0a1b2c3d."""
        return str(self.lane).rstrip("/")


class Breakers(Database):
    """The calls of the submit step, and of `headrace pause` and `headrace resume`."""

    def standstill(self, lane: Lane, run_id: str) -> Standstill | None:
        """Why this run may not be sent now; None where it may."""
        with self._reading() as connection:
            for known in of_lane(connection, lane):
                if not known.breaker.lets(run_id):
                    return why(known.breaker)
        return None

    def heard(self, lane: Lane, run_id: str, reason: Reason | None, detail: str = "") -> Standstill | None:
        """Say how a request of a run fared: `reason` is what it failed with, None where it was taken or answered.

        Why the lane stands still from now on, where this opened its breaker. What tells nothing of the provider (a
        document that it refuses) is no failure.
        """
        if reason is not None and reason not in FAILURES | REFUSALS:
            return None
        if reason is None:
            with self._reading() as connection:
                if not of_lane(connection, lane):
                    return None  # as nearly always
            for place in (_account(lane), lane):
                self._change(place, lambda before, _now: before.heard_success(run_id))
            return None
        place = _account(lane) if reason in OF_THE_ACCOUNT else lane
        before, after = self._change(place, lambda before, now: before.heard_failure(run_id, reason, detail, now))
        if not after.is_open or before.is_open:
            return None
        log.error("provider left alone", lane=str(place), reason=str(after.reason), until=str(after.probe_at))
        return why(after)

    def pause(self, lane: Lane, *, by: str, why: str) -> bool:
        """Send nothing of this lane, or of an account (a lane without a model), until somebody resumes it.

        False where somebody had paused it already: what was said then stands.
        """
        before, _ = self._change(
            lane, lambda before, now: before if before.reason is Reason.PAUSED else paused(f"{why} ({by})", now)
        )
        return before.reason is not Reason.PAUSED

    def resume(self, lane: Lane) -> bool:
        """Let a lane, or an account, go on, whatever stopped it; False where nothing did."""
        before, _ = self._change(lane, lambda _before, _now: Breaker())
        return before.is_open

    def breakers(self) -> list[Known]:
        """All that is not as it should be, by name."""
        with self._reading() as connection:
            return [_known(row) for row in connection.execute(select(breakers).order_by(*_PLACE))]

    def _change(self, place: Lane, change: Callable[[Breaker, datetime], Breaker]) -> tuple[Breaker, Breaker]:
        with self._transaction("breaker") as tx:
            return change_breaker(tx, place, change, self._clock.now())


def change_breaker(
    tx: Connection, place: Lane, change: Callable[[Breaker, datetime], Breaker], now: datetime
) -> tuple[Breaker, Breaker]:
    """Change the breaker of a lane or an account, which nobody else does meanwhile; as it was, and as it is."""
    one_at_a_time(tx, f"breaker {place}")
    here = tuple_(*_PLACE) == tuple_(*place)
    row = tx.execute(select(breakers).where(here)).one_or_none()
    before = Breaker() if row is None else _known(row).breaker
    after = change(before, now)
    if after.is_trivial:
        tx.execute(delete(breakers).where(here))
    elif after != before:
        insert_or_update(tx, breakers, {**place._asdict(), **asdict(after), "updated_at": now})
    return before, after


def of_lane(connection: Connection, lane: Lane) -> list[Known]:
    """What is known of a lane and of its account; nothing where all is well."""
    return [
        _known(row)
        for row in connection.execute(_OF_LANE, {f"of_{name}": value for name, value in lane._asdict().items()})
    ]


def may_probe(tx: Connection, known: Known, now: datetime) -> bool:
    """Whether one run may go to see how it fares."""
    return known.breaker.may_probe(now, _probing(tx, known))


def probe(tx: Connection, known: Known, run_id: str, now: datetime) -> None:
    """Let this run go to see how it fares."""
    probing = _probing(tx, known)
    change_breaker(tx, known.lane, lambda breaker, now: breaker.probed_by(run_id, now, probing), now)


def _probing(tx: Connection, known: Known) -> State | None:
    """Where the run is that probes; None where none does."""
    if known.breaker.probe is None:
        return None
    state: State | None = tx.execute(select(runs.c.state).where(runs.c.id == known.breaker.probe)).scalar_one_or_none()
    return state


def why(breaker: Breaker) -> Standstill:
    """Why nothing goes while it is open."""
    return Standstill(breaker.reason or Reason.PROVIDER_FAILING, breaker.detail, breaker.probe_at)


def _account(lane: Lane) -> Lane:
    return lane._replace(model="")


def _known(row: Any) -> Known:
    return Known(
        Lane(row.provider, row.account, row.model),
        Breaker(**{name: getattr(row, name) for name in _NAMES}),
    )
