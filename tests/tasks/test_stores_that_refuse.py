"""A store that is away, full or refuses us delays a run, says so, and makes nobody pay twice."""

import json
from collections import Counter
from datetime import timedelta

import pytest

from headrace import putting_off
from headrace.document import SubmissionKey
from headrace.errors import LedgerUnavailable, StorageFull, StorageRefused, StorageUnavailable
from headrace.ledger.records import RunFilter
from headrace.states import Reason, State
from tests.pdfs import make_pdf
from tests.tasks.scripted import ScriptedProvider, accepted, answer
from tests.tasks.world import INBOX

AWAY = StorageUnavailable("The store failed with 503 (SlowDown).")
FULL = StorageFull("The store has no room left.")
REFUSED = StorageRefused("The store refuses it with 403 (AccessDenied).")

EVERY_FAILURE = pytest.mark.parametrize(
    ("error", "reason"),
    [(AWAY, Reason.STORAGE), (FULL, Reason.STORAGE_REFUSED), (REFUSED, Reason.STORAGE_REFUSED)],
    ids=["away", "full", "refused"],
)


def fail(world, error, fails):
    """Have the store fail where `fails` says so of a call and a key; it counts how often it did."""
    failed = Counter()

    def before(call, key):
        if fails(call, key):
            failed[call] += 1
            raise error

    world.store.before = before
    return failed


def mend(world):
    world.store.before = lambda _call, _key: None


def live(world, duration, step=timedelta(seconds=5)):
    """Let time pass, with the sweep at its work."""
    passed = timedelta()
    while passed < duration:
        world.clock.pass_(step)
        passed += step
        world.sweep()
        world.deliver_all()


def put_offs(world, run):
    document = world.ledger.run(run).document.id
    return [entry for entry in world.ledger.history(document) if entry.event == "put off"]


def only_manifest(world):
    (head,) = (head for page in world.store.list("out", "rows/documents/") for head in page)
    return json.loads(world.store.read("out", head.key))


def rows_of(key):
    return key.startswith("rows/")


@EVERY_FAILURE
@pytest.mark.parametrize("lost", ["all", "mid-way", "manifest"])
def test_outputs_that_fail_delay_the_export_and_it_recovers_by_itself(world, provider, error, reason, lost):
    provider.submits.append(answer())
    puts = Counter()

    def fails(call, key):
        if not rows_of(key) or call == "list":
            return False
        puts[call] += 1
        return {"all": True, "mid-way": puts["put"] > 1, "manifest": "documents/" in key}[lost]

    fail(world, error, fails)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    live(world, timedelta(minutes=6), timedelta(seconds=30))
    there = world.ledger.run(run)
    assert (there.state, there.reason) == (State.PREDICTED, reason)
    assert str(error) in there.detail
    assert put_offs(world, run)
    assert len(put_offs(world, run)) <= 8
    mend(world)
    live(world, timedelta(minutes=10) if reason is Reason.STORAGE_REFUSED else timedelta(seconds=25))
    there = world.ledger.run(run)
    assert (there.state, there.reason, there.published) == (State.EXPORTED, None, True)
    assert len(provider.requests) == 1
    manifest = only_manifest(world)
    assert (manifest["state"], manifest["reason"], manifest["detail"]) == ("exported", None, "")


def test_pauses_grow_and_end_soon_after_a_store_that_was_away_is_back():
    pauses = [putting_off.pause_after(Reason.STORAGE, timedelta(seconds=lasted)) for lasted in (0, 20, 3600)]
    assert pauses == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=15)]
    longest = putting_off.pause_after(Reason.STORAGE_REFUSED, timedelta(hours=5))
    assert longest == timedelta(minutes=10)
    assert [number for number in range(1, 100) if putting_off.is_told(number)] == [1, 2, 4, 8, 16, 32, 64]


@EVERY_FAILURE
def test_a_private_place_that_fails_before_anything_is_sent_pays_nothing(world, provider, error, reason):
    failed = fail(world, error, lambda _call, key: "submissions/" in key)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    live(world, timedelta(minutes=5), timedelta(seconds=30))
    there = world.ledger.run(run)
    assert (there.state, there.reason) == (State.WAITING, reason)
    assert provider.requests == []
    assert sum(failed.values()) < 200
    mend(world)
    live(world, timedelta(minutes=11), timedelta(minutes=1))
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_documents_that_the_store_refuses_leave_their_places_in_the_lane_to_others(make_world, provider):
    world = make_world(provider, nanonets=1)
    run = world.drop("paid/refused.pdf", make_pdf(1))
    world.deliver()  # routed; from now on it may not be read
    fail(world, REFUSED, lambda _call, key: key == "paid/refused.pdf")
    world.deliver_all()
    other = world.drop("paid/good.pdf", make_pdf(2))
    world.deliver_all()
    live(world, timedelta(minutes=1))
    assert world.state(other) is State.EXPORTED
    there = world.ledger.run(run)
    assert (there.state, there.reason) == (State.WAITING, Reason.SOURCE_REFUSED)


def test_one_document_that_cannot_be_read_does_not_stop_its_lane(make_world, provider):
    """The store fails for this one object alone, for ever."""
    world = make_world(provider, nanonets=1)
    run = world.drop("paid/broken.pdf", make_pdf(1))
    world.deliver()  # routed; from now on it may not be read
    fail(world, AWAY, lambda _call, key: key == "paid/broken.pdf")
    world.deliver_all()
    other = world.drop("paid/good.pdf", make_pdf(2))
    live(world, timedelta(seconds=40))
    assert (world.state(run), world.state(other)) == (State.ADMITTED, State.WAITING), "it may be over in a moment"
    live(world, timedelta(seconds=50))
    assert world.state(other) is State.EXPORTED
    assert world.ledger.run(run).reason is Reason.STORAGE


@EVERY_FAILURE
def test_an_answer_that_cannot_be_stored_is_fetched_again_and_no_poll_is_counted(world, provider, error, reason):
    provider.submits.append(accepted())
    provider.polls.extend(answer() for _ in range(500))
    fail(world, error, lambda call, key: call == "put" and "prediction" in key)
    run = world.drop("paid/a.pdf", make_pdf(9))
    for _ in range(30):
        if world.deliver() is None:
            live(world, timedelta(seconds=15))
    there = world.ledger.run(run)
    assert (there.state, there.reason) == (State.SUBMITTED, reason)
    (request,) = world.ledger.submissions(run)
    assert request.polls == 0
    assert len(put_offs(world, run)) <= 8
    mend(world)
    live(world, timedelta(minutes=11), timedelta(minutes=1))
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


@EVERY_FAILURE
def test_an_answer_that_nobody_can_ask_for_again_survives_its_worker(make_world, provider, error, reason):
    world = make_world(provider)
    provider.submits.append(answer(job=None))
    fail(world, error, lambda call, key: call == "put" and "prediction" in key)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    key = SubmissionKey(world.ledger.run(run).document.id, 1, "nanonets", "all", 1)
    assert world.ledger.answer_set_aside(key) is not None
    assert world.ledger.run(run).reason is reason
    live(world, timedelta(minutes=10), timedelta(minutes=1))
    mend(world)
    live(world, timedelta(minutes=11), timedelta(minutes=1))
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1
    assert world.ledger.answer_set_aside(key) is None


def test_an_answer_set_aside_settles_the_doubt_that_another_worker_noted(world, provider):
    """A worker was taken for dead, and its answer came while the bucket was away."""
    run = world.drop("paid/a.pdf", make_pdf(1))
    slow = answer(job=None)

    def taken_over_meanwhile(_source, _request):
        world.clock.pass_(timedelta(seconds=200))
        world.sweep()
        mend(world)
        world.deliver_all()  # the other one finds a note without an outcome
        fail(world, AWAY, lambda call, key: call == "put" and "prediction" in key)
        return slow

    provider.submits.append(taken_over_meanwhile)
    world.deliver_all()
    mend(world)
    live(world, timedelta(minutes=2))
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


class LedgerThatKeepsNothing:
    """The real one, but for answers that are to be kept for a while."""

    def __init__(self, ledger):
        self._ledger = ledger

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def set_answer_aside(self, *_):
        raise LedgerUnavailable("Its disk is full.")


def test_where_the_ledger_does_not_keep_it_either_both_are_asked_for_some_minutes(world, provider, clock):
    world.ledger = LedgerThatKeepsNothing(world.ledger)
    provider.submits.append(answer(job=None))
    began = clock.monotonic()
    fail(world, AWAY, lambda call, key: call == "put" and "prediction" in key and clock.monotonic() - began < 250)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_a_store_and_a_ledger_that_stay_away_lose_it_and_leave_doubt(world, provider, clock):
    world.ledger = LedgerThatKeepsNothing(world.ledger)
    provider.submits.append(answer(job=None))
    failed = fail(world, AWAY, lambda call, key: call == "put" and "prediction" in key)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    assert failed["put"] < 50
    live(world, timedelta(minutes=1))
    there = world.ledger.run(run)
    assert (there.state, there.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("key", ["paid/a.pdf", "free/a.pdf"])
def test_a_source_that_is_refused_waits_visibly_and_fails_after_a_day(make_world, provider, key):
    free = ScriptedProvider(paid=False)
    world = make_world(provider, free=free)
    world.store.put(INBOX, key, make_pdf(1))
    run = world.see(key)
    failed = fail(world, REFUSED, lambda call, at: at == key)
    world.deliver_all()
    live(world, timedelta(hours=2), timedelta(minutes=10))
    world.clock.pass_(timedelta(hours=21))
    live(world, timedelta(minutes=10), timedelta(minutes=10))
    there = world.ledger.run(run)
    assert (there.state, there.reason, there.detail) == (State.RECEIVED, Reason.SOURCE_REFUSED, str(REFUSED))
    assert failed.total() < 20
    assert len(put_offs(world, run)) <= 5
    live(world, timedelta(minutes=70), timedelta(minutes=10))
    there = world.ledger.run(run)
    assert (there.state, there.reason, there.published) == (State.FAILED, Reason.SOURCE_REFUSED, True)
    mend(world)
    world.hints.hint_all(world.ledger.retry(RunFilter(state=State.FAILED), by="test"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED


def test_a_source_that_is_let_be_read_after_hours_is_taken_up_by_itself(world, provider):
    world.store.put(INBOX, "paid/a.pdf", make_pdf(1))
    run = world.see("paid/a.pdf")
    fail(world, REFUSED, lambda _call, key: key == "paid/a.pdf")
    world.deliver_all()
    live(world, timedelta(hours=1), timedelta(minutes=10))
    mend(world)
    live(world, timedelta(minutes=11), timedelta(minutes=1))
    assert world.state(run) is State.EXPORTED


def test_a_source_refused_when_it_is_to_be_sent_waits_outside_the_lane_and_fails_after_a_day(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver()
    fail(world, REFUSED, lambda _call, key: key == "paid/a.pdf")
    world.deliver_all()
    live(world, timedelta(hours=1), timedelta(minutes=10))
    assert (world.state(run), world.ledger.run(run).reason) == (State.WAITING, Reason.SOURCE_REFUSED)
    world.clock.pass_(timedelta(hours=23))
    live(world, timedelta(minutes=20), timedelta(minutes=10))
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.SOURCE_REFUSED)
    assert provider.requests == []


def test_a_manifest_that_cannot_be_written_leaves_the_end_its_reason(world, provider):
    fail(world, FULL, lambda call, key: call == "put" and rows_of(key))
    run = world.drop("paid/a.pdf", b"this is no PDF")
    world.deliver_all()
    live(world, timedelta(minutes=5))
    there = world.ledger.run(run)
    assert (there.state, there.published) == (State.FAILED, False)
    assert there.reason not in {None, Reason.STORAGE_REFUSED}
    assert put_offs(world, run)
    mend(world)
    live(world, timedelta(minutes=11), timedelta(minutes=1))
    assert world.ledger.run(run).published
