"""Nothing is paid twice: what is certain goes on, what is in doubt waits until that is settled, or is held."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from config.routes import RouteTable
from config.settings import Settings
from headrace.errors import InDoubt, NotSent, PredictionRejected, RateLimited, StorageUnavailable
from headrace.faults import set_fault_handler
from headrace.ledger.records import RunFilter
from headrace.providers import Job, Refused
from headrace.retrying import RULES, pause_after
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from tasks.hints import POLL
from tests.memory_store import InMemoryStore
from tests.pdfs import make_pdf
from tests.tasks.conftest import PAID
from tests.tasks.scripted import ScriptedProvider, accepted, answer

PLACE = Location("private", "notes")


class WorkerDied(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


@pytest.fixture
def die_at():
    """Kills the worker once, at the named fault point."""

    def arm(name):
        def handler(here):
            if here == name:
                set_fault_handler(None)
                raise WorkerDied(name)

        set_fault_handler(handler)

    yield arm
    set_fault_handler(None)


def recover(world):
    """Let the dead worker's lease run out, and the sweep do its work, until nothing is left to do."""
    for _ in range(12):
        world.clock.pass_(timedelta(seconds=16))
        world.sweep()
        world.deliver_all()


@pytest.mark.parametrize(
    "reason", [Reason.SERVER_ERROR, Reason.HTML_ANSWER, Reason.EMPTY_ANSWER, Reason.TIMED_OUT, Reason.CONNECTION_CUT]
)
def test_a_request_in_doubt_waits_and_where_nobody_can_tell_is_held_and_never_sent_again(world, provider, reason):
    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.submits.append(InDoubt("It may have been taken.", reason))
    world.deliver_all()
    waiting = world.ledger.run(run)
    assert (waiting.state, waiting.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert waiting.due_at == world.clock.now() + timedelta(seconds=1020)
    world.wait_out_doubt()
    held = world.ledger.run(run)
    assert (held.state, held.reason, held.published) == (State.HELD, Reason.IN_DOUBT, True)
    (submission,) = world.ledger.submissions(run)
    assert (submission.state, submission.reason) == (SubmissionState.IN_DOUBT, reason)
    assert world.ledger.retry(RunFilter(), by="test") == []
    assert len(provider.requests) == 1


@pytest.mark.parametrize("reason", [Reason.BAD_REQUEST, Reason.MODEL_NOT_FOUND, Reason.REFUSED])
def test_a_certain_refusal_fails_the_run_and_a_retry_sends_under_the_same_key(world, provider, reason):
    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.submits.append(PredictionRejected("No.", reason))
    world.deliver_all()
    assert world.ledger.run(run).reason is reason
    world.hints.hint_all(world.ledger.retry(RunFilter(state=State.FAILED, reason=reason), by="test"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert len({str(request.key) for request in provider.requests}) == 1


@pytest.mark.parametrize("reason", [Reason.KEY_REFUSED, Reason.QUOTA_USED_UP, Reason.FORBIDDEN])
def test_a_key_that_is_refused_stops_its_account_until_a_rare_probe_is_taken(world, provider, clock, reason):
    runs = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (1, 2, 3)]
    provider.submits.extend([PredictionRejected("No.", reason)] * 2)
    world.deliver_all()
    assert {world.state(run) for run in runs} == {State.WAITING}
    assert {world.ledger.run(run).reason for run in runs} == {reason}
    assert {world.ledger.run(run).attempts for run in runs} == {0}
    assert len(provider.requests) == 1, "nothing is sent with a dead key"
    clock.pass_(timedelta(minutes=15))
    world.sweep()
    world.deliver_all()
    assert len(provider.requests) == 2, "one document probes"
    clock.pass_(timedelta(minutes=15))
    world.sweep()
    world.deliver_all()
    world.sweep()
    world.deliver_all()
    assert {world.state(run) for run in runs} == {State.EXPORTED}


@pytest.mark.parametrize("error", [RateLimited("Too much."), PredictionRejected("Too dear.", Reason.QUOTA_USED_UP)])
def test_a_document_that_alone_is_too_much_does_not_stop_the_lane_for_ever(make_world, provider, error):
    def refuses_the_first(_source, request):
        return error if request.key.document == large.document.id else answer()

    provider.submits.extend([refuses_the_first] * 50)
    world = make_world(provider, nanonets=1)
    large = world.ledger.run(world.drop("paid/large.pdf", make_pdf(3)))
    world.clock.pass_(timedelta(seconds=1))
    others = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (1, 2)]
    world.deliver_all()
    for _ in range(24):
        world.clock.pass_(timedelta(minutes=5))
        world.sweep()
        world.deliver_all()
    assert {world.state(run) for run in others} == {State.EXPORTED}
    waiting = world.ledger.run(large.id)
    assert (waiting.state, waiting.attempts) == (State.WAITING, 0)


def test_what_goes_out_makes_room_for_the_next_at_once(world, provider):
    """Few are admitted ahead of their sending; a lane that had to wait for the sweep would idle meanwhile."""
    lane = world.routes.lane(PAID.lane).model_copy(update={"requests_per_second": 1.0})
    world.routes = RouteTable(world.routes.routes, (lane,))
    provider.submits.extend(accepted(f"job-{number}", 5) for number in range(5))
    for number in range(5):
        world.drop(f"paid/{number}.pdf", make_pdf(5 + number))
    while world.app.messages:
        if world.app.messages[0].task == POLL:
            world.app.messages.popleft()
        else:
            world.deliver()
    assert len(provider.requests) == 5


def test_a_document_that_is_refused_tells_that_the_provider_is_there(world, provider, clock):
    lane = PAID.lane
    for _ in range(5):
        world.ledger.heard(lane, "another", Reason.SERVER_ERROR, "It failed.")
    runs = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (1, 2)]
    provider.submits.append(PredictionRejected("No.", Reason.BAD_REQUEST))
    world.deliver_all()
    assert provider.requests == []
    clock.pass_(timedelta(seconds=30))
    world.sweep()
    world.deliver_all()
    world.sweep()
    world.deliver_all()
    assert sorted(world.state(run) for run in runs) == [State.EXPORTED, State.FAILED]


def test_a_paid_answer_is_stored_before_anything_else_is_told(world, provider, die_at):
    world.ledger.heard(PAID.lane, "another", Reason.SERVER_ERROR, "It failed.")
    run = _die_while_submitting(world, die_at, "ledger.breaker.before_commit")
    recover(world)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_what_was_begun_and_never_sent_is_not_sent_while_the_lane_is_paused(world, provider, die_at):
    run = _die_while_submitting(world, die_at, "ledger.intend.after_commit")
    world.ledger.pause(PAID.lane, by="ada", why="audit")
    recover(world)
    waiting = world.ledger.run(run)
    assert (waiting.state, waiting.reason, waiting.attempts) == (State.WAITING, Reason.PAUSED, 0)
    assert provider.requests == []
    world.ledger.resume(PAID.lane)
    recover(world)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


NOT_YET_SENT = ["ledger.intend.before_commit", "ledger.intend.after_commit", "notes.create.before"]
PERHAPS_SENT = ["notes.create.after"]
ANSWER_STORED = [
    "answers.prediction.after",
    "answers.raw.before",
    "answers.raw.after",
    "notes.outcome.before",
    "notes.outcome.after",
    "ledger.advance.before_commit",
    "ledger.advance.after_commit",
]


@pytest.mark.parametrize("point", NOT_YET_SENT)
def test_a_worker_that_dies_before_the_fence_costs_only_time(world, provider, die_at, point):
    run = _die_while_submitting(world, die_at, point)
    recover(world)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


@pytest.mark.parametrize("point", PERHAPS_SENT)
def test_a_worker_that_dies_behind_the_fence_leaves_doubt(world, provider, die_at, point):
    run = _die_while_submitting(world, die_at, point)
    recover(world)
    assert (world.state(run), world.ledger.run(run).reason) == (State.WAITING, Reason.IN_DOUBT)
    assert len(provider.requests) == 0


def test_a_worker_that_dies_with_the_answer_in_its_hands_leaves_doubt(world, provider, die_at):
    run = _die_while_submitting(world, die_at, "answers.prediction.before")
    recover(world)
    assert (world.state(run), world.ledger.run(run).reason) == (State.WAITING, Reason.IN_DOUBT)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("point", ANSWER_STORED)
def test_a_worker_that_dies_after_the_answer_is_stored_costs_only_time(world, provider, die_at, point):
    run = _die_while_submitting(world, die_at, point)
    recover(world)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


@pytest.mark.parametrize("point", ["notes.outcome.after", "ledger.accept.before_commit", "ledger.accept.after_commit"])
def test_an_accepted_job_is_adopted_after_the_worker_died(world, provider, die_at, point):
    provider.submits.append(accepted(pages=5))
    provider.polls.append(answer(5))
    run = _die_while_submitting(world, die_at, point, pages=5)
    recover(world)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def _die_while_submitting(world, die_at, point, pages=1):
    run = world.drop("paid/a.pdf", make_pdf(pages))
    while world.app.messages[0].task != "headrace.submit":
        world.deliver()
    die_at(point)
    with pytest.raises(WorkerDied):
        world.deliver_all()
    world.app.messages.clear()
    return run


def test_a_paid_answer_that_the_store_does_not_take_is_fetched_again(world, provider, monkeypatch):
    run = world.drop("paid/a.pdf", make_pdf(1))
    keep = world.answers.keep
    failures = [StorageUnavailable("full"), StorageUnavailable("full")]

    def failing(*args):
        if failures:
            raise failures.pop()
        return keep(*args)

    world.answers.keep = failing
    provider.polls.extend([answer(), answer()])
    recover(world)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_what_the_provider_gave_up_at_once_is_sent_under_another_key_when_a_person_asks_again(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.submits.append(PredictionRejected("No page could be read.", Reason.PREDICTION_FAILED))
    world.deliver_all()
    assert world.ledger.run(run).reason is Reason.PREDICTION_FAILED
    provider.submits.append(answer(job=None))
    world.hints.hint_all(world.ledger.retry(RunFilter(state=State.FAILED), by="test"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert [request.key.n for request in provider.requests] == [1, 2]


def test_a_ledger_that_is_not_the_buckets_own_submits_nothing(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.store.put("private", "notes/ledger.json", b'{"ledger": "another", "sequence": 7}')
    recover(world)
    assert world.state(run) is State.ADMITTED
    assert provider.requests == []
    assert "another" in " ".join(entry.detail for entry in world.ledger.history(world.ledger.run(run).document.id))


def test_the_pause_doubles_from_half_a_minute_to_ten_minutes():
    seconds = [RULES[Reason.NOT_SENT].pause_after(attempts).total_seconds() for attempts in range(1, 10)]
    assert seconds == [30, 60, 120, 240, 480, 600, 600, 600, 600]
    assert pause_after(Reason.NOT_SENT, 10) is None


def test_pauses_are_spread_by_a_fifth():
    pauses = {pause_after(Reason.NOT_SENT, 1).total_seconds() for _ in range(100)}
    assert len(pauses) > 90
    assert all(24 <= pause <= 36 for pause in pauses)


@pytest.mark.parametrize("versioned", [True, False])
def test_a_versioned_object_goes_by_link_where_the_route_says_so(make_world, provider, versioned):
    store = InMemoryStore(versioned={"inbox"} if versioned else set())
    world = make_world(provider, routes=(PAID.model_copy(update={"send": "url"}),), store=store)
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    (source,) = provider.sources
    assert (source.url is not None) is versioned


def test_a_worker_that_was_taken_for_dead_settles_the_doubt_when_it_comes_back(world, provider):
    """Its lease lapsed while it was sending; another one found no outcome, and is in doubt."""
    run = world.drop("paid/a.pdf", make_pdf(1))

    def slow(source, request):
        world.clock.pass_(timedelta(seconds=16))
        world.sweep()
        world.deliver_all()
        assert world.ledger.run(run).reason is Reason.IN_DOUBT
        return answer()

    provider.submits.append(slow)
    world.deliver_all()
    recover(world)
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_an_acceptance_without_page_ids_waits_for_no_page_count_of_ours(world, provider):
    world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(Job("job-1", "m", None))
    provider.polls.append(answer(5))
    asked = []
    fetch = provider.fetch
    provider.fetch = lambda jobs, **more: asked.extend(jobs) or fetch(jobs, **more)
    world.deliver_all()
    assert [job.pages for job in asked] == [None]


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_stored_answer_that_was_lost_fails_the_run_and_can_be_reprocessed(world, provider, damage):
    run = world.drop("paid/a.pdf", make_pdf(1))
    while world.state(run) is not State.PREDICTED:
        world.deliver()
    (key,) = [
        head.key for page in world.store.list("private", "") for head in page if head.key.endswith("prediction.json.gz")
    ]
    if damage == "gone":
        world.store.delete("private", key)
    else:
        world.store.put("private", key, b"nonsense")
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason, failed.published) == (State.FAILED, Reason.ANSWER_LOST, True)
    (again,) = world.ledger.reprocess([failed.document.id], by="test")
    world.hints.hint(again.run_id, again.hint)
    world.deliver_all()
    assert world.state(again.run_id) is State.EXPORTED


def test_one_job_that_cannot_be_dealt_with_does_not_stop_its_group(make_world):
    provider = ScriptedProvider([accepted(f"job-{n}", 5) for n in range(3)])

    def fetch(jobs, *, deadline_seconds):
        broken = replace(answer(), prediction=None)
        return {job: broken if job.id == "job-0" else answer(5, job=job.id) for job in jobs}

    provider.fetch = fetch
    world = make_world(provider)
    runs = [world.drop(f"paid/{n}.pdf", make_pdf(5 + n)) for n in range(3)]
    for _ in range(25):
        world.deliver_all()
        world.clock.pass_(timedelta(seconds=30))
        world.sweep()
    world.deliver_all()
    assert sorted(world.state(run) for run in runs) == [State.EXPORTED, State.EXPORTED, State.FAILED]
    assert [world.ledger.run(run).reason for run in runs if world.state(run) is State.FAILED] == [Reason.UNEXPECTED]


def test_a_provider_that_cannot_be_asked_does_not_break_the_chain(world, provider):
    run = world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))

    def broken(jobs, *, deadline_seconds):
        raise RuntimeError("a fault of ours")

    provider.fetch = broken
    world.deliver_all()
    for _ in range(36):
        world.clock.pass_(timedelta(hours=1))
        world.sweep()
        world.deliver_all()
    assert world.ledger.run(run).reason is Reason.PREDICTION_TIMED_OUT


def test_a_scheduled_retry_does_not_pay_again_for_what_the_provider_gave_up(world, provider):
    from config.schedules import Schedule
    from tasks.schedules import serve_due

    run = world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    provider.polls.append(Refused(Reason.PREDICTION_FAILED, "all pages failed"))
    world.deliver_all()
    schedule = Schedule(name="hourly", every_seconds=3600, action="retry")
    world.routes = RouteTable(world.routes.routes, world.routes.lanes, (schedule,))
    world.clock.pass_(timedelta(hours=1))
    serve_due(world)
    world.deliver_all()
    assert world.state(run) is State.FAILED
    assert len(provider.requests) == 1


PROTECTED = PAID.model_copy(update={"passwords": ("statements",)})


def _dies(make_world, provider, die_at, point):
    """A worker dies at this point with a protected document; the world then, and the run."""
    world = make_world(provider, routes=(PROTECTED,))
    world.settings = Settings.model_construct(passwords={"statements": SecretStr("secret")})
    run = world.drop("paid/a.pdf", make_pdf(1, password="secret"))
    while world.app.messages[0].task != "headrace.submit":
        world.deliver()
    die_at(point)
    with pytest.raises(WorkerDied):
        world.deliver_all()
    world.app.messages.clear()
    return world, run


def _dies_with_a_protected_document(make_world, provider, die_at, point):
    """A worker dies at this point, and the password changes before the next one takes the run up."""
    world, run = _dies(make_world, provider, die_at, point)
    world.settings = Settings.model_construct(passwords={"statements": SecretStr("changed")})
    recover(world)
    return world, run


def test_what_may_have_been_sent_stays_in_doubt_also_where_it_could_not_be_sent_again(make_world, provider, die_at):
    world, run = _dies_with_a_protected_document(make_world, provider, die_at, "notes.create.after")
    assert (world.state(run), world.ledger.run(run).reason) == (State.WAITING, Reason.IN_DOUBT)


def test_a_job_that_was_accepted_is_adopted_also_where_it_could_not_be_sent_again(make_world, provider, die_at):
    provider.submits.append(accepted())
    provider.polls.append(answer())
    world, run = _dies_with_a_protected_document(make_world, provider, die_at, "notes.outcome.after")
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_what_certainly_was_not_sent_fails_with_its_reason_and_leaves_no_intent(make_world, provider, die_at):
    world, run = _dies_with_a_protected_document(make_world, provider, die_at, "ledger.intend.after_commit")
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.ENCRYPTED)
    (submission,) = world.ledger.submissions(run)
    assert (submission.state, submission.reason) == (SubmissionState.REJECTED, Reason.ENCRYPTED)
    world.settings = Settings.model_construct(passwords={"statements": SecretStr("secret")})
    world.hints.hint_all(world.ledger.retry(RunFilter(state=State.FAILED), by="test"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert [str(request.key) for request in provider.requests] == [str(submission.key)]


@pytest.mark.parametrize(
    ("point", "state"), [("notes.create.after", State.WAITING), ("ledger.intend.after_commit", State.REMOVED)]
)
def test_a_document_that_is_gone_stays_in_doubt_where_it_may_have_been_sent(world, provider, die_at, point, state):
    run = _die_while_submitting(world, die_at, point)
    world.store.delete("inbox", "paid/a.pdf")
    recover(world)
    assert world.state(run) is state
    assert provider.requests == []


class SlowBucket:
    """A preparer to which the bucket never gives a whole document in time."""

    def prepared(self, *_, **__):
        raise NotSent("It gave 2 of 9 bytes.")


def _dies_before_a_slow_bucket(make_world, provider, die_at, point):
    """A worker dies at this point, and the next one does not get the document in time."""
    world, run = _dies(make_world, provider, die_at, point)
    preparer, world.preparer = world.preparer, SlowBucket()
    world.clock.pass_(timedelta(seconds=16))
    world.sweep()
    world.deliver_all()
    world.preparer = preparer
    return world, run


def test_a_slow_bucket_does_not_make_doubt_certain(make_world, provider, die_at):
    world, run = _dies_before_a_slow_bucket(make_world, provider, die_at, "notes.create.after")
    assert (world.state(run), world.ledger.run(run).reason) == (State.WAITING, Reason.IN_DOUBT)
    assert provider.requests == []


def test_what_certainly_was_not_sent_waits_for_a_faster_bucket(make_world, provider, die_at):
    world, run = _dies_before_a_slow_bucket(make_world, provider, die_at, "ledger.intend.after_commit")
    waiting = world.ledger.run(run)
    assert (waiting.state, waiting.reason, waiting.attempts) == (State.WAITING, Reason.NOT_SENT, 1)
    (submission,) = world.ledger.submissions(run)
    assert (submission.state, submission.reason) == (SubmissionState.REJECTED, Reason.NOT_SENT)
    world.clock.pass_(waiting.due_at - world.clock.now())
    world.sweep()
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert [str(request.key) for request in provider.requests] == [str(submission.key)]
