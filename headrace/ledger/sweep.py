"""Finding again what is overdue: a lost hint, a dead worker, a poll group that nobody looks after."""

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update

from headrace.ledger.dispatch import is_admissible
from headrace.ledger.engine import Database
from headrace.ledger.records import Hint
from headrace.ledger.schema import runs
from headrace.states import State

# Submitted runs are found through their poll group, waiting ones by the dispatcher, all at once.
_SWEPT = tuple(state for state in State if state not in {State.SUBMITTED, State.WAITING})

_SPACING = (timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=15))


class Sweep(Database):
    """The call of the sweep; poll groups have `revive_groups`."""

    def sweep(self, limit: int = 500) -> list[Hint]:
        """The runs whose next step is overdue, at most `limit`, the most overdue first.

        Each is due again 5 s later, then 10 s, then every 15 s. Two sweeps at once share the runs between
        them. Waiting runs that are due are one hint together, the last: any of them, for the dispatcher. Those in
        doubt have `lanes_in_doubt`.
        """
        with self._transaction("sweep") as tx:
            now = self._clock.now()
            unheld = or_(runs.c.lease_until.is_(None), runs.c.lease_until <= now)
            overdue = and_(runs.c.state.in_(_SWEPT), runs.c.due_at <= now, unheld, runs.c.published.is_(False))
            query = select(runs.c.id, runs.c.state, runs.c.provider, runs.c.sweeps).where(overdue)
            some = query.order_by(runs.c.due_at, runs.c.id).limit(limit).with_for_update(skip_locked=True)
            rows = tx.execute(some).all()
            again: defaultdict[datetime, list[str]] = defaultdict(list)
            for row in rows:
                again[now + _SPACING[min(row.sweeps, len(_SPACING) - 1)]].append(row.id)
            for due_at, ids in again.items():
                later = {"due_at": due_at, "sweeps": runs.c.sweeps + 1}
                tx.execute(update(runs).where(runs.c.id.in_(ids)).values(later))
            waiting = tx.execute(
                select(runs.c.id, runs.c.state, runs.c.provider, runs.c.sweeps).where(is_admissible(now)).limit(1)
            ).one_or_none()
        found = rows if waiting is None else [*rows, waiting]
        return [Hint(row.id, row.state, row.provider) for row in found]
