"""Lanes whose jobs are left alone for a while: asking was refused, as too much, or because of the key."""

from datetime import datetime

import structlog
from sqlalchemy import Connection, delete, select, tuple_

from headrace.ledger.engine import Database, one_at_a_time
from headrace.ledger.schema import poll_rests
from headrace.ledger.upserts import insert_or_update
from headrace.polling import rest_after
from headrace.routing import Lane
from headrace.states import Reason

log = structlog.get_logger()

_PLACE = (poll_rests.c.provider, poll_rests.c.account, poll_rests.c.model)


class PollRests(Database):
    """The calls of the poll step; `take_turn` heeds what they say."""

    def rest_polls(self, lane: Lane, reason: Reason, detail: str, asked_seconds: float | None = None) -> datetime:
        """Ask for no job of this lane for a while: until when.

        What is refused while the lane rests already was under way: it is no further refusal, but may ask for longer.
        """
        with self._transaction("rest_polls") as tx:
            one_at_a_time(tx, f"poll rest {lane}")
            now = self._clock.now()
            known = tx.execute(select(poll_rests).where(tuple_(*_PLACE) == tuple_(*lane))).one_or_none()
            rests = known is not None and known.until > now
            refusals = 0 if known is None else known.refusals
            before = refusals - 1 if rests else refusals
            until = now + rest_after(reason, max(before, 0), asked_seconds)
            if known is not None and rests:
                until = max(until, known.until)
            row = {"until": until, "refusals": refusals if rests else refusals + 1, "reason": reason, "detail": detail}
            insert_or_update(tx, poll_rests, {**lane._asdict(), **row})
        if not rests:
            log.warning("polls rest", lane=str(lane), reason=str(reason), until=str(until))
        return until

    def polls_go_on(self, lane: Lane) -> None:
        """The provider tells of this lane's jobs again: the next refusal is a first one. A rest that goes on stays."""
        with self._transaction("polls_go_on") as tx:
            over = poll_rests.c.until <= self._clock.now()
            tx.execute(delete(poll_rests).where(tuple_(*_PLACE) == tuple_(*lane), over))


def rest_of(connection: Connection, lane: Lane) -> datetime | None:
    """Until when the lane's jobs are, or were, left alone; None where asking was not refused of late."""
    until: datetime | None = connection.execute(
        select(poll_rests.c.until).where(tuple_(*_PLACE) == tuple_(*lane))
    ).scalar_one_or_none()
    return until
