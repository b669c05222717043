"""Any life of documents: the real steps, messages in any order, twice or never, workers that die or freeze anywhere,
and a provider of every kind. Whatever happens, in the end all has come out once, and was billed once.
"""

import itertools
import shutil
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from headrace.document import Document, run_id
from headrace.faults import set_fault_handler
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from headrace.page_count import PageCount
from headrace.polling import PollSchedule
from headrace.states import Reason, State, SubmissionState
from headrace.storage.read_only import ReadOnlyStore
from tests.clocks import ManualClock
from tests.ledger.conftest import emptied, migrated_postgres, migrated_sqlite  # noqa: F401  fixtures
from tests.memory_store import InMemoryStore
from tests.tasks.conftest import PAID
from tests.tasks.scripted import ScriptedProvider
from tests.tasks.truthful import LAG, Killed, TruthfulProvider
from tests.tasks.world import INBOX, World, table
from workers.verify.findings import Code
from workers.verify.verifying import Scope, Verification

ROUTES = (PAID.model_copy(update={"poll": PollSchedule(first_seconds=5, longest_seconds=20, polls=30)}),)
PLANS = [
    "", "refused", "limited", "unreachable", "doubt taken", "doubt not taken", "killed taken", "killed not taken",
    "frozen before", "frozen after", "given up",
]  # fmt: skip
# How a run may end though all is well with us: the provider, or a worker that died again and again, had it so.
HONEST_FAILURES = {Reason.BAD_REQUEST, Reason.PREDICTION_FAILED, Reason.RATE_LIMITED, Reason.UNREACHABLE,
                   Reason.NOT_SENT, Reason.POISON, Reason.NOT_TAKEN}  # fmt: skip
MOST_ROUNDS = 400


class ToldPages:
    """Takes the page counter's place: a document says in its body how many pages it has."""

    def count(self, read_range, size, *, most_pages, passwords=()):
        return PageCount(int(read_range(0, 1)), "walked", "application/pdf")


def has_messages(life: "Life") -> bool:
    return bool(life.world.app.messages)


class Life(RuleBasedStateMachine):
    """Once an example's rules are through everything works again, and all must end."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.ledger = Ledger(url, self.clock)
        self.provider = TruthfulProvider(self.clock)
        self.provider.may_take = self.may_take
        self.provider.frozen = self.others_work
        self.world = World(
            ledger=self.ledger,
            clock=self.clock,
            providers={"nanonets": self.provider, "local": ScriptedProvider(paid=False)},
            routes=table(*ROUTES, nanonets=3),
            counter=ToldPages(),
            store=InMemoryStore(now=self.clock.now),
        )
        self.contents: list[Document] = []
        self.tokens: Counter[str] = Counter()
        self.depth = 0

    # What happens outside.

    @initialize(plans=st.lists(st.sampled_from(PLANS), min_size=3, max_size=8), lag=st.sampled_from([0, 60, 600]))
    def begin(self, plans, lag):
        for name, pages in (("a", 1), ("b", 5), ("c", 1)):
            self.drop(name, pages, "x")
        self.the_provider_will(plans, lag)

    @rule(name=st.sampled_from("abcdefg"), pages=st.sampled_from([1, 5]), content=st.sampled_from("xy"))
    def drop(self, name, pages, content):
        self.clock.pass_(timedelta(seconds=1))
        key = f"paid/{name}.pdf"
        self.world.store.put(INBOX, key, f"{pages} {content}".encode())
        head = self.world.store.head(INBOX, key)
        self.contents.append(Document(INBOX, key, head.etag, head.size, head.last_modified))
        self._tell(self.contents[-1])

    @rule(which=st.integers(0, 50))
    def an_event_comes_late_or_again(self, which):
        if self.contents:
            self._tell(self.contents[which % len(self.contents)])

    def _tell(self, document):
        for recorded in self.ledger.record([document]):
            if recorded.hint is not None:
                self.world.hints.hint(recorded.run_id, recorded.hint)

    @rule(plans=st.lists(st.sampled_from(PLANS), min_size=1, max_size=4), lag=st.sampled_from([0, 60, 600]))
    def the_provider_will(self, plans, lag):
        self.provider.plans.extend(plans)
        self.provider.lags.extend([min(timedelta(seconds=lag), LAG)] * len(plans))

    @rule(looks=st.lists(st.sampled_from(["unreachable", "unknown", "killed"]), min_size=1, max_size=3))
    def the_list_will(self, looks):
        self.provider.looks.extend(looks)

    @rule()
    def a_person_retries_what_failed(self):
        self.world.hints.hint_all(self.ledger.retry(RunFilter(state=State.FAILED), by="test"))

    @rule(which=st.integers(0, 50))
    def a_person_reprocesses(self, which):
        if self.contents:
            for recorded in self.ledger.reprocess([self.contents[which % len(self.contents)].id], by="test"):
                if recorded.hint is not None:
                    self.world.hints.hint(recorded.run_id, recorded.hint)

    # What happens to messages.

    @precondition(has_messages)
    @rule(which=st.integers(0, 50), times=st.integers(0, 3))
    def a_message_comes(self, which, times):
        """So many copies of any message come, none of them is a message lost."""
        message = self.world.app.messages[which % len(self.world.app.messages)]
        self.world.app.messages.remove(message)
        for _ in range(times):
            self._deliver(message)

    @precondition(has_messages)
    @rule(which=st.integers(0, 50))
    def messages_come_in_any_order(self, which):
        for _ in range(6):
            if self.world.app.messages:
                self.world.app.messages.rotate(-which)
                self._deliver(self.world.app.messages.popleft())

    @precondition(has_messages)
    @rule(which=st.integers(0, 50), steps=st.integers(0, 40))
    def a_worker_dies(self, which, steps):
        """At the so many-th fault point of a step, or, where it has fewer, after it."""
        self._disturbed(which, steps, Killed)

    @precondition(has_messages)
    @rule(which=st.integers(0, 50), times=st.integers(2, 6), steps=st.integers(0, 12))
    def a_run_kills_its_workers(self, which, times, steps):
        """The same message, again and again, at the same point; its lease runs out in between."""
        message = self.world.app.messages[which % len(self.world.app.messages)]
        for _ in range(times):
            self.world.app.messages.append(message)
            self._disturbed(len(self.world.app.messages) - 1, steps, Killed)
            self.clock.pass_(timedelta(seconds=16))

    @precondition(has_messages)
    @rule(which=st.integers(0, 50), steps=st.integers(0, 40), seconds=st.sampled_from([20, 130, 1200]))
    def a_worker_stops_and_wakes_up(self, which, steps, seconds):
        """Meanwhile its lease runs out, and others take over."""
        self._disturbed(which, steps, None, seconds)

    def _disturbed(self, which, steps, error, seconds=0):
        passed = itertools.count()

        def handler(name):
            # Who is stopped within a transaction holds everybody up; the others cannot go on in this thread.
            if next(passed) >= steps and (error is not None or not name.endswith("before_commit")):
                set_fault_handler(None)
                if error is not None:
                    raise error
                self.others_work(seconds)

        self.world.app.messages.rotate(-(which % len(self.world.app.messages)))
        message = self.world.app.messages.popleft()
        set_fault_handler(handler)
        try:
            self._deliver(message)
        finally:
            set_fault_handler(None)

    def _deliver(self, message):
        self.world.app.messages.appendleft(message)
        with suppress(Killed):
            self.world.deliver()

    def others_work(self, seconds=20):
        """What the other workers do while one stands still; one that stands still meanwhile does not wake up."""
        if self.depth >= 2:
            return
        self.depth += 1
        try:
            for _ in range(3):
                self.clock.pass_(timedelta(seconds=seconds / 3))
                self._sweep()
                for _ in range(15):
                    if self.world.app.messages:
                        self._deliver(self.world.app.messages.popleft())
        finally:
            self.depth -= 1

    @rule()
    def sweep(self):
        self._sweep()

    def _sweep(self):
        with suppress(Killed):
            self.world.sweep()

    @rule(seconds=st.sampled_from([1, 5, 16, 130, 1000]))
    def pass_time(self, seconds):
        self.clock.pass_(timedelta(seconds=seconds))

    # What always holds.

    def may_take(self, key):
        """Nobody may send what the provider has taken already, under this key or another that nobody gave up."""
        return all(
            taken.key != key and (taken.is_given_up or (taken.key.document, taken.key.run) != (key.document, key.run))
            for taken in self.provider.books
        )

    @invariant()
    def tokens_only_rise_and_ended_runs_are_not_due(self):
        for run in self.ledger.runs(RunFilter(latest=False), limit=1000):
            assert run.token >= self.tokens[run.id]
            self.tokens[run.id] = run.token
            assert run.id == run_id(run.document.id, run.number)
            if run.published:
                assert run.state.is_end
            assert (run.due_at is None) == run.published

    def teardown(self):
        set_fault_handler(None)
        try:
            self.all_ends()
            self.all_came_out_once()
            self.all_adds_up()
        finally:
            self.ledger.close()

    def all_ends(self):
        """Once nothing fails any more, sweeping and time are enough."""
        self.provider.plans.clear()
        self.provider.looks.clear()
        self.world.app.messages.clear()
        for round_ in range(MOST_ROUNDS):
            self._sweep()
            while self.world.app.messages:
                self._deliver(self.world.app.messages.popleft())
            runs = self.ledger.runs(RunFilter(latest=False), limit=1000)
            if all(run.published for run in runs):
                return
            self.clock.pass_(timedelta(seconds=6 if round_ < 50 else 60))
        told = [(run.id, run.state, run.reason, run.due_at, run.deliveries) for run in runs if not run.published]
        raise AssertionError(f"they never end: {told}, at {self.clock.now()}")

    def all_came_out_once(self):
        billed = self.provider.billed
        assert all(times == 1 for times in billed.values())
        recorded = {document.id for document in self.contents}
        runs = self.ledger.runs(RunFilter(latest=False), limit=1000)
        assert {run.document.id for run in runs} == recorded, "nothing is lost"
        paid = {(key.document, key.run) for key in billed}
        for run in runs:
            told = (run.id, run.state, run.reason, run.detail)
            was_paid = (run.document.id, run.number) in paid
            if run.state is State.EXPORTED:
                assert was_paid, told
            elif run.state is State.FAILED:
                assert run.reason in HONEST_FAILURES, told
                # What was paid is still to be had, by a retry that pays nothing.
                assert not was_paid or run.reason is Reason.POISON, told
            else:
                assert run.state in {State.SUPERSEDED, State.HELD}, told
                assert not was_paid or run.state is State.HELD, told
            if run.state is State.HELD:
                (doubted,) = [one for one in self.ledger.submissions(run.id) if one.state is SubmissionState.IN_DOUBT]
                assert doubted is not None

    def all_adds_up(self):
        self.clock.pass_(timedelta(hours=1))
        reader = self.ledger.for_reading()
        try:
            verification = Verification(reader, ReadOnlyStore(self.world.store), self.world.routes, self.clock)
            findings = verification.verify(Scope(RunFilter(), None, 1)).findings
        finally:
            reader.close()
        assert [one for one in findings if not one.code.is_notice and one.code is not Code.DOUBT_IS_KNOWN] == []


def _lives(url_of, examples, steps):
    run_state_machine_as_test(
        lambda: Life(url_of()),
        settings=settings(
            deadline=None,
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )


@pytest.fixture
def sqlite_url(migrated_sqlite, tmp_path):  # noqa: F811  the fixture
    numbers = itertools.count()

    def make():
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copyfile(migrated_sqlite, path)
        return f"sqlite:///{path}"

    return make


def test_any_life_ends_well_on_sqlite(sqlite_url):
    _lives(sqlite_url, examples=8, steps=20)


def test_any_life_ends_well_on_postgres(migrated_postgres):  # noqa: F811  the fixture
    _lives(lambda: emptied(migrated_postgres), examples=2, steps=20)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_very_many_lives_end_well_on_sqlite(sqlite_url):
    _lives(sqlite_url, examples=100, steps=40)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_very_many_lives_end_well_on_postgres(migrated_postgres):  # noqa: F811  the fixture
    _lives(lambda: emptied(migrated_postgres), examples=25, steps=40)
