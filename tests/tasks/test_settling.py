"""Doubt is settled by itself: what the provider has is adopted, what it has not is sent again, the rest is held."""

from collections import deque
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from config.settings import Settings
from headrace.document import SubmissionKey
from headrace.errors import (
    ConfigurationError,
    InDoubt,
    LedgerError,
    PredictionRejected,
    ProviderUnavailable,
    StorageUnavailable,
)
from headrace.faults import set_fault_handler
from headrace.ledger.claims import MOST_DELIVERIES
from headrace.ledger.records import RunFilter
from headrace.polling import PollSchedule
from headrace.providers import Absent, Found, Job, Listing, Refused, Unknown
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from tasks.settling import TOGETHER, Ending, adopt, ask_again, give_up, looked_for_together, resend, settle_lane
from tests.pdfs import make_pdf
from tests.tasks.conftest import PAID
from tests.tasks.scripted import ScriptedProvider, accepted, answer

PLACE = Location("private", "notes")
CUT = InDoubt("The connection was cut.", Reason.CONNECTION_CUT)


class Listed:
    """What the provider's list has of our keys (the jobs by key), each time it is asked; `error` is raised instead."""

    def __init__(self, jobs=(), *, echoed=True, unknown=False, error=None):
        self.jobs, self.echoed, self.unknown, self.error = dict(jobs), echoed, unknown, error
        self.asked = []

    def __call__(self, model, sought, since, until, *, deadline_seconds):
        self.asked.append((since, until, [one.key for one in sought]))
        if self.error is not None:
            raise self.error.with_traceback(None)
        return Listing({one.key: self._of(one.key) for one in sought}, echoed=self.echoed)

    def _of(self, key):
        if self.unknown:
            return Unknown("a file without a key is in the list")
        jobs = self.jobs.get(key.n, self.jobs.get(str(key)))
        return Absent() if jobs is None else Found(tuple(Job(job, "m") for job in jobs))


def in_doubt(world, provider, name="paid/a.pdf", pages=1, listed=None):
    """A run whose request was cut off; `listed` is what the provider is to say of it."""
    run = world.drop(name, make_pdf(pages))
    provider.submits.appendleft(CUT)
    if listed is not None:
        provider.find = listed
    world.deliver_all()
    assert world.ledger.run(run).reason is Reason.IN_DOUBT
    return run


def request_of(world, run):
    return world.ledger.submissions(run)[-1]


def note_of(world, run, n=1):
    key = next(entry.key for entry in world.ledger.submissions(run) if entry.key.n == n)
    return world.notes.read(PLACE, str(key))


def keys_sent(provider):
    return [request.key.n for request in provider.requests]


def alerts(world, run):
    document = world.ledger.run(run).document.id
    return [entry.detail for entry in world.ledger.history(document) if entry.event == "alert"]


@pytest.mark.parametrize("pages", [1, 5])
def test_what_the_provider_has_is_adopted_and_paid_once(world, provider, pages):
    run = in_doubt(world, provider, pages=pages, listed=Listed({1: ["job-7"]}))
    provider.polls.append(answer(pages, job="job-7"))
    world.wait_out_doubt(seconds=60, steps=2)
    ended = world.ledger.run(run)
    assert (ended.state, ended.attempts) == (State.EXPORTED, 0)
    assert (request_of(world, run).job, note_of(world, run).outcome, note_of(world, run).job) == (
        "job-7", "accepted", "job-7",
    )  # fmt: skip
    assert keys_sent(provider) == [1]


def test_what_the_provider_certainly_has_not_is_sent_again_under_the_same_key(world, provider):
    listed = Listed()
    run = in_doubt(world, provider, listed=listed)
    world.wait_out_doubt(seconds=960, steps=8)
    assert world.ledger.run(run).reason is Reason.IN_DOUBT
    assert len(provider.requests) == 1
    world.wait_out_doubt(seconds=90, steps=3)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 1]
    (submission,) = world.ledger.submissions(run)
    assert (submission.attempt, note_of(world, run).attempt) == (2, 2)
    assert len(listed.asked) < 12


@pytest.fixture
def patient(make_world, provider):
    """A world that waits for its jobs for hours."""
    return make_world(provider, routes=(PAID.model_copy(update={"poll": PollSchedule(polls=1000)}),))


def test_what_is_missing_is_not_sent_again_while_what_was_taken_before_it_is_not_done(patient, provider):
    """A list may have a job only once it is done, and a provider may take longer than usual for all of them."""
    world = patient
    provider.submits.append(Job("job-1", "m"))
    before = world.drop("paid/before.pdf", make_pdf(5))
    world.deliver_all()
    run = in_doubt(world, provider, pages=5, listed=Listed())
    world.wait_out_doubt(seconds=3600, steps=60)
    assert [world.state(before), world.ledger.run(run).reason] == [State.SUBMITTED, Reason.IN_DOUBT]
    assert "not done with what it took before" in world.ledger.run(run).detail
    assert len(provider.requests) == 2
    provider.polls.append(answer(5))
    world.wait_out_doubt(seconds=840, steps=14)
    assert [world.state(before), world.ledger.run(run).reason] == [State.EXPORTED, Reason.IN_DOUBT]
    world.wait_out_doubt(seconds=1800, steps=30)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 3


def test_what_is_missing_and_was_to_be_answered_at_once_waits_for_no_job(world, provider):
    provider.submits.append(Job("job-1", "m"))
    world.drop("paid/before.pdf", make_pdf(5))
    world.deliver_all()
    run = in_doubt(world, provider, listed=Listed())
    world.wait_out_doubt()
    assert world.state(run) is State.EXPORTED


def test_what_is_missing_waits_for_nothing_that_was_taken_after_it(patient, provider):
    world = patient
    run = in_doubt(world, provider, pages=5, listed=Listed())
    world.clock.pass_(timedelta(minutes=3))
    provider.submits.append(Job("job-1", "m"))
    after = world.drop("paid/after.pdf", make_pdf(5))
    world.deliver_all()
    world.wait_out_doubt()
    assert [world.state(after), world.state(run)] == [State.SUBMITTED, State.EXPORTED]


def test_looks_name_the_time_in_which_it_can_have_left(world, provider):
    listed = Listed()
    began = world.clock.now()
    in_doubt(world, provider, listed=listed)
    world.wait_out_doubt(seconds=60, steps=2)
    since, until, keys = listed.asked[0]
    assert since <= began <= until
    assert len(keys) == 1


def test_one_listing_tells_of_all_keys_of_a_lane(world, provider):
    listed = Listed()
    runs = [in_doubt(world, provider, f"paid/{n}.pdf", listed=listed) for n in range(3)]
    world.wait_out_doubt(seconds=30, steps=1)
    assert [len(keys) for _, _, keys in listed.asked] == [3]
    assert {str(key) for key in listed.asked[0][2]} == {str(request_of(world, run).key) for run in runs}


def test_an_old_doubt_widens_no_listing_of_the_fresh_ones(world, provider):
    away = Listed(error=ProviderUnavailable("It is away."))
    old = in_doubt(world, provider, name="paid/old.pdf", listed=away)
    world.clock.pass_(timedelta(days=10))
    listed = Listed({1: ["job-7"]})
    provider.find = listed
    fresh = in_doubt(world, provider, name="paid/fresh.pdf")
    world.wait_out_doubt(seconds=60, steps=1)
    assert [[str(key) for key in keys] for _, _, keys in listed.asked] == [
        [str(request_of(world, run).key)] for run in (old, fresh)
    ]
    assert all(until - since < timedelta(days=1) for since, until, _ in listed.asked)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (Listed(unknown=True), "a file without a key"),
        (Listed(echoed=False), "never seen to tell a key of ours"),
    ],
)
def test_what_nobody_can_tell_is_held_at_the_deadline_and_says_why(world, provider, listed, said):
    run = in_doubt(world, provider, listed=listed)
    world.wait_out_doubt(seconds=960, steps=8)
    assert world.state(run) is State.WAITING
    world.wait_out_doubt(seconds=60, steps=2)
    held = world.ledger.run(run)
    assert (held.state, held.reason, held.published) == (State.HELD, Reason.IN_DOUBT, True)
    assert said in held.detail
    asked = len(listed.asked)
    world.wait_out_doubt(seconds=3600)
    assert len(listed.asked) == asked
    assert keys_sent(provider) == [1]


def test_an_account_that_told_a_key_of_ours_before_need_not_tell_one_again(world, provider):
    first = answer()
    provider.submits.append(lambda _, request: type(first)(
        first.prediction.model_copy(update={"key": str(request.key)}), first.raw
    ))  # fmt: skip
    world.drop("paid/first.pdf", make_pdf(2))
    world.deliver_all()
    run = in_doubt(world, provider, listed=Listed(echoed=False))
    world.wait_out_doubt()
    assert world.state(run) is State.EXPORTED
    assert [request.key.n for request in provider.requests] == [1, 1, 1]


def test_a_provider_that_is_away_is_asked_until_it_answers(world, provider):
    listed = Listed({1: ["job-7"]}, error=ProviderUnavailable("It is away."))
    run = in_doubt(world, provider, listed=listed)
    provider.polls.append(answer(job="job-7"))
    world.wait_out_doubt(seconds=36_000, steps=15)
    waiting = world.ledger.run(run)
    assert (waiting.state, waiting.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert waiting.due_at > world.clock.now()
    listed.error = None
    world.wait_out_doubt()
    assert world.state(run) is State.EXPORTED


REFUSED = PredictionRejected("Nanonets refused the API key (401).", Reason.KEY_REFUSED)
OUT_OF_CREDIT = PredictionRejected("Nanonets says that the calls are used up (402).", Reason.QUOTA_USED_UP)
NO_KEY = ConfigurationError("There is no API key for the account main.")


@pytest.mark.parametrize("error", [REFUSED, OUT_OF_CREDIT, NO_KEY])
def test_a_provider_that_refuses_to_be_asked_is_asked_until_somebody_has_mended_it(world, provider, error):
    listed = Listed({1: ["job-7"]}, error=error)
    run = in_doubt(world, provider, listed=listed)
    provider.polls.append(answer(job="job-7"))
    world.wait_out_doubt(seconds=72_000, steps=20)
    waiting = world.ledger.run(run)
    assert (waiting.state, waiting.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert str(error) in waiting.detail
    assert len(listed.asked) <= 20
    listed.error = None
    world.wait_out_doubt()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]


@pytest.mark.parametrize("error", [ProviderUnavailable("It is away."), REFUSED])
def test_a_provider_that_cannot_be_asked_for_a_day_leaves_it_to_a_person(world, provider, error):
    run = in_doubt(world, provider, listed=Listed(error=error))
    world.wait_out_doubt(seconds=90_000, steps=25)
    held = world.ledger.run(run)
    assert (held.state, held.reason) == (State.HELD, Reason.IN_DOUBT)
    assert str(error).rstrip(".") in held.detail
    assert "headrace resolve --ask" in held.detail
    assert ".." not in held.detail


def test_the_reason_for_which_it_cannot_be_asked_goes_once_it_can(world, provider):
    listed = Listed(error=REFUSED)
    run = in_doubt(world, provider, listed=listed)
    world.wait_out_doubt(seconds=60, steps=2)
    assert "401" in world.ledger.run(run).detail
    listed.error = None
    world.wait_out_doubt(seconds=120, steps=2)
    assert "401" not in world.ledger.run(run).detail


def test_a_fault_of_ours_in_looking_ends_no_doubt(world, provider):
    run = in_doubt(world, provider, listed=Listed(error=RuntimeError("a fault of ours")))
    world.wait_out_doubt()
    assert world.ledger.run(run).reason is Reason.IN_DOUBT
    assert world.state(run) is State.WAITING


def test_a_route_may_have_it_sent_again_once_where_nobody_can_tell(make_world, provider):
    world = make_world(provider, routes=(PAID.model_copy(update={"on_doubt": "resubmit"}),))
    run = in_doubt(world, provider, listed=Listed(unknown=True))
    provider.submits.append(CUT)
    world.wait_out_doubt(seconds=1100)
    assert keys_sent(provider) == [1, 2]
    assert [entry.state for entry in world.ledger.submissions(run)] == [
        SubmissionState.ABANDONED, SubmissionState.IN_DOUBT,
    ]  # fmt: skip
    world.wait_out_doubt()
    assert world.state(run) is State.HELD
    assert keys_sent(provider) == [1, 2]


def test_a_document_that_is_in_doubt_each_time_fails_in_the_end(world, provider):
    world.settings = Settings(send_seconds=5, settle_seconds=3)
    run = in_doubt(world, provider, listed=Listed())
    provider.submits.extend([CUT] * 20)
    # From the fifth on the provider is left alone for ever longer, and each try is a probe.
    world.wait_out_doubt(seconds=3600, steps=100)
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.NOT_TAKEN)
    assert "tried 10 times" in failed.detail
    assert set(keys_sent(provider)) == {1}


def test_two_jobs_under_one_key_raise_an_alert_and_the_first_is_used(world, provider):
    run = in_doubt(world, provider, listed=Listed({1: ["job-7", "job-8"]}))
    provider.polls.append(answer(job="job-7"))
    with capture_logs() as logs:
        world.wait_out_doubt(seconds=60, steps=2)
    assert world.state(run) is State.EXPORTED
    assert [entry["log_level"] for entry in logs if entry["event"] == "two truths under one key"] == ["error"]
    (alert,) = alerts(world, run)
    assert "job-8 beside job job-7" in alert
    assert (note_of(world, run).job, note_of(world, run).others) == ("job-7", ("job-8",))


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_a_document_that_is_gone_meanwhile_still_gets_its_answer(world, provider, change):
    run = in_doubt(world, provider, listed=Listed({1: ["job-7"]}))
    provider.polls.append(answer(job="job-7"))
    if change == "removed":
        world.store.delete("inbox", "paid/a.pdf")
    else:
        world.store.put("inbox", "paid/a.pdf", make_pdf(2))
    world.wait_out_doubt(seconds=60, steps=2)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]


def test_a_document_that_is_gone_and_was_not_taken_is_not_sent(world, provider):
    run = in_doubt(world, provider, listed=Listed())
    world.store.delete("inbox", "paid/a.pdf")
    world.wait_out_doubt()
    assert world.state(run) is State.REMOVED
    assert keys_sent(provider) == [1]


@pytest.mark.parametrize("damage", ["gone", "damaged"])
@pytest.mark.parametrize("jobs", [{}, {1: ["job-7"]}])
def test_a_note_that_was_lost_stops_nothing(world, provider, damage, jobs):
    run = in_doubt(world, provider, listed=Listed(jobs))
    provider.polls.append(answer(job="job-7"))
    path = f"notes/submissions/{request_of(world, run).key}.json"
    if damage == "gone":
        world.store.delete("private", path)
    else:
        world.store.put("private", path, b"nonsense")
    world.wait_out_doubt()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == ([1] if jobs else [1, 1])
    if jobs:
        assert note_of(world, run).job == "job-7"


# A settler that stops anywhere.


class WorkerDied(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


@pytest.fixture
def die_at():
    def arm(name, *, times=1):
        left = [times]

        def handler(here):
            if here == name:
                left[0] -= 1
                if not left[0]:
                    set_fault_handler(None)
                raise WorkerDied(name)

        set_fault_handler(handler)

    yield arm
    set_fault_handler(None)


SETTLING = [
    "ledger.lease.after_commit",
    "ledger.note_echo.before_commit",
    "ledger.note_echo.after_commit",
    "notes.outcome.before",
    "notes.outcome.after",
    "ledger.end_doubt.before_commit",
    "ledger.end_doubt.after_commit",
]


def outlive(world, seconds):
    """Wait out doubt, while workers may die."""
    for _ in range(12):
        world.clock.pass_(timedelta(seconds=seconds / 12))
        world.sweep()
        while True:
            try:
                if world.deliver() is None:
                    break
            except WorkerDied:
                pass


@pytest.mark.parametrize("point", SETTLING)
@pytest.mark.parametrize("jobs", [{}, {1: ["job-7"]}])
def test_a_settler_that_dies_anywhere_costs_only_time(world, provider, die_at, point, jobs):
    run = in_doubt(world, provider, listed=Listed(jobs))
    provider.polls.append(answer(job="job-7"))
    if not jobs:
        world.wait_out_doubt(seconds=960, steps=8)
    die_at(point)
    outlive(world, 1200)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == ([1] if jobs else [1, 1])
    assert alerts(world, run) == []


@pytest.mark.parametrize("point", ["ledger.note_looks.before_commit", "ledger.note_looks.after_commit"])
def test_a_settler_that_dies_with_its_looks_looks_again(world, provider, die_at, point):
    run = in_doubt(world, provider, listed=Listed())
    die_at(point, times=3)
    outlive(world, 1800)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 1]


@pytest.mark.parametrize("point", ["ledger.hold_doubt.before_commit", "ledger.hold_doubt.after_commit"])
def test_a_settler_that_dies_while_it_holds_a_run_holds_it_later(world, provider, die_at, point):
    run = in_doubt(world, provider, listed=Listed(unknown=True))
    die_at(point)
    outlive(world, 1300)
    assert world.state(run) is State.HELD


def test_a_store_that_is_away_while_doubt_is_settled_costs_only_time(world, provider):
    run = in_doubt(world, provider, listed=Listed({1: ["job-7"]}))
    provider.polls.append(answer(job="job-7"))
    conclude, failures = world.notes.conclude, [StorageUnavailable("away")] * 3

    def failing(*args):
        if failures:
            raise failures.pop()
        return conclude(*args)

    world.notes.conclude = failing
    world.wait_out_doubt(seconds=300)
    assert world.state(run) is State.EXPORTED
    assert not failures


def test_a_ledger_that_is_not_the_buckets_own_settles_nothing(world, provider):
    run = in_doubt(world, provider, listed=Listed())
    world.store.put("private", "notes/ledger.json", b'{"ledger": "another", "sequence": 7}')
    world.wait_out_doubt()
    assert world.ledger.run(run).reason is Reason.IN_DOUBT
    assert note_of(world, run).outcome == "none"


# Two at once.


def test_the_more_often_nobody_came_back_the_fewer_are_looked_for_at_once(world, provider):
    for pages in (1, 2, 3):
        in_doubt(world, provider, f"paid/{pages}.pdf", pages)
    world.clock.sleep(60)
    lane = PAID.lane
    for deliveries in range(MOST_DELIVERIES):
        due = world.ledger.due_doubts(lane, 10)
        together = [len(some) for some in looked_for_together(due)]
        assert together == ([3] if TOGETHER.get(deliveries, 1) > 1 else [1, 1, 1])
        world.ledger.begin_looks([one.submission for one in due])


def test_what_nobody_came_back_from_is_looked_for_before_what_is_in_doubt_since(world, provider):
    """Where a listing is long a round has time for one, so what always came second would never be looked for."""
    old = in_doubt(world, provider, "paid/old.pdf", 1)
    world.clock.sleep(60)
    for _ in range(2):
        world.ledger.begin_looks([request_of(world, old)])
    fresh = in_doubt(world, provider, "paid/fresh.pdf", 2)
    world.clock.sleep(60)
    groups = looked_for_together(world.ledger.due_doubts(PAID.lane, 10))
    assert [[one.run.id for one in group] for group in groups] == [[old], [fresh]]


def test_two_settlers_end_one_doubt_once(world, provider):
    """The second looks while the first is at it: its lease had run out."""
    run = in_doubt(world, provider)
    lane = request_of(world, run).lane
    listed = Listed()
    provider.find = listed
    world.wait_out_doubt(seconds=960, steps=8)
    world.clock.pass_(timedelta(seconds=60))
    inner = []

    def find(*args, **more):
        if not inner:
            inner.append("once")
            inner.extend(settle_lane(world, lane))
            world.deliver_all()
        return listed(*args, **more)

    provider.find = find
    (outer,) = settle_lane(world, lane)
    world.deliver_all()
    assert inner[1].ending is Ending.SENT_AGAIN
    assert outer.ending is Ending.NOT_IN_DOUBT
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 1]
    assert alerts(world, run) == []


def test_a_settler_that_is_late_does_not_judge_the_next_attempt_by_what_it_saw_of_the_last(world, provider):
    run = in_doubt(world, provider)
    lane = request_of(world, run).lane
    listed = Listed()
    provider.find = listed
    world.wait_out_doubt(seconds=960, steps=8)
    world.clock.pass_(timedelta(seconds=60))
    provider.submits.append(CUT)
    began = []

    def find(*args, **more):
        if not began:
            began.append(True)
            settle_lane(world, lane)
            world.deliver_all()  # It is sent again meanwhile, and in doubt again.
        return listed(*args, **more)

    provider.find = find
    (outer,) = settle_lane(world, lane)
    assert outer.ending is Ending.NOT_IN_DOUBT
    assert note_of(world, run).outcome == "none"
    assert (world.ledger.run(run).reason, request_of(world, run).attempt) == (Reason.IN_DOUBT, 2)
    assert keys_sent(provider) == [1, 1]


def slow_worker(world, provider, meanwhile, ends_with):
    """A worker that is taken for dead while it sends; `meanwhile` is done before it tells what came of it."""

    def slow(source, request):
        world.clock.pass_(timedelta(seconds=16))
        world.sweep()
        world.deliver_all()
        meanwhile(request)
        if isinstance(ends_with, Exception):
            raise ends_with
        return ends_with

    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.submits.append(slow)
    world.deliver_all()
    return run


@pytest.mark.parametrize("ends_with", [accepted("job-7"), answer(job="job-7"), answer(job=None)])
def test_a_worker_that_comes_back_settles_doubt_itself(world, provider, ends_with):
    provider.find = Listed(unknown=True)
    provider.polls.append(answer(job="job-7"))
    run = slow_worker(world, provider, lambda _: None, ends_with)
    world.wait_out_doubt(seconds=60, steps=2)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]
    assert alerts(world, run) == []


def test_a_worker_that_comes_back_in_doubt_itself_does_not_begin_doubt_anew(world, provider):
    provider.find = Listed()
    seen = []

    def meanwhile(request):
        (submission,) = world.ledger.submissions(world.ledger.runs(RunFilter(), limit=1)[0].id)
        seen.append(submission.doubted_at)

    run = slow_worker(world, provider, meanwhile, CUT)
    assert request_of(world, run).doubted_at == seen[0]
    assert world.ledger.run(run).reason is Reason.IN_DOUBT


def test_what_a_worker_notes_just_before_doubt_arises_is_found_at_the_first_look(world, provider):
    """It ends between the other one's look at the note and that one's word that it is in doubt."""
    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.polls.append(answer(job="job-7"))
    fence, advance = world.notes.fence, world.ledger.advance

    def slow(source, request):
        world.clock.pass_(timedelta(seconds=16))
        world.sweep()
        world.ledger.advance = late
        world.deliver_all()
        return accepted("job-8")

    def late(claim, *args):
        world.ledger.advance = advance
        note = note_of(world, run)
        world.notes.accepted(PLACE, note, "job-7", world.clock.now())
        return advance(claim, *args)

    provider.submits.append(slow)
    world.notes.fence = fence
    world.deliver_all()
    world.wait_out_doubt(seconds=120, steps=4)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]


@pytest.mark.parametrize(
    ("reason", "state", "sent"),
    [
        (Reason.BAD_REQUEST, State.FAILED, [1]),
        (Reason.PREDICTION_FAILED, State.FAILED, [1]),
        (Reason.KEY_REFUSED, State.EXPORTED, [1, 1]),
        (Reason.RATE_LIMITED, State.EXPORTED, [1, 1]),
        (Reason.NOT_SENT, State.EXPORTED, [1, 1]),
    ],
)
def test_a_refusal_that_a_worker_noted_in_time_ends_doubt_as_it_would_have_ended_the_run(
    world, provider, reason, state, sent
):
    run = in_doubt(world, provider, listed=Listed(unknown=True))
    world.notes.refused(PLACE, note_of(world, run), reason, world.clock.now())
    world.wait_out_doubt(seconds=120, steps=4)
    ended = world.ledger.run(run)
    assert (ended.state, ended.reason) == (state, reason if state is State.FAILED else None)
    assert keys_sent(provider) == sent
    assert ended.attempts == (1 if reason is Reason.NOT_SENT else 0)


def test_a_job_that_is_noted_after_its_absence_counted_is_adopted_before_it_is_sent_again(world, provider):
    run = in_doubt(world, provider, listed=Listed())
    note = note_of(world, run)
    provider.polls.append(answer(job="job-7"))
    world.wait_out_doubt(seconds=960, steps=8)
    world.clock.pass_(timedelta(seconds=60))
    settle_lane(world, request_of(world, run).lane)
    assert (world.state(run), world.ledger.run(run).reason) == (State.WAITING, None)
    assert "counted as not_taken" in world.notes.accepted(PLACE, note, "job-7", world.clock.now())
    world.wait_out_doubt(seconds=120, steps=4)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]


def test_a_job_that_turns_up_after_it_was_sent_again_is_an_alert(world, provider):
    """What cannot be excluded: a process frozen within its last write to the socket."""
    run = None

    def meanwhile(request):
        provider.find = Listed()
        world.wait_out_doubt()
        # Another worker has sent it again meanwhile, and it is exported.
        assert [entry.key.n for entry in provider.requests] == [1, 1]

    run = slow_worker(world, provider, meanwhile, accepted("job-8"))
    assert world.state(run) is State.EXPORTED
    (alert,) = alerts(world, run)
    assert "Two jobs under one key: job-8" in alert
    assert note_of(world, run).others == ("job-8",)


# What a person says.


def held(world, provider):
    run = in_doubt(world, provider, listed=Listed(unknown=True))
    world.wait_out_doubt()
    assert world.state(run) is State.HELD
    return run, request_of(world, run).key


@pytest.fixture(params=["waiting", "held"])
def doubted(request, world, provider):
    if request.param == "held":
        return held(world, provider)
    run = in_doubt(world, provider, listed=Listed(unknown=True))
    return run, request_of(world, run).key


def test_a_job_that_a_person_found_is_adopted(world, provider, doubted):
    run, key = doubted
    provider.polls.append(answer(job="job-7"))
    settled = adopt(world, key, "job-7", by="ada")
    assert (settled.ending, settled.run.state) == (Ending.ADOPTED, State.ADMITTED)
    assert "ada" in settled.detail
    assert adopt(world, key, "job-7", by="ada").ending is Ending.ADOPTED
    assert adopt(world, key, "job-9", by="ada").ending is Ending.NOT_IN_DOUBT
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]
    assert "ada" in " ".join(entry.detail for entry in world.ledger.history(settled.run.document.id))


def test_what_a_person_sends_again_has_the_next_key(world, provider, doubted):
    run, key = doubted
    settled = resend(world, key, by="ada")
    assert (settled.ending, settled.run.state, settled.run.reason) == (Ending.SENT_AGAIN, State.WAITING, None)
    assert resend(world, key, by="ada").ending is Ending.SENT_AGAIN
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 2]
    assert (note_of(world, run).outcome, note_of(world, run, n=2).outcome) == ("abandoned", "accepted")


def test_what_a_person_gives_up_fails_and_only_a_person_sends_it_again(world, provider, doubted):
    run, key = doubted
    settled = give_up(world, key, by="ada")
    assert (settled.ending, settled.run.state, settled.run.reason) == (Ending.GIVEN_UP, State.FAILED, Reason.GIVEN_UP)
    assert give_up(world, key, by="ada").ending is Ending.GIVEN_UP
    assert resend(world, key, by="ada").ending is Ending.NOT_IN_DOUBT
    world.wait_out_doubt()
    assert world.state(run) is State.FAILED
    assert keys_sent(provider) == [1]
    world.hints.hint_all(world.ledger.retry(RunFilter(reason=Reason.GIVEN_UP), by="ada"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 2]


def test_what_is_held_is_asked_for_again_at_once_where_a_person_says_so(world, provider):
    listed = Listed({1: ["job-7"]}, error=REFUSED)
    run = in_doubt(world, provider, listed=listed)
    world.wait_out_doubt(seconds=90_000, steps=25)
    assert world.state(run) is State.HELD
    listed.error, provider.polls = None, deque([answer(job="job-7")])
    settled = ask_again(world, request_of(world, run).key, by="ada")
    assert (settled.ending, settled.run.state, settled.run.reason) == (
        Ending.ASKED_AGAIN, State.WAITING, Reason.IN_DOUBT,
    )  # fmt: skip
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]
    assert "ada" in " ".join(entry.detail for entry in world.ledger.history(settled.run.document.id))


def test_what_is_asked_for_again_and_still_cannot_be_told_is_held_again(world, provider, doubted):
    run, key = doubted
    provider.find = listed = Listed(error=REFUSED)
    world.clock.pass_(timedelta(days=2))
    ask_again(world, key, by="ada")
    world.deliver_all()
    assert world.state(run) is State.WAITING
    world.wait_out_doubt(seconds=1800, steps=30)
    assert world.state(run) is State.HELD
    assert 6 <= len(listed.asked) <= 10


def test_what_is_asked_for_again_is_sent_again_where_it_certainly_was_not_taken(world, provider):
    run, key = held(world, provider)
    provider.find = Listed()
    ask_again(world, key, by="ada")
    world.wait_out_doubt(seconds=900, steps=15)
    assert keys_sent(provider) == [1]  # one listing without it is not enough
    world.wait_out_doubt(seconds=120, steps=2)
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 1]


def test_a_settler_that_looked_before_a_person_asked_does_not_hold_what_was_asked_for(world, provider):
    run = in_doubt(world, provider)
    key, unknown = request_of(world, run).key, Listed(unknown=True)

    def find(*args, **more):
        ask_again(world, key, by="ada")
        return unknown(*args, **more)

    world.clock.pass_(timedelta(seconds=1100))
    provider.find = find
    settle_lane(world, request_of(world, run).lane)
    assert world.state(run) is State.WAITING
    assert request_of(world, run).look_at == world.clock.now()


def test_what_ended_is_not_asked_for_again(world, provider, doubted):
    _, key = doubted
    give_up(world, key, by="ada")
    assert ask_again(world, key, by="ada").ending is Ending.NOT_IN_DOUBT


SAID = {
    "adopt": lambda world, key: adopt(world, key, "job-7", "ada"),
    "resend": lambda world, key: resend(world, key, "ada"),
    "give up": lambda world, key: give_up(world, key, "ada"),
}


@pytest.mark.parametrize("what", SAID)
@pytest.mark.parametrize("point", ["notes.outcome.after", "ledger.end_doubt.before_commit"])
def test_a_command_that_dies_between_note_and_ledger_is_finished_by_whoever_comes_next(
    world, provider, die_at, doubted, what, point
):
    run, key = doubted
    die_at(point)
    with pytest.raises(WorkerDied):
        SAID[what](world, key)
    assert world.ledger.run(run).reason is Reason.IN_DOUBT
    ending = SAID[what](world, key).ending
    world.deliver_all()
    assert ending in {Ending.ADOPTED, Ending.SENT_AGAIN, Ending.GIVEN_UP}
    assert world.ledger.run(run).reason is not Reason.IN_DOUBT


def test_what_is_known_counts_for_more_than_what_a_person_says(world, provider, doubted):
    run, key = doubted
    world.notes.accepted(PLACE, note_of(world, run), "job-7", world.clock.now())
    provider.polls.append(answer(job="job-7"))
    settled = resend(world, key, by="ada")
    assert (settled.ending, settled.run.state) == (Ending.ADOPTED, State.ADMITTED)
    world.deliver_all()
    assert keys_sent(provider) == [1]


def test_a_request_that_nobody_knows_is_an_error(world):
    with pytest.raises(LedgerError, match="knows no request"):
        resend(world, SubmissionKey("0" * 32, 1, "nanonets", "all", 1), by="ada")


def test_an_abandoned_request_that_turns_out_accepted_before_the_next_is_sent_is_used(world, provider, doubted):
    run, key = doubted
    note = note_of(world, run)
    resend(world, key, by="ada")
    assert "was abandoned" in world.notes.accepted(PLACE, note, "job-7", world.clock.now())
    provider.polls.append(answer(job="job-7"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1]


def test_an_abandoned_request_that_turns_out_accepted_later_is_an_alert(world, provider):
    def meanwhile(request):
        resend(world, request.key, by="ada")
        world.deliver_all()

    run = slow_worker(world, provider, meanwhile, accepted("job-8"))
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 2]
    (alert,) = alerts(world, run)
    assert "was abandoned, and then turned out to be accepted as job job-8" in alert
    assert note_of(world, run).job == "job-8"


def test_a_retry_of_everything_by_a_schedule_leaves_what_was_given_up_alone():
    from tasks.schedules import PAID_AGAIN

    assert Reason.GIVEN_UP in PAID_AGAIN


def test_a_ledger_that_forgot_an_abandonment_goes_on_from_the_note(world, provider, doubted):
    """An older copy of the ledger was restored: it still means to send what a person abandoned since."""
    run, key = doubted
    note = note_of(world, run)
    world.notes.conclude(PLACE, note, note.model_copy(update={"outcome": "abandoned", "reason": Reason.IN_DOUBT}))
    world.ledger.reopen_doubt(key)
    world.clock.pass_(timedelta(seconds=16))
    world.sweep()
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert keys_sent(provider) == [1, 2]


def test_a_ledger_that_forgot_that_somebody_gave_up_does_too(world, provider, doubted):
    run, key = doubted
    note = note_of(world, run)
    world.notes.conclude(PLACE, note, note.model_copy(update={"outcome": "abandoned", "reason": Reason.GIVEN_UP}))
    world.ledger.reopen_doubt(key)
    world.clock.pass_(timedelta(seconds=16))
    world.sweep()
    world.deliver_all()
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.GIVEN_UP)
    assert keys_sent(provider) == [1]


def test_a_job_that_the_provider_gave_up_fails_the_adopted_run(world, provider):
    run = in_doubt(world, provider, listed=Listed({1: ["job-7"]}))
    provider.polls = deque([Refused(Reason.PREDICTION_FAILED, "none")])
    world.wait_out_doubt(seconds=60, steps=2)
    assert world.ledger.run(run).reason is Reason.PREDICTION_FAILED


def test_the_sweep_hints_each_lane_with_a_due_look(world, provider):
    in_doubt(world, provider, listed=Listed())
    world.app.published.clear()
    world.sweep()
    assert [message.task for message in world.app.published if message.task == "headrace.settle"] == []
    world.clock.pass_(timedelta(seconds=15))
    world.sweep()
    (message,) = [message for message in world.app.published if message.task == "headrace.settle"]
    assert (message.queue, message.args) == ("poll", ["nanonets", PAID.account, "m"])


def test_a_lane_is_not_listed_by_two_at_once_nor_again_at_once(world, provider):
    from tasks.settling import settle_alone

    listed = Listed()
    run = in_doubt(world, provider, listed=listed)
    lane = request_of(world, run).lane
    world.clock.pass_(timedelta(seconds=20))
    settle_alone(world, lane)
    in_doubt(world, provider, "paid/b.pdf")
    world.clock.pass_(timedelta(seconds=14))
    settle_alone(world, lane)
    assert len(listed.asked) == 1


def test_an_answer_that_was_stored_and_lost_while_in_doubt_fails_the_run(world, provider):
    run = in_doubt(world, provider, listed=Listed())
    key = request_of(world, run).key
    world.store.put("private", f"notes/runs/{key.document}/1/nanonets-all-1/prediction.json.gz", b"nonsense")
    world.wait_out_doubt(seconds=60, steps=2)
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.ANSWER_LOST)


def test_a_free_provider_is_never_in_doubt(make_world):
    world = make_world(ScriptedProvider(), free=ScriptedProvider([CUT], paid=False))
    run = world.drop("free/a.pdf", make_pdf(1))
    world.deliver_all()
    assert world.ledger.run(run).reason is not Reason.IN_DOUBT
