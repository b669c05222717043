"""Any sequence of claims, crashes, late writes, sweeps and time, against a small model of what must come of it."""

import itertools
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from headrace.document import run_id
from headrace.errors import StaleClaim
from headrace.ledger import Ledger
from headrace.ledger.records import Advance, Claim, Hint
from headrace.states import Reason, State
from tests.clocks import ManualClock
from tests.ledger.conftest import emptied
from tests.ledger.lives import LANE, ROUTED, SomeRules, document

LEASE = timedelta(seconds=15)
SPACING = [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=15)]
IN_FLIGHT = 2
STATES = [State.WAITING, State.ADMITTED, State.PREDICTED, State.EXPORTED, State.FAILED, State.HELD]


@dataclass
class Model:
    """What is known of one run."""

    created_at: datetime
    due_at: datetime | None
    state: State = State.RECEIVED
    reason: Reason | None = None
    token: int = 0
    deliveries: int = 0
    sweeps: int = 0
    routed: bool = False
    lease_until: datetime | None = None
    published: bool = False

    def free(self, now: datetime) -> bool:
        return (self.lease_until is None or self.lease_until <= now) and not self.published

    def released(self) -> None:
        self.lease_until, self.deliveries, self.sweeps = None, 0, 0


class Lives(RuleBasedStateMachine):
    runs: Bundle[str] = Bundle("runs")
    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.ledger = Ledger(url, self.clock)
        self.models: dict[str, Model] = {}
        # What the dispatcher noted of the one queue; whoever waits in it says so.
        self.standstill: Reason | None = None

    def teardown(self) -> None:
        self.ledger.close()

    def holds(self, claim: Claim) -> bool:
        model = self.models[claim.run.id]
        return model.token == claim.token and model.lease_until is not None

    @rule(target=runs, names=st.lists(st.sampled_from("abcde"), min_size=1, max_size=3))
    def record(self, names):
        new = []
        for name, recorded in zip(names, self.ledger.record([document(name) for name in names]), strict=True):
            run = run_id(document(name).id, 1)
            assert recorded.run_id == run
            assert recorded.new == (run not in self.models)
            assert recorded.hint is (State.RECEIVED if recorded.new else None)
            if recorded.new:
                now = self.clock.now()
                self.models[run] = Model(now, now + SPACING[0])
                new.append(run)
        return multiple(*new)

    @rule(target=claims, run=runs, states=st.sets(st.sampled_from([State.RECEIVED, *STATES]), min_size=3))
    def claim(self, run, states):
        model, now = self.models[run], self.clock.now()
        claim = self.ledger.claim(run, states)
        if model.state not in states or not model.free(now):
            assert claim is None
        elif model.deliveries == 5 and not model.state.is_end:
            assert claim is None
            model.released()
            model.state, model.reason, model.token, model.due_at = State.FAILED, Reason.POISON, model.token + 1, now
        else:
            pause = (
                LEASE
                if model.deliveries < 5
                else min(LEASE * 2.0 ** min(model.deliveries - 4, 10), timedelta(minutes=10))
            )
            model.token += 1
            model.deliveries += 1
            model.lease_until, model.due_at = now + LEASE, now + pause
            assert claim.token == model.token
            return claim
        return multiple()

    @rule(target=claims, run=runs, times=st.integers(2, 6))
    def freeze(self, run, times):
        """So many workers in a row take the run and stop for longer than their lease; all may wake up later."""
        taken = []
        for _ in range(times):
            self.clock.pass_(LEASE)
            taken.append(self.claim(run, set(State)))
        return multiple(*(claim for claim in taken if isinstance(claim, Claim)))

    @rule(run=runs)
    def route(self, run):
        """A worker takes the run, if it can, and has it wait."""
        claim = self.claim(run, set(State))
        if isinstance(claim, Claim):
            self.advance(claim, State.WAITING, published=False)

    @rule(target=claims, claim=consumes(claims))
    def renew(self, claim):
        model = self.models[claim.run.id]
        if not self.holds(claim):
            with pytest.raises(StaleClaim):
                self.ledger.renew(claim)
            return multiple()
        model.lease_until = self.clock.now() + LEASE
        model.due_at = max(model.due_at, model.lease_until)
        return self.ledger.renew(claim)

    @rule(claim=claims, state=st.sampled_from(STATES), published=st.booleans())
    def advance(self, claim, state, published):
        model, now = self.models[claim.run.id], self.clock.now()
        facts = {} if model.routed else {**ROUTED, "lane": LANE}
        advance = Advance(state, facts=facts, published=published and state.is_end)
        if not self.holds(claim):
            with pytest.raises(StaleClaim):
                self.ledger.advance(claim, advance)
            return
        self.ledger.advance(claim, advance)
        model.released()
        model.state, model.reason, model.routed, model.published = state, None, True, advance.published
        model.due_at = None if advance.published else now + (timedelta() if state is State.WAITING else SPACING[0])

    @rule(claim=claims, seconds=st.sampled_from([None, 0, 7, 40]))
    def hand_back(self, claim, seconds):
        model, now = self.models[claim.run.id], self.clock.now()
        due_at = None if seconds is None else now + timedelta(seconds=seconds)
        if not self.holds(claim):
            with pytest.raises(StaleClaim):
                self.ledger.hand_back(claim, due_at=due_at)
            return
        self.ledger.hand_back(claim, due_at=due_at)
        model.lease_until, model.deliveries, model.due_at = None, model.deliveries - 1, due_at or now
        model.sweeps = 4

    @rule(claim=claims)
    def published(self, claim):
        model = self.models[claim.run.id]
        if not self.holds(claim):
            with pytest.raises(StaleClaim):
                self.ledger.published(claim)
        elif model.state.is_end:
            self.ledger.published(claim)
            model.released()
            model.published, model.due_at = True, None

    @rule()
    def admit(self):
        # What flies in a lane is counted every two seconds; meanwhile the ledger knows no better.
        self.clock.pass_(timedelta(seconds=2))
        now = self.clock.now()
        flying = sum(model.state is State.ADMITTED and model.routed for model in self.models.values())
        due = sorted(
            (model.due_at, run) for run, model in self.models.items()
            if model.state is State.WAITING and model.due_at <= now
        )  # fmt: skip
        chosen = [run for _, run in due[: max(0, IN_FLIGHT - flying)]]
        self.standstill = Reason.IN_FLIGHT if len(due) > len(chosen) else None
        hints = self.ledger.admit(SomeRules(IN_FLIGHT))
        assert hints == [Hint(run, State.ADMITTED, LANE.provider) for run in chosen]
        for run in chosen:
            model = self.models[run]
            model.released()
            model.state, model.reason, model.due_at = State.ADMITTED, None, now + SPACING[0]

    @rule(limit=st.integers(1, 4))
    def sweep(self, limit):
        now = self.clock.now()
        overdue = sorted(
            (model.due_at, run) for run, model in self.models.items()
            if model.state is not State.WAITING and model.free(now) and model.due_at <= now
        )  # fmt: skip
        hints = self.ledger.sweep(limit)
        waiting = {run for run, model in self.models.items() if model.state is State.WAITING and model.due_at <= now}
        if waiting:
            assert hints.pop().run_id in waiting
        of_each = [[run for _, run in overdue if self.models[run].state is state][:limit] for state in State]
        assert [hint.run_id for hint in hints] == [run for some in of_each for run in some]
        for hint in hints:
            model = self.models[hint.run_id]
            assert hint.state is model.state
            model.due_at = now + SPACING[min(model.sweeps, 2)]
            model.sweeps += 1

    @rule(seconds=st.sampled_from([1, 5, 15, 60]))
    def pass_time(self, seconds):
        self.clock.pass_(timedelta(seconds=seconds))

    @invariant()
    def the_ledger_is_as_the_model(self):
        for name, model in self.models.items():
            run = self.ledger.run(name)
            seen = (run.state, run.reason, run.token, run.deliveries, run.lease_until, run.due_at, run.published)
            reason = self.standstill if model.state is State.WAITING else model.reason
            told = (model.state, reason, model.token, model.deliveries, model.lease_until, model.due_at,
                    model.published)  # fmt: skip
            assert seen == told
            assert run.published or run.due_at is not None, "what is not published is due some day"


def test_any_life_on_sqlite(migrated_sqlite, tmp_path):
    numbers = itertools.count()

    def machine():
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copyfile(migrated_sqlite, path)
        return Lives(f"sqlite:///{path}")

    run_state_machine_as_test(machine, settings=_settings(max_examples=40, stateful_step_count=35))


def test_any_life_on_postgres(migrated_postgres):
    run_state_machine_as_test(
        lambda: Lives(emptied(migrated_postgres)), settings=_settings(max_examples=6, stateful_step_count=30)
    )


def _settings(**sizes):
    return settings(deadline=None, suppress_health_check=list(HealthCheck), **sizes)
