"""How long a lane's jobs took of late, for whoever decides when to ask for the next one."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select, tuple_

from headrace.clock import Clock
from headrace.durations import Durations, size_of
from headrace.ledger.engine import Database
from headrace.ledger.schema import durations
from headrace.ledger.upserts import insert_or_update
from headrace.routing import Lane

_BELIEVED_SECONDS = 10.0
# Of fewer jobs than these nothing is concluded.
_FEW = 3
_PLACE = (durations.c.provider, durations.c.account, durations.c.model)


class Took(NamedTuple):
    """A job that was answered, so many seconds after it was accepted."""

    pages: int | None
    seconds: float


class KnownDurations(Database):
    """The calls of the steps that accept jobs and ask for them."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, clock)
        self._believed: dict[Lane, tuple[float, dict[int, Durations]]] = {}

    def note_durations(self, lane: Lane, took: Iterable[Took]) -> None:
        """Learn from jobs that were answered; two who do so at once may lose a few."""
        by_size: dict[int, list[float]] = {}
        for job in took:
            by_size.setdefault(size_of(job.pages), []).append(max(job.seconds, 0.001))
        if not by_size:
            return
        with self._transaction("note_durations") as tx:
            ours = select(durations).where(tuple_(*_PLACE) == tuple_(*lane), durations.c.size.in_(sorted(by_size)))
            known = {row.size: Durations(row.early, row.jobs) for row in tx.execute(ours)}
            # In order, so that two who write several wait for each other, not forever.
            for size, seconds in sorted(by_size.items()):
                now = known.get(size) or Durations(seconds[0], 0)
                for one in seconds:
                    now = now.heard(one)
                row = {"size": size, "early": now.early, "jobs": now.jobs}
                insert_or_update(tx, durations, {**lane._asdict(), **row})

    def durations(self, lane: Lane, pages: int | None) -> Durations | None:
        """How long jobs of about so many pages took of late; None where too few were heard of."""
        known = self._durations_of(lane)
        found = known.get(size_of(pages))
        return found if found is not None and found.jobs >= _FEW else None

    def _durations_of(self, lane: Lane) -> dict[int, Durations]:
        now = self._clock.monotonic()
        believed_until, known = self._believed.get(lane, (0.0, {}))
        if now >= believed_until:
            query = select(durations).where(tuple_(*_PLACE) == tuple_(*lane))
            with self._reading() as connection:
                known = {row.size: Durations(row.early, row.jobs) for row in connection.execute(query)}
            self._believed[lane] = (now + _BELIEVED_SECONDS, known)
        return known
