"""The runs of a queue, read from its head as far as they are needed."""

from collections import deque
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, or_, select

from headrace.ledger.queued import from_the_index
from headrace.ledger.schema import QUEUE, runs, submissions
from headrace.routing import Lane
from headrace.states import SubmissionState
from headrace.turns import Queue


class Head(NamedTuple):
    """A run that may be the next of its queue.

    `reserved`: budgets have counted it already. `paid`: a request of it was taken, so it costs nothing more.
    """

    run_id: str
    pages: int | None
    revision: str | None
    reserved: bool
    paid: bool
    due_at: datetime


_TAKEN = (submissions.c.run_id == runs.c.id) & submissions.c.state.in_(
    [SubmissionState.ACCEPTED, SubmissionState.ANSWERED]
)
_HEAD = (
    runs.c.id,
    runs.c.pages,
    runs.c.revision,
    runs.c.reserved_on.is_not(None).label("reserved"),
    select(submissions.c.key).where(_TAKEN).exists().label("paid"),
    runs.c.due_at,
)


class Heads:
    """The runs of a queue that are due, the first first, at most `most`; nobody else takes what was read meanwhile."""

    def __init__(self, tx: Connection, lane: Lane, queue: Queue, now: datetime, most: int) -> None:
        self._tx = tx
        self._ours = [column == value for column, value in zip(QUEUE, (*lane, *queue), strict=True)]
        self._now = now
        self._unread = most
        self._read: deque[Head] = deque()
        self._last: Head | None = None

    def pop(self, wanted: int) -> Head | None:
        """The next run, None after the last. Where none lies ready, `wanted` are read, for as many may go."""
        if not self._read:
            # And one more, which tells whether any is left behind.
            self._read_on(wanted + 1)
        return self._read.popleft() if self._read else None

    def is_left(self) -> bool:
        """Whether there is a further run."""
        if not self._read:
            self._read_on(1)
        return bool(self._read)

    def _read_on(self, wanted: int) -> None:
        limit = min(wanted, self._unread)
        if limit <= 0:
            return
        query = from_the_index(select(*_HEAD))
        query = query.where(*self._ours, runs.c.due_at <= self._now).order_by(runs.c.due_at, runs.c.id).limit(limit)
        if self._last is not None:
            at_once = and_(runs.c.due_at == self._last.due_at, runs.c.id > self._last.run_id)
            # The first condition follows from the second, and is what the index is searched for.
            query = query.where(runs.c.due_at >= self._last.due_at, or_(runs.c.due_at > self._last.due_at, at_once))
        self._read.extend(Head(*row) for row in self._tx.execute(query.with_for_update(of=runs, skip_locked=True)))
        if self._read:
            self._last = self._read[-1]
        self._unread = self._unread - len(self._read) if len(self._read) == limit else 0
