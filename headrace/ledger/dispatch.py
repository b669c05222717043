"""Letting waiting runs go, as far as rate, budgets, breakers and room allow; in fair turns of their queues.

Nothing is written to a run that merely waits: why its queue stands still is one row of `queues`. Of a million waiting
runs only the heads of their queues are looked at.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, bindparam, func, insert, select, tuple_, update

from headrace.budgets import NOTHING, Amount
from headrace.dispatching import Rules, Standstill
from headrace.errors import LedgerError, NoPages
from headrace.ledger import breakers
from headrace.ledger.engine import one_at_a_time
from headrace.ledger.heads import Head, Heads
from headrace.ledger.moves import FRESH, NOT_PUT_OFF, SOON, move
from headrace.ledger.queued import After, due_queues, remember, remembered
from headrace.ledger.records import Advance, Hint
from headrace.ledger.revisions import Revisions
from headrace.ledger.rows import read_run
from headrace.ledger.schema import history, lanes, queues, runs, submissions
from headrace.ledger.spending import Refusal, Wallet, day_of
from headrace.ledger.upserts import insert_or_update
from headrace.routing import Lane, pages_sent
from headrace.states import Reason, State, SubmissionState
from headrace.turns import Queue, Turns

log = structlog.get_logger()

_LANE = (runs.c.provider, runs.c.account, runs.c.model)
_FLYING = (State.ADMITTED, State.SUBMITTED)
# What flies is counted every few seconds; of so small a lane, which takes no time, also whenever it seems full.
_SOON_COUNTED = 1000
_COUNT_EVERY = timedelta(seconds=2)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Dispatch(Revisions):
    """The calls of the dispatcher."""

    def admit(self, rules: Rules, most: Callable[[Lane], int] = lambda _lane: 200) -> list[Hint]:
        """Admit waiting runs that are due, at most so many of a lane; to be sent in the order of the hints.

        Each lane has its own transaction; two dispatchers at once never admit too many.
        """
        with self._reading() as connection:
            due = due_queues(connection, self._clock.now())
            noted = select(queues.c.provider, queues.c.account, queues.c.model).distinct()
            known = {Lane(*row) for row in connection.execute(noted)}
        hints: list[Hint] = []
        for lane in [*due, *sorted(known - due.keys())]:
            limit = most(lane)
            if limit <= 0:
                continue  # What was noted of its queues stays as it is until there is room.
            with self._transaction("admit") as tx:
                one_at_a_time(tx, "admit")
                round_ = _Round(tx, lane, rules, self._clock.now(), self._pages_of)
                chosen = round_.play(due.get(lane, []), limit)
            hints += [Hint(one.head.run_id, State.ADMITTED, lane.provider) for one in chosen]
        return hints

    def rest(self, lane: Lane, until: datetime, reason: Reason) -> None:
        """Admit nothing of this lane before then: there is no place for it, as the limiter said."""
        with self._transaction("rest") as tx:
            one_at_a_time(tx, "admit")
            row = _lane_row(tx, lane)
            insert_or_update(tx, lanes, {**row, "rests_until": until, "rests_for": reason})

    def _pages_of(self, head: Head) -> int:
        """How many pages are sent of a run, so far as is known."""
        pages = head.pages or 1
        if head.revision is None:
            return pages
        try:
            return pages_sent(pages, self.route_at(head.revision))
        except (LedgerError, NoPages):
            return pages  # the step that sends it says what is wrong


class _Chosen(NamedTuple):
    """A run that goes; `reserved` is what the budgets count for it from now on."""

    queue: Queue
    head: Head
    reserved: Amount | None


@dataclass
class _Room:
    """How much more of a lane may be admitted: runs; and pages and requests, as its rate goes (None: any number)."""

    runs: int
    pages: float | None = None
    requests: float | None = None

    def at_most(self) -> int:
        """No more runs than this may go, each of which has a page."""
        stocks = [math.ceil(stock) for stock in (self.pages, self.requests) if stock is not None]
        return min([self.runs, *stocks])

    def standstill(self) -> Standstill | None:
        """Why no more may go; None where there is room."""
        if self.runs <= 0:
            return Standstill(Reason.IN_FLIGHT)
        # What is larger than the room goes when there is any, and leaves a debt.
        is_used_up = any(stock is not None and stock <= 0 for stock in (self.pages, self.requests))
        return Standstill(Reason.RATE) if is_used_up else None

    def take(self, pages: int) -> None:
        self.runs -= 1
        if self.pages is not None:
            self.pages -= pages
        if self.requests is not None:
            self.requests -= 1


class _Round:
    """One lane's round, within its transaction."""

    def __init__(
        self, tx: Connection, lane: Lane, rules: Rules, now: datetime, pages_of: Callable[[Head], int]
    ) -> None:
        self._tx = tx
        self._lane = lane
        self._rules = rules
        self._of_lane = rules.of_lane(lane)
        self._now = now
        self._pages_of = pages_of
        self._standstills: dict[Queue, Standstill] = {}

    def play(self, due: Sequence[Queue], limit: int) -> list[_Chosen]:
        """Let go what may, at most `limit` runs of the queues that have some which are due."""
        before = remembered(self._tx, self._lane)
        turns = Turns(due, {queue: known.passed for queue, known in before.items()}, self._rules.weights)
        chosen = self._choose(due, turns, limit) if due else []
        _admit_all(self._tx, chosen, self._now)
        remember(self._tx, self._lane, before, After(turns.passed_by_all(), self._standstills), self._now)
        return chosen

    def _choose(self, due: Sequence[Queue], turns: Turns, limit: int) -> list[_Chosen]:
        """Who goes, in turn."""
        row = _lane_row(self._tx, self._lane)
        still, probes = self._gate(row)
        room = _Room(0) if still else self._room(row)
        still = still or room.standstill()
        if still is not None:
            # Nobody's run is looked at, however many there are.
            self._standstills = dict.fromkeys(due, still)
            return []
        wallet = Wallet(self._tx, self._rules.budgets if self._of_lane.paid else (), self._lane, self._now)
        heads = {queue: Heads(self._tx, self._lane, queue, self._now, limit) for queue in due}
        chosen: list[_Chosen] = []
        probe: str | None = None
        while len(chosen) < limit and still is None and (queue := turns.next()) is not None:
            wanted = min(limit - len(chosen), room.at_most())
            picked = self._pick(queue, heads[queue], wanted, wallet)
            if picked is None:
                turns.leave_out(queue)
                continue
            pages = self._pages_of(picked.head)
            turns.went(queue, pages)
            room.take(pages)
            chosen.append(picked)
            still = room.standstill()
            if probes and not picked.head.paid:
                # Nobody goes beside it. What was taken before is not sent, and would tell nothing.
                probe, still = picked.head.run_id, breakers.why(probes[0].breaker)
        if still is not None:
            left = [queue for queue in due if queue not in self._standstills and heads[queue].is_left()]
            self._standstills |= dict.fromkeys(left, still)
        if probe is not None:
            for known in probes:
                breakers.probe(self._tx, known, probe, self._now)
        wallet.write()
        if chosen:
            insert_or_update(self._tx, lanes, {**row, "flying": row["flying"] + len(chosen)})
        return chosen

    def _pick(self, queue: Queue, heads: Heads, wanted: int, wallet: Wallet) -> _Chosen | None:
        """The first run of a queue that no budget keeps; None where there is none."""
        while (head := heads.pop(wanted)) is not None:
            if head.reserved or not self._of_lane.paid:
                return _Chosen(queue, head, None)
            pages = self._pages_of(head)
            amount = Amount(pages, pages * (self._of_lane.price or 0.0))
            refusal = wallet.refusal(queue.route, amount)
            if refusal is None:
                wallet.reserve(queue.route, amount)
                self._standstills.pop(queue, None)
                return _Chosen(queue, head, amount)
            if head.paid:
                # It was admitted, and paid, where nobody counted it yet; to wait, or to fail, would lose its answer.
                return _Chosen(queue, head, None)
            if refusal.for_good:
                self._fail(head, amount, refusal)
            else:
                self._standstills[queue] = Standstill(Reason.BUDGET, refusal.budget.words, refusal.resumes_at)
        return None

    def _fail(self, head: Head, amount: Amount, refusal: Refusal) -> None:
        run = read_run(self._tx, head.run_id, locked=True)
        if run is not None:
            needs = "1 page" if amount.pages == 1 else f"{amount.pages} pages"
            text = f"It has {needs} to be paid, more than all of {refusal.budget.words}. Nothing was sent."
            move(self._tx, run, Advance(State.FAILED, Reason.OVER_BUDGET, text), self._now)

    def _gate(self, row: Mapping[str, Any]) -> tuple[Standstill | None, list[breakers.Known]]:
        """Why nothing of the lane goes; else the open breakers that its first run may probe."""
        stopped = [known for known in breakers.of_lane(self._tx, self._lane) if known.breaker.is_open]
        for known in stopped:
            if not breakers.may_probe(self._tx, known, self._now):
                return breakers.why(known.breaker), []
        if row["rests_until"] is not None and row["rests_until"] > self._now:
            return Standstill(row["rests_for"] or Reason.RATE, "", row["rests_until"]), []
        return None, stopped

    def _room(self, row: dict[str, Any]) -> _Room:
        rules = self._of_lane
        # What left is in the count until it is made anew; what came by another way, as a job that was adopted, is not.
        is_old = row["counted_at"] <= self._now - _COUNT_EVERY
        if is_old or (row["flying"] >= rules.in_flight and rules.in_flight <= _SOON_COUNTED):
            row |= {"flying": _flying(self._tx, self._lane), "counted_at": self._now}
            if rules.in_flight > _SOON_COUNTED:
                # A lane that is full would be counted anew each time it is looked at.
                insert_or_update(self._tx, lanes, row)
        room = _Room(rules.in_flight - row["flying"], rules.stock_pages, rules.stock_requests)
        if room.pages is not None or room.requests is not None:
            requests, pages = _unsent(self._tx, self._lane)
            room.pages = None if room.pages is None else room.pages - pages
            room.requests = None if room.requests is None else room.requests - requests
        return room


def _lane_row(tx: Connection, lane: Lane) -> dict[str, Any]:
    """What is remembered of a lane; one that nobody knows yet was never counted."""
    ours = tuple_(lanes.c.provider, lanes.c.account, lanes.c.model) == tuple_(*lane)
    row = tx.execute(select(lanes).where(ours)).one_or_none()
    if row is not None:
        return dict(row._mapping)
    new = {"flying": 0, "counted_at": _NEVER, "rests_until": None, "rests_for": None}
    return {**lane._asdict(), **new}


def _flying(tx: Connection, lane: Lane) -> int:
    ours = (tuple_(*_LANE) == tuple_(*lane)) & runs.c.state.in_(_FLYING)
    return int(tx.execute(select(func.count()).select_from(runs).where(ours)).scalar_one())


def _unsent(tx: Connection, lane: Lane) -> tuple[int, int]:
    """How many runs are admitted and have not begun to be sent, and their pages."""
    sent = (submissions.c.run_id == runs.c.id) & (submissions.c.state == SubmissionState.INTENDED)
    ours = (tuple_(*_LANE) == tuple_(*lane)) & (runs.c.state == State.ADMITTED)
    pages = func.coalesce(func.sum(func.coalesce(runs.c.reserved_pages, runs.c.pages, 1)), 0)
    query = select(func.count(), pages).select_from(runs).where(ours, ~select(submissions.c.key).where(sent).exists())
    row = tx.execute(query).one()
    return int(row[0]), int(row[1])


def _admit_all(tx: Connection, chosen: Sequence[_Chosen], now: datetime) -> None:
    """Move them all at once, which takes a tenth of the time of one by one."""
    if not chosen:
        return
    # A run goes on trying what a store may still refuse.
    fresh = {name: value for name, value in FRESH.items() if name not in NOT_PUT_OFF}
    moved = {"state": State.ADMITTED, "reason": None, "detail": "", "published": False, "ended_at": None}
    values = {**fresh, **moved, "due_at": now + SOON, "updated_at": now}
    tx.execute(update(runs).where(runs.c.id.in_([one.head.run_id for one in chosen])).values(values))
    told = {"at": now, "step": "admit", "event": State.ADMITTED.value, "state": State.ADMITTED, "detail": ""}
    tx.execute(insert(history), [told | {"run_id": one.head.run_id} for one in chosen])
    promised = list(_promises(chosen, now))
    if promised:
        mark = update(runs).where(runs.c.id == bindparam("run"))
        tx.execute(mark.values({name: bindparam(f"new_{name}") for name in _PROMISED}), promised)


_PROMISED = ("reserved_on", "reserved_pages", "reserved_cost")


def _promises(chosen: Sequence[_Chosen], now: datetime) -> Iterator[dict[str, Any]]:
    for one in chosen:
        if one.reserved is not None and one.reserved != NOTHING:
            amounts = (day_of(now), one.reserved.pages, one.reserved.cost)
            yield {"run": one.head.run_id} | {
                f"new_{name}": value for name, value in zip(_PROMISED, amounts, strict=True)
            }
