"""Finding again what is overdue: a lost hint, a dead worker, a poll group that nobody looks after."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, or_, select, update

from headrace.ledger.documents import in_pieces
from headrace.ledger.engine import Database
from headrace.ledger.moves import PATIENCE
from headrace.ledger.queued import waiting_queues
from headrace.ledger.records import Hint, Overdue
from headrace.ledger.schema import runs
from headrace.states import State

# Submitted runs are found through their poll group, waiting ones by the dispatcher, all at once. What the local
# provider is to read has a queue of its own, which says nothing of what is to be sent, nor the other way round.
OVERDUE = (
    *(Overdue(state) for state in State if state not in {State.ADMITTED, State.SUBMITTED, State.WAITING}),
    Overdue(State.ADMITTED, local=False),
    Overdue(State.ADMITTED, local=True),
)

_SPACING = (timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=15))


_UNHELD = or_(runs.c.lease_until.is_(None), runs.c.lease_until <= bindparam("now"))
_OVERDUE = (
    select(runs.c.id, runs.c.state, runs.c.provider, runs.c.sweeps, runs.c.lease_until)
    .where(runs.c.state == bindparam("of_state"), runs.c.due_at <= bindparam("now"), _UNHELD)
    .where(runs.c.published.is_(False))
    .order_by(runs.c.due_at, runs.c.id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)

_OVERDUE_OF = {
    None: _OVERDUE,
    True: _OVERDUE.where(runs.c.provider == "local"),
    False: _OVERDUE.where(runs.c.provider.is_distinct_from("local")),
}

_Row = Row[Any, Any, Any, Any, Any]


class Sweep(Database):
    """The call of the sweep; poll groups have `wake_groups`."""

    def sweep(self, most: Mapping[Overdue, int] | int = 500, queued: Mapping[Overdue, int] | None = None) -> list[Hint]:
        """The runs whose next step is overdue, at most so many of each of OVERDUE, the most overdue of it first.

        `queued`: how many messages wait in the queue that serves them. So many of those that are overdue are taken to
        have one still, for some 50 s each: a second message would cost as much as the first and help nobody. Who was
        given up, or whose worker died, has none. Where more are overdue than the queue may hold, it is filled.

        Each is due again 5 s later, then 10 s, then every 15 s. However many there are of one kind, they keep none of
        another from being found. Two sweeps at once share the runs between them. Waiting runs that are due are one
        hint together, the last: any of them, for the dispatcher. Those in doubt have `lanes_in_doubt`.
        """
        found: list[Hint] = []
        with self._transaction("sweep") as tx:
            now = self._clock.now()
            for which in OVERDUE:
                limit = most if isinstance(most, int) else most.get(which, 0)
                if limit > 0:
                    found += _overdue(tx, which, now, limit, (queued or {}).get(which, 0))
            due = next((one for one in waiting_queues(tx) if one.due_at <= now), None)
        return found if due is None else [*found, Hint(due.run_id, State.WAITING, due.lane.provider)]


def _overdue(tx: Connection, which: Overdue, now: datetime, limit: int, queued: int) -> list[Hint]:
    """The overdue runs that are to be hinted."""
    values = {"of_state": which.state, "now": now, "most": limit + queued}
    rows = tx.execute(_OVERDUE_OF[which.local], values).all()
    are_all = len(rows) < limit + queued
    without, having = _by_message(rows, queued) if are_all else (rows, [])
    hinted = without[:limit]
    again: defaultdict[datetime, list[str]] = defaultdict(list)
    # Who is taken to have a message is looked at again later, as who gets one is; for whom there is no room stays due.
    for row in [*hinted, *having]:
        again[now + _SPACING[min(row.sweeps, len(_SPACING) - 1)]].append(row.id)
    for due_at, ids in again.items():
        for chunk in in_pieces(ids):
            later = {"due_at": due_at, "sweeps": runs.c.sweeps + 1}
            tx.execute(update(runs).where(runs.c.id.in_(chunk)).values(later))
    return [Hint(row.id, row.state, row.provider) for row in hinted]


def _by_message(overdue: Sequence[_Row], queued: int) -> tuple[Sequence[_Row], Sequence[_Row]]:
    """Who seems to have none (whoever cannot, and those for whom there are too few), and who seems to have one."""
    without = [row for row in overdue if row.sweeps >= PATIENCE or row.lease_until is not None]
    others = [row for row in overdue if row.sweeps < PATIENCE and row.lease_until is None]
    return without + others[queued:], others[:queued]
