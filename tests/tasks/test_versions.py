"""Contents that follow one another under one key: the rows that stand are those of the newest, always."""

import itertools
import shutil
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from headrace.errors import StaleClaim
from headrace.faults import set_fault_handler
from headrace.ledger import Ledger
from headrace.polling import PollSchedule
from headrace.providers import Job, Pending
from headrace.states import Mode, Reason, State
from headrace.storage.s3 import S3Store, s3_client
from headrace.storage.source import SMALL_BYTES
from tests.clocks import ManualClock
from tests.memory_store import InMemoryStore
from tests.tasks.conftest import PAID
from tests.tasks.contents import CONTENTS, KEY, Contents, Reader, answer_about, document_of
from tests.tasks.world import INBOX, World, table

SECOND = timedelta(seconds=1)
KEPT = PAID.model_copy(update={"versions": "keep"})


class WorkerDied(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


@pytest.fixture(scope="module")
def make(tmp_path_factory, counter):
    """Makes the contents of a key: make(versioned=…, sequencers=…), in a world of its own."""
    folder = tmp_path_factory.mktemp("versions")
    migrated = Ledger(f"sqlite:///{folder / 'migrated.db'}", ManualClock())
    migrated.migrate()
    migrated.close()
    numbers = itertools.count()
    opened = []

    def make(*, sequencers, versioned=False, route=PAID, store=None):
        path = folder / f"{next(numbers)}.db"
        shutil.copyfile(folder / "migrated.db", path)
        clock = ManualClock()
        world = World(
            ledger=Ledger(f"sqlite:///{path}", clock),
            clock=clock,
            providers={"nanonets": Reader()},
            routes=table(route),
            counter=counter,
            store=store or InMemoryStore(now=clock.now, versioned={INBOX} if versioned else set()),
        )
        opened.append(world.ledger)
        return Contents(world, sequencers=sequencers)

    yield make
    for ledger in opened:
        ledger.close()


@pytest.fixture(params=list(itertools.product([False, True], repeat=2)), ids=str)
def contents(request, make):
    """In buckets with and without versions, told of with and without sequencers."""
    versioned, sequencers = request.param
    return make(versioned=versioned, sequencers=sequencers)


def test_a_content_that_comes_back_stands_again_and_is_not_paid_again(contents):
    for name in ("A", "B", "A"):
        contents.drop(name)
        contents.assert_stands(name)
    assert len(contents.world.providers["nanonets"].requests) == 2


def test_of_two_contents_within_a_second_the_later_one_stands(contents):
    for name in ("A", "B", "A", "C", "B"):
        contents.tell(contents.put(name))
        contents.world.deliver_all()
        contents.assert_stands(name)


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0)], ids=str)
@pytest.mark.parametrize("apart", [timedelta(), SECOND], ids=["at once", "a second apart"])
@pytest.mark.parametrize("settled", [False, True], ids=["told together", "told one by one"])
def test_in_whatever_order_events_come_the_newest_stands(contents, order, apart, settled):
    for name in ("A", "B", "A"):
        contents.put(name)
        contents.world.clock.pass_(apart)
    contents.world.clock.pass_(5 * SECOND)
    for event in order:
        contents.tell(event)
        if settled:
            contents.settle()
    contents.settle()
    contents.assert_stands("A")


def test_a_content_that_was_listed_twice_stands_before_one_that_is_told_of_late(contents):
    contents.put("A")
    contents.look()
    contents.settle()
    contents.second()
    late = contents.put("B")
    contents.second()
    contents.put("A")
    contents.look()
    contents.tell(late)
    contents.settle()
    contents.assert_stands("A")


@pytest.mark.parametrize("settled", [False, True], ids=["told together", "told one by one"])
def test_a_content_that_came_back_within_a_second_and_was_only_listed_stands(contents, settled):
    """Its sequencer is of its first drop: of the last one no event came."""
    for name in ("A", "B"):
        contents.tell(contents.put(name))
        if settled:
            contents.world.deliver_all()
    contents.put("A")
    contents.settle()
    contents.look_anew()
    contents.settle()
    contents.assert_stands("A")


def _drop_at_look(contents, number, name):
    """Have a content dropped right before the steps look at the key for the number-th time."""
    looks = itertools.count(1)

    def before(call, key):
        if call in ("head", "read") and key == KEY and next(looks) == number:
            contents.world.store.before = lambda _call, _key: None
            contents.put(name)

    contents.world.store.before = before


@pytest.mark.parametrize("apart", [timedelta(), SECOND], ids=["at once", "a second apart"])
@pytest.mark.parametrize(
    ("small_bytes", "look"),
    [(SMALL_BYTES, 1), (SMALL_BYTES, 2), (0, 1), (0, 2), (0, 3)],
    ids=["small, routing", "small, sending", "large, routing", "large, counting", "large, sending"],
)
def test_what_is_replaced_while_it_is_looked_at_is_superseded_or_read_and_the_newest_stands(
    contents, apart, small_bytes, look, monkeypatch
):
    monkeypatch.setattr("headrace.storage.source.SMALL_BYTES", small_bytes)
    contents.tell(contents.put("A"))
    contents.world.clock.pass_(apart)
    _drop_at_look(contents, look, "B")
    contents.settle()
    contents.look_anew()
    contents.settle()
    contents.assert_stands("B")


@pytest.mark.parametrize("apart", [timedelta(), SECOND], ids=["at once", "a second apart"])
@pytest.mark.parametrize("small_bytes", [SMALL_BYTES, 0], ids=["small", "large"])
@pytest.mark.parametrize("look", [1, 3])
def test_what_comes_back_while_its_run_ends_as_superseded_is_read_after_all(
    contents, apart, look, small_bytes, monkeypatch
):
    monkeypatch.setattr("headrace.storage.source.SMALL_BYTES", small_bytes)
    contents.put("A")
    contents.look()
    contents.world.clock.pass_(apart)
    contents.put("B")
    contents.world.clock.pass_(apart)
    _drop_at_look(contents, look, "A")
    contents.settle()
    contents.look_anew()
    contents.settle()
    contents.assert_stands("A")


def test_what_is_removed_and_dropped_again_within_a_second_is_read(contents):
    contents.put("A")
    contents.look()
    contents.delete()
    contents.world.deliver_all()
    assert contents.run_of("A").state is State.RECEIVED
    contents.put("A")
    contents.look()
    contents.settle()
    contents.assert_stands("A")


def test_what_is_removed_and_dropped_again_later_is_read(contents):
    contents.put("A")
    contents.look()
    contents.delete()
    contents.settle()
    assert contents.run_of("A").state is State.REMOVED
    contents.put("A")
    contents.look()
    contents.settle()
    contents.assert_stands("A")


def test_what_was_never_seen_does_not_stand_before_what_lies_there(contents):
    contents.put("A")
    contents.second()
    contents.put("B")
    contents.look()
    contents.settle()
    contents.world.clock.pass_(60 * SECOND)
    contents.tell(0)
    contents.settle()
    contents.assert_stands("B")


def test_a_retried_old_content_leaves_the_newer_one_standing(contents):
    contents.drop("A")
    contents.drop("B")
    again = contents.world.ledger.reprocess([document_of("A").id], by="test")
    contents.world.hints.hint(again[0].run_id, again[0].hint)
    contents.settle()
    contents.assert_stands("B")


def test_a_removed_tie_is_decided_by_what_was_told_of_last(make):
    contents = make(versioned=True, sequencers=False)
    contents.tell(contents.put("A"))
    contents.settle()
    contents.tell(contents.put("B"))
    contents.settle()
    contents.delete()
    again = contents.world.ledger.reprocess([document_of("A").id], by="test")
    contents.world.hints.hint(again[0].run_id, again[0].hint)
    contents.settle()
    contents.assert_rows_are_of("B")


def test_a_content_that_comes_back_while_it_is_reprocessed_stands_with_its_latest_run(contents):
    for name in ("A", "B"):
        contents.drop(name)
    (again,) = contents.world.ledger.reprocess([document_of("A").id], by="test")
    comes_back = contents.put("A")
    contents.world.hints.hint(again.run_id, again.hint)
    while contents.world.ledger.run(again.run_id).state is not State.PREDICTED:
        contents.world.deliver()
    claim = contents.world.ledger.claim(again.run_id, {State.PREDICTED})
    contents.tell(comes_back)
    with suppress(StaleClaim):
        contents.world.ledger.hand_back(claim)
    contents.settle()
    contents.assert_stands("A")
    assert contents.run_of("A").number == 2


def test_where_versions_are_kept_each_content_has_its_own_rows(make):
    for versioned, sequencers in itertools.product([False, True], repeat=2):
        contents = make(versioned=versioned, sequencers=sequencers, route=KEPT)
        for name in ("A", "B", "C", "A"):
            contents.drop(name)
        for name in ("A", "B", "C"):
            contents.assert_kept(name)
        assert len(contents.world.providers["nanonets"].requests) == 3


def test_an_answer_that_lands_late_does_not_stand_before_the_newer_content(make):
    patient = PollSchedule(first_seconds=5, longest_seconds=20, polls=100)
    route = PAID.model_copy(update={"sync_page_limit": 1, "poll": patient})
    contents = make(versioned=False, sequencers=True, route=route)
    provider = contents.world.providers["nanonets"]
    slow = Job("job-c", "m", 3)
    provider.submit = lambda source, request: (
        slow if request.mode is Mode.ASYNC else Reader.submit(provider, source, request)
    )
    answers = []
    provider.fetch = lambda jobs, **_: {job: answers[0] if answers else Pending("queued") for job in jobs}
    contents.tell(contents.put("C"))
    while contents.run_of("C").state is not State.SUBMITTED:
        contents.world.deliver()
    contents.second()
    contents.tell(contents.put("A"))
    while contents.run_of("A").state is not State.EXPORTED:
        contents.world.deliver()
    contents.assert_stands("A")
    answers.append(answer_about("C"))
    contents.settle()
    assert contents.run_of("C").state is State.EXPORTED
    contents.assert_stands("A")


def test_on_a_real_store_the_newest_stands_too(make, s3_server):
    client = s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr(s3_server.secret_key))
    contents = make(sequencers=True, store=S3Store(client))
    for name in ("A", "B", "A", "C"):
        contents.put(name)
        if name != "B":
            contents.tell(len(contents.events) - 1)
        contents.world.deliver_all()
    contents.tell(1)
    contents.settle()
    contents.assert_stands("C")
    client.close()


# Everything that can happen, in any order and number: contents are dropped, told of and listed, messages come in
# any order, twice or never, workers die anywhere, time passes.
ACTIONS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(sorted(CONTENTS))),
    st.tuples(st.just("tell"), st.integers(0, 7)),
    st.tuples(st.just("list"), st.just(0)),
    st.tuples(st.just("deliver"), st.integers(0, 3)),
    st.tuples(st.just("deliver"), st.integers(0, 3)),
    st.tuples(st.just("die"), st.integers(0, 60)),
    st.tuples(st.just("forget"), st.just(0)),
    st.tuples(st.just("pass"), st.sampled_from([0.4, 1, 3, 16])),
)


def _do(contents, action, argument):
    world = contents.world
    match action:
        case "put":
            contents.put(argument)
        case "tell" if contents.events:
            contents.tell(argument % len(contents.events))
        case "list":
            contents.look()
        case "deliver" if world.app.messages:
            world.app.messages.rotate(-argument)
            world.deliver()
        case "die":
            _die_at(contents, argument)
        case "forget":
            world.app.messages.clear()
        case "pass":
            world.clock.pass_(timedelta(seconds=argument))
            world.sweep()


def _die_at(contents, point):
    """Deliver the next message; its worker dies at the fault point of this number, if it comes so far."""
    passed = itertools.count()

    def die(_name):
        if next(passed) == point:
            raise WorkerDied

    set_fault_handler(die)
    try:
        contents.world.deliver()
    except WorkerDied:
        pass
    finally:
        set_fault_handler(None)


def _come_to_rest(contents):
    """Events come late, but they come; a listing is made in the end."""
    for event in range(len(contents.events)):
        contents.tell(event)
    contents.look_anew()
    contents.settle()


LIVES = given(st.booleans(), st.booleans(), st.lists(ACTIONS, min_size=4, max_size=30))
ANY_HEALTH = list(HealthCheck)


@settings(max_examples=15, deadline=None, suppress_health_check=ANY_HEALTH)
@LIVES
def test_whatever_happens_in_whatever_order_the_newest_stands(make, versioned, sequencers, actions):
    _live(make, versioned, sequencers, actions)


@pytest.mark.proof
@pytest.mark.timeout(600)
@settings(max_examples=200, deadline=None, suppress_health_check=ANY_HEALTH)
@LIVES
def test_whatever_happens_in_many_more_orders_the_newest_stands(make, versioned, sequencers, actions):
    _live(make, versioned, sequencers, actions)


def _live(make, versioned, sequencers, actions):
    contents = make(versioned=versioned, sequencers=sequencers)
    contents.put("A")
    for action, argument in actions:
        _do(contents, action, argument)
    _come_to_rest(contents)
    newest = contents.run_of(contents.lies)
    if newest.state is State.EXPORTED:
        contents.assert_stands(contents.lies)
    else:
        assert (newest.state, newest.reason) == (State.WAITING, Reason.IN_DOUBT)
    _assert_nothing_is_paid_twice(contents)


def _assert_nothing_is_paid_twice(contents):
    keys = Counter(str(request.key) for request in contents.world.providers["nanonets"].requests)
    assert set(keys.values()) <= {1}, keys
