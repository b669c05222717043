"""Any lives of paid runs, over days: what is promised and spent is the sum over the runs, each request counted once."""

import itertools
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from headrace.document import SubmissionKey
from headrace.ledger import Ledger
from headrace.ledger.records import Advance, RunFilter, SubmissionChange
from headrace.ledger.schema import runs, spending, submissions
from headrace.states import Mode, Reason, State, SubmissionState
from tests.clocks import ManualClock
from tests.ledger.conftest import emptied
from tests.ledger.lives import LANE, SomeRules, claimed, waiting

PRICE = 0.1
RULES = SomeRules(price=PRICE)
SIZES = {"a": 5, "b": 1, "c": 12}
NAMES = st.sampled_from(sorted(SIZES))
OVER = {"abandoned", "given up", "read and lost"}
UNPAID = SubmissionState.REJECTED


@dataclass
class Life:
    """What is known of one run: what is promised for it, and what each of its requests came to, with their days."""

    id: str
    pages: int
    state: State = State.WAITING
    n: int = 0
    last: str = ""
    promised: tuple[str, int] | None = None
    spent: dict[int, tuple[str, int]] = field(default_factory=dict)

    def ends(self, pages: int) -> None:
        """Its request came to so many pages: on the day of its promise, or of what it was taken for before."""
        day, _ = self.spent.get(self.n) or self.promised
        if pages:
            self.spent[self.n] = (day, pages)
        self.promised = None


class Spendings(RuleBasedStateMachine):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.ledger = Ledger(url, self.clock)
        self.lives: dict[str, Life] = {}

    def teardown(self) -> None:
        self.ledger.close()

    def life(self, name: str, *states: State) -> Life | None:
        life = self.lives.get(name)
        return life if life is not None and life.state in states else None

    def key(self, life: Life) -> SubmissionKey:
        return SubmissionKey(life.id.rpartition("-")[0], 1, LANE.provider, "all", life.n)

    @rule(name=NAMES)
    def drop(self, name):
        if name not in self.lives:
            self.lives[name] = Life(waiting(self.ledger, name, pages=SIZES[name]), SIZES[name])

    @rule()
    def admit(self):
        self.ledger.admit(RULES)
        for life in self.lives.values():
            if life.state is State.WAITING and life.last != "doubted":
                life.state = State.ADMITTED
                life.promised = life.promised or (self.clock.now().date().isoformat(), life.pages)

    @rule(name=NAMES, outcome=st.sampled_from(["answered", "accepted", "doubted", "refused", "read and lost", "died"]),
          pages=st.integers(0, 20))  # fmt: skip
    def send(self, name, outcome, pages):
        life = self.life(name, State.ADMITTED)
        if life is None or life.last == "accepted":
            return
        life.n += life.n == 0 or life.last in OVER
        claim = claimed(self.ledger, life.id)
        until = self.clock.now() + timedelta(seconds=120)
        self.ledger.intend(claim, self.key(life), LANE, Mode.ASYNC, pages=life.pages, send_before=until)
        self.comes(life, claim, outcome, pages)

    @rule(name=NAMES, state=st.sampled_from([State.WAITING, State.FAILED, State.REMOVED]))
    def come_back_unsent(self, name, state):
        """A breaker, a pause, a store, or the bucket."""
        life = self.life(name, State.ADMITTED)
        if life is None or life.last in ("accepted", "died"):
            return
        self.ledger.advance(claimed(self.ledger, life.id), Advance(state))
        life.state, life.promised = state, None

    @rule(name=NAMES, outcome=st.sampled_from(["answered", "read and lost", "timed out"]), pages=st.integers(0, 20))
    def poll(self, name, outcome, pages):
        life = self.life(name, State.SUBMITTED)
        if life is not None:
            self.comes(life, claimed(self.ledger, life.id), outcome, pages)

    def comes(self, life, claim, outcome, pages):
        """What came of a request, told by whoever sent it or asked for it."""
        to, change = {
            "answered": (
                Advance(State.PREDICTED),
                {"state": SubmissionState.ANSWERED, "pages": pages, "cost": pages * PRICE},
            ),
            "accepted": (Advance(State.SUBMITTED), {"state": SubmissionState.ACCEPTED, "job": "job"}),
            "timed out": (Advance(State.FAILED), {"state": SubmissionState.ACCEPTED, "job": "job"}),
            "doubted": (Advance(State.WAITING, Reason.IN_DOUBT), {"state": SubmissionState.IN_DOUBT}),
            "refused": (Advance(State.WAITING), {"state": UNPAID, "reason": Reason.NOT_SENT}),
            "read and lost": (Advance(State.FAILED), {"state": UNPAID, "reason": Reason.PREDICTION_FAILED}),
            "died": (Advance(State.ADMITTED), {"state": SubmissionState.INTENDED}),
        }[outcome]
        self.ledger.advance(claim, to, SubmissionChange(self.key(life), **change))
        life.state, life.last = to.state, "accepted" if outcome == "timed out" else outcome
        if outcome in ("answered", "refused", "read and lost"):
            life.ends({"answered": pages, "refused": 0}.get(outcome, life.pages))

    @rule(name=NAMES, ending=st.sampled_from(["held", "found", "absent", "abandoned", "given up"]))
    def settle(self, name, ending):
        life = self.life(name, State.WAITING, State.HELD)
        if life is None or life.last != "doubted":
            return
        doubt = self.ledger.request(self.key(life)).submission
        if ending == "held":
            self.ledger.hold_doubt(doubt, "nobody can tell")
            life.state = State.HELD
            return
        to, change = {
            "found": (State.ADMITTED, {"state": SubmissionState.ACCEPTED, "job": "job"}),
            "absent": (State.WAITING, {"state": UNPAID, "reason": Reason.NOT_TAKEN}),
            "abandoned": (State.WAITING, {"state": SubmissionState.ABANDONED}),
            "given up": (State.FAILED, {"state": SubmissionState.ABANDONED, "reason": Reason.GIVEN_UP}),
        }[ending]
        self.ledger.end_doubt(doubt, SubmissionChange(doubt.key, **change), Advance(to), "by hand")
        life.state, life.last = to, "accepted" if ending == "found" else ending
        if ending != "found":
            life.ends(0 if ending == "absent" else life.pages)

    @rule(name=NAMES)
    def turn_up(self, name):
        """A run with a job, its own or one of what was abandoned, waits for it."""
        life = self.life(name, State.ADMITTED)
        if life is not None and life.last in ("accepted", "abandoned"):
            change = SubmissionChange(self.key(life), SubmissionState.ACCEPTED, job="job")
            self.ledger.accept(claimed(self.ledger, life.id), change, due_at=self.clock.now())
            life.state, life.last = State.SUBMITTED, "accepted"

    @rule()
    def retry(self):
        self.ledger.retry(RunFilter(), by="test")
        for life in self.lives.values():
            if life.state is State.FAILED:
                life.state = State.WAITING

    @rule(hours=st.sampled_from([1, 13, 24 * 12]))
    def pass_time(self, hours):
        self.clock.pass_(timedelta(hours=hours))

    @invariant()
    def the_table_is_the_sum_over_the_runs(self):
        table = self.sums("reserved", spending.c.day, "pages_reserved", "cost_reserved")
        table |= self.sums("spent", spending.c.day, "pages_spent", "cost_spent")
        columns = self.sums("reserved", runs.c.reserved_on, "reserved_pages", "reserved_cost")
        columns |= self.sums("spent", submissions.c.spent_on, "spent_pages", "spent_cost")
        model = Counter()
        for life in self.lives.values():
            if life.promised:
                model["reserved", life.promised[0]] += life.promised[1]
            for day, pages in life.spent.values():
                model["spent", day] += pages
        assert table == columns == {place: (pages, round(pages * PRICE, 6)) for place, pages in model.items()}

    def sums(self, kind, day, pages, cost):
        """Pages and money of a table by day; days of nothing are left out."""
        columns = day.table.c
        query = select(day, func.sum(columns[pages]), func.sum(columns[cost])).where(day.is_not(None)).group_by(day)
        with self.ledger._engine.connect() as connection:
            found = connection.execute(query).all()
        assert all(abs(money - int(pages) * PRICE) < 1e-9 for _, pages, money in found)
        return {(kind, day): (int(pages), round(money, 6)) for day, pages, money in found if pages}


def test_any_spending_on_sqlite(migrated_sqlite, tmp_path):
    numbers = itertools.count()

    def machine():
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copyfile(migrated_sqlite, path)
        return Spendings(f"sqlite:///{path}")

    run_state_machine_as_test(machine, settings=_settings(max_examples=15, stateful_step_count=25))


def test_any_spending_on_postgres(migrated_postgres):
    run_state_machine_as_test(
        lambda: Spendings(emptied(migrated_postgres)), settings=_settings(max_examples=3, stateful_step_count=25)
    )


def _settings(**sizes):
    return settings(deadline=None, suppress_health_check=list(HealthCheck), **sizes)
