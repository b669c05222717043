"""What was promised and what was spent, by day, account and route; and what budgets leave of it.

A run's pages are reserved in the transaction that admits it. They are turned into what its answer says, given back
where it certainly was not paid, and stay reserved, which counts as spent, while it may have been.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from headrace.budgets import NOTHING, Amount, Budget, Period
from headrace.charges import MAY_COME, comes_to
from headrace.dispatching import Standstill
from headrace.errors import LedgerError
from headrace.ledger.engine import Database
from headrace.ledger.queued import Kept, kept_by
from headrace.ledger.records import Run, Submission
from headrace.ledger.schema import budget_raises, spending, submissions
from headrace.ledger.upserts import insert_or_add
from headrace.routing import Lane
from headrace.states import Reason, State

_CHARGED = tuple(
    submissions.c[name]
    for name in ("key", "state", "reason", "job", "pages", "cost", "spent_on", "spent_pages", "spent_cost")
)


class Used(NamedTuple):
    """What became of a budget in its present period.

    `raised` is what somebody allowed beyond it, `waiting` what it keeps until the period is over.
    """

    budget: Budget
    period: Period
    reserved: Amount
    spent: Amount
    raised: Amount
    waiting: Kept = Kept(0, 0)


class Refusal(NamedTuple):
    """A budget that leaves no room. `for_good`: the document is larger than the whole of it."""

    budget: Budget
    resumes_at: datetime
    for_good: bool


class Spending(Database):
    """The calls of `headrace budget`."""

    def budgets_used(self, budgets: Sequence[Budget]) -> list[Used]:
        """How each budget stands in its present period."""
        now = self._clock.now()
        with self._reading() as connection:
            return [_with_waiting(connection, _used(connection, budget, now)) for budget in budgets]

    def raise_budget(self, budget: Budget, amount: Amount, period: Period, *, by: str, why: str) -> Used:
        """Allow more than the budget in this period; how it stands then. LedgerError where the period is over."""
        with self._transaction("raise_budget") as tx:
            now = self._clock.now()
            if budget.period_of(now) != period:
                raise LedgerError(
                    f"The {budget.period} whose budget was to be raised is over since {period.ends_at:%Y-%m-%d %H:%M} "
                    "UTC, and another has begun. Nothing was raised: see how it stands, and raise it anew if need be."
                )
            row = {
                "budget": budget.name,
                "period": period.first.isoformat(),
                "pages": amount.pages,
                "cost": amount.cost,
                "by": by,
                "why": why,
                "at": now,
            }
            tx.execute(insert(budget_raises).values(row))
            return _with_waiting(tx, _used(tx, budget, now))


class Changes:
    """What is to be added to what was promised and spent, by day, account and route."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, str, str, str], tuple[Amount, Amount]] = {}

    def add(self, day: str, lane: Lane, route: str, *, reserved: Amount = NOTHING, spent: Amount = NOTHING) -> None:
        """Add so much of a route in a lane."""
        place = (day, lane.provider, lane.account, route)
        before = self._by_place.get(place, (NOTHING, NOTHING))
        self._by_place[place] = (before[0] + reserved, before[1] + spent)

    def write(self, tx: Connection) -> None:
        """Write it: in the order of the places, so that two who write several wait for each other, not forever."""
        for place, (reserved, spent) in sorted(self._by_place.items()):
            if (reserved, spent) == (NOTHING, NOTHING):
                continue
            row = dict(zip(("day", "provider", "account", "route"), place, strict=True))
            amounts = {
                "pages_reserved": reserved.pages,
                "cost_reserved": reserved.cost,
                "pages_spent": spent.pages,
                "cost_spent": spent.cost,
            }
            insert_or_add(tx, spending, row | amounts)


class Wallet:
    """What the budgets leave, within the transaction that admits; what it promises is written at once, by `write`."""

    def __init__(self, tx: Connection, budgets: Sequence[Budget], lane: Lane, now: datetime) -> None:
        self._tx = tx
        self._lane = lane
        self._now = now
        self._budgets = [budget for budget in budgets if budget.route or budget.covers("", lane)]
        self._used: dict[str, Amount] = {}
        self._raised: dict[str, Amount] = {}
        self._promised = Changes()

    def refusal(self, route: str, amount: Amount) -> Refusal | None:
        """The budget that has no room for so much more of this route; None where all have."""
        for budget in self._budgets:
            if not budget.covers(route, self._lane):
                continue
            used, raised = self._state_of(budget)
            if not budget.allows(used, amount, raised):
                for_good = not budget.allows(NOTHING, amount, raised)
                return Refusal(budget, budget.period_of(self._now).ends_at, for_good)
        return None

    def reserve(self, route: str, amount: Amount) -> None:
        """Promise so much to a run of this route."""
        for budget in self._budgets:
            if budget.covers(route, self._lane):
                self._used[budget.name] = self._state_of(budget)[0] + amount
        self._promised.add(day_of(self._now), self._lane, route, reserved=amount)

    def write(self) -> None:
        """Write down all that was promised: a row for each route, however many runs go."""
        self._promised.write(self._tx)

    def _state_of(self, budget: Budget) -> tuple[Amount, Amount]:
        if budget.name not in self._used:
            used = _used(self._tx, budget, self._now)
            self._used[budget.name], self._raised[budget.name] = used.reserved + used.spent, used.raised
        return self._used[budget.name], self._raised[budget.name]


def day_of(now: datetime) -> str:
    """The UTC day against whose budgets something counts."""
    return now.date().isoformat()


def settle(tx: Connection, run: Run, to: State, reason: Reason | None) -> dict[str, Any]:
    """Turn what was reserved for a run that goes on into what its requests came to; the columns of the run that change.

    Its submissions are written already. Each counts once, however often the run is admitted: what it counts for is kept
    with it. What was promised counts on the day on which it was, also where the answer comes on a later one.
    """
    if run.reserved_on is None or run.lane is None or run.route is None or _is_under_way(to, reason):
        return {}
    ours = (submissions.c.run_id == run.id) & submissions.c.paid
    sent = tx.execute(select(*_CHARGED).where(ours).order_by(submissions.c.n, submissions.c.key)).all()
    if any(one.state in MAY_COME for one in sent):
        return {}
    promised = Amount(run.reserved_pages or 0, run.reserved_cost or 0.0)
    changes = Changes()
    changes.add(run.reserved_on, run.lane, run.route, reserved=-promised)
    for one in sent:
        before = Amount(one.spent_pages or 0, one.spent_cost or 0.0)
        after = comes_to(one, promised if one.spent_on is None else before)
        if after != before:
            day = one.spent_on or run.reserved_on
            changes.add(day, run.lane, run.route, spent=after + -before)
            counted = {"spent_on": day, "spent_pages": after.pages, "spent_cost": after.cost}
            tx.execute(update(submissions).where(submissions.c.key == one.key).values(counted))
    changes.write(tx)
    return {"reserved_on": None, "reserved_pages": None, "reserved_cost": None}


def count(changes: Changes, run: Run, sent: Sequence[Submission], times: int = 1) -> None:
    """Add what a run and these requests of it count for; with -1 take it away."""
    if run.lane is None or run.route is None:
        return
    if run.reserved_on is not None:
        promised = Amount((run.reserved_pages or 0) * times, (run.reserved_cost or 0.0) * times)
        changes.add(run.reserved_on, run.lane, run.route, reserved=promised)
    for one in sent:
        if one.spent_on is not None:
            spent = Amount((one.spent_pages or 0) * times, (one.spent_cost or 0.0) * times)
            changes.add(one.spent_on, run.lane, run.route, spent=spent)


def _is_under_way(to: State, reason: Reason | None) -> bool:
    doubtful = to in (State.WAITING, State.HELD) and reason is Reason.IN_DOUBT
    return doubtful or to in (State.ADMITTED, State.SUBMITTED)


def _used(connection: Connection, budget: Budget, now: datetime) -> Used:
    period = budget.period_of(now)
    days = (spending.c.day >= period.first.isoformat()) & (spending.c.day < period.next.isoformat())
    sums = [
        func.coalesce(func.sum(spending.c[name]), 0)
        for name in ("pages_reserved", "cost_reserved", "pages_spent", "cost_spent")
    ]
    found = connection.execute(select(*sums).where(days, _covered(budget))).one()
    ours = (budget_raises.c.budget == budget.name) & (budget_raises.c.period == period.first.isoformat())
    more = select(func.coalesce(func.sum(budget_raises.c.pages), 0), func.coalesce(func.sum(budget_raises.c.cost), 0))
    raised = connection.execute(more.where(ours)).one()
    pages_reserved, cost_reserved, pages_spent, cost_spent = found
    return Used(
        budget,
        period,
        Amount(int(pages_reserved), _money(cost_reserved)),
        Amount(int(pages_spent), _money(cost_spent)),
        Amount(int(raised[0]), _money(raised[1])),
    )


def _with_waiting(connection: Connection, used: Used) -> Used:
    return used._replace(waiting=kept_by(connection, Standstill(Reason.BUDGET, used.budget.words)))


def _money(total: float) -> float:
    """A sum of prices, rid of what binary fractions add to it, and of their sign."""
    return round(float(total), 6) + 0.0


def _covered(budget: Budget) -> ColumnElement[bool]:
    return spending.c.route == budget.route if budget.route else spending.c.account == budget.account
