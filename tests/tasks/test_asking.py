"""How a turn asks for its jobs: by file or by window, and what a provider that does not tell leads to."""

from datetime import timedelta

import pytest

from config.lanes import LaneSettings
from config.routes import RouteTable
from headrace.errors import PredictionRejected, ProviderUnavailable, RateLimited
from headrace.polling import FIRST_REST, REFUSED_REST, UNLISTED_FOR, UNTOLD_FOR
from headrace.providers import NotTold, Pending
from headrace.states import Reason, State
from tests.pdfs import make_pdf
from tests.tasks.conftest import FREE, PAID
from tests.tasks.scripted import accepted, answer

BY_WINDOW = RouteTable((PAID, FREE), (LaneSettings(provider="nanonets", model="m", in_flight=50, poll_by="window"),))


@pytest.fixture
def submitted(world, provider):
    """Drops so many documents of five pages, whose jobs are job-0, job-1 and so on, in one group; their runs."""

    def submit(jobs, *, by="file"):
        if by == "window":
            world.routes = BY_WINDOW
        provider.submits.extend(accepted(f"job-{number}", 5) for number in range(jobs))
        runs = [world.drop(f"paid/{number}.pdf", make_pdf(5)) for number in range(jobs)]
        while not all(world.state(run) is State.SUBMITTED for run in runs):
            world.deliver()
        return runs

    return submit


def states(world, runs):
    return [world.state(run) for run in runs]


def polls(world, runs):
    return [world.ledger.submissions(run)[-1].polls for run in runs]


def deliveries(world, runs):
    return [world.ledger.submissions(run)[-1].deliveries for run in runs]


def turn(world):
    """Deliver until the provider was asked once more."""
    provider = world.providers["nanonets"]
    before = len(provider.fetched) + len(provider.windows_asked)
    while len(provider.fetched) + len(provider.windows_asked) == before:
        if world.deliver() is None:
            world.clock.pass_(timedelta(seconds=5))
            world.sweep()


def test_a_window_answers_all_due_jobs_in_one_call(world, provider, submitted):
    runs = submitted(20, by="window")
    provider.windows.append({f"job-{number}": answer(5, job=f"job-{number}") for number in range(20)})
    world.deliver_all()
    assert set(states(world, runs)) == {State.EXPORTED}
    assert ([jobs for _, _, jobs in provider.windows_asked], provider.fetched) == ([20], [])


def test_a_window_is_asked_for_the_days_on_which_its_jobs_were_sent(world, provider, submitted):
    at = world.clock.now()
    submitted(2, by="window")
    turn(world)
    ((since, until, _),) = provider.windows_asked
    assert at - timedelta(minutes=1) <= since <= at + timedelta(minutes=1)
    assert since <= until <= at + timedelta(minutes=5)


def test_what_a_window_lacks_or_shows_unready_is_pending_and_never_refused(world, provider, submitted):
    runs = submitted(3, by="window")
    provider.windows.append({"job-1": Pending("2 of 5 pages are listed"), "job-2": answer(5, job="job-2")})
    turn(world)
    assert states(world, runs)[:2] == [State.SUBMITTED] * 2
    assert polls(world, runs[:2]) == [1, 1]
    assert provider.fetched == []


def test_what_a_window_does_not_carry_whole_is_asked_for_by_itself(world, provider, submitted):
    runs = submitted(3, by="window")
    provider.windows.append({"job-0": None, "job-1": answer(5, job="job-1"), "job-2": answer(5, job="job-2")})
    provider.polls.append(answer(5, job="job-0"))
    world.deliver_all()
    assert provider.fetched == [["job-0"]]
    assert set(states(world, runs)) == {State.EXPORTED}


def test_one_job_is_asked_for_by_itself(world, provider, submitted):
    submitted(1, by="window")
    turn(world)
    assert (provider.fetched, provider.windows_asked) == ([["job-0"]], [])


def test_a_job_that_windows_never_have_is_asked_for_by_itself_now_and_then_and_before_it_is_given_up(
    world, provider, submitted
):
    runs = submitted(2, by="window")
    world.live(PAID.poll.whole_time.total_seconds() + 20)
    assert provider.fetched[-1] == ["job-0", "job-1"]
    assert {world.ledger.run(run).reason for run in runs} == {Reason.PREDICTION_TIMED_OUT}
    assert len(provider.fetched) < len(provider.windows_asked)
    assert PAID.poll.whole_time < UNLISTED_FOR


@pytest.mark.parametrize("error", [ProviderUnavailable("It broke off."), ValueError("a fault of ours")])
def test_where_a_window_cannot_be_read_jobs_are_asked_for_one_by_one(world, provider, submitted, error):
    runs = submitted(2, by="window")
    provider.windows.append(error)
    provider.polls.extend(answer(5, job=f"job-{number}") for number in range(2))
    world.deliver_all()
    assert provider.fetched == [["job-0", "job-1"]]
    assert set(states(world, runs)) == {State.EXPORTED}


def test_a_job_that_ended_a_worker_is_in_no_window_again(world, provider, submitted):
    submitted(3, by="window")
    provider.windows.append(KeyboardInterrupt())
    provider.listed = lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        turn(world)
    world.app.messages.clear()
    world.clock.pass_(timedelta(seconds=60))
    world.sweep()
    turn(world)
    assert [len(jobs) for jobs in provider.fetched] == [1, 1, 1]


@pytest.mark.parametrize("by", ["file", "window"])
@pytest.mark.parametrize(("asked", "seconds"), [(40.0, 40.0), (None, FIRST_REST.total_seconds())])
def test_a_poll_that_is_too_much_pauses_the_polls_of_its_lane_and_counts_nothing(
    world, provider, submitted, by, asked, seconds
):
    runs = submitted(12, by=by)
    provider.windows.append(RateLimited("Too fast.", asked))
    provider.polls.extend([NotTold(Reason.RATE_LIMITED, "429", asked)] * 8)
    turn(world)
    calls = len(provider.fetched) + len(provider.windows_asked)
    assert calls == 1
    world.deliver_all()
    world.live(seconds - 20)
    assert len(provider.fetched) + len(provider.windows_asked) == calls
    assert (set(polls(world, runs)), set(deliveries(world, runs))) == ({0}, {0})
    provider.windows.append({f"job-{number}": answer(5, job=f"job-{number}") for number in range(12)})
    provider.polls.extend(answer(5, job=f"job-{number}") for number in range(12))
    world.live(60)
    assert set(states(world, runs)) == {State.EXPORTED}


def test_another_group_of_the_lane_rests_as_well(world, provider, submitted):
    submitted(1)
    provider.submits.append(accepted("job-9", 5))
    other = world.drop("paid/other.pdf", make_pdf(5))
    while world.state(other) is not State.SUBMITTED:
        world.deliver()
    asked = len(provider.fetched)
    assert asked > 0  # so the first one's group was closed, and the other one has a group of its own
    provider.polls.append(NotTold(Reason.RATE_LIMITED, "429", 100.0))
    turn(world)
    world.live(60)
    assert len(provider.fetched) == asked + 1


@pytest.mark.parametrize("reason", [Reason.KEY_REFUSED, Reason.QUOTA_USED_UP, Reason.FORBIDDEN])
@pytest.mark.parametrize("by", ["file", "window"])
def test_a_key_that_is_refused_at_a_poll_fails_no_job_and_opens_the_breaker(world, provider, submitted, reason, by):
    runs = submitted(2, by=by)
    provider.windows.extend([PredictionRejected("No.", reason)] * 1000)
    provider.polls.extend([NotTold(reason, "no")] * 1000)
    world.live(PAID.poll.whole_time.total_seconds() + 3 * REFUSED_REST.total_seconds())
    assert set(states(world, runs)) == {State.SUBMITTED}
    assert len(provider.fetched) + len(provider.windows_asked) <= 5
    (known,) = world.ledger.breakers()
    assert known.breaker.reason is reason
    assert world.ledger.stuck_runs(world.clock.now() - timedelta(minutes=2)) == []
    provider.windows.clear()
    provider.polls.clear()
    provider.windows.append({"job-0": answer(5, job="job-0"), "job-1": answer(5, job="job-1")})
    provider.polls.extend([answer(5, job="job-0"), answer(5, job="job-1")])
    world.live(REFUSED_REST.total_seconds() + 30)
    assert set(states(world, runs)) == {State.EXPORTED}


def test_a_provider_that_is_away_longer_than_a_job_may_take_loses_no_job(world, provider, submitted):
    (run,) = submitted(1)
    away = NotTold(Reason.UNREACHABLE, "no connection")
    provider.polls.extend([away] * 10_000)
    world.live(4 * PAID.poll.whole_time.total_seconds())
    assert world.state(run) is State.SUBMITTED
    provider.polls.clear()
    provider.polls.append(answer(5, job="job-0"))
    world.live(30)
    assert world.state(run) is State.EXPORTED
    world.clock.pass_(timedelta(seconds=30))
    # When it was ready nobody knows.
    assert world.ledger.durations(PAID.lane, 5) is None


def test_a_provider_that_is_away_for_more_than_a_day_is_not_waited_for(world, provider, submitted):
    (run,) = submitted(1)
    provider.polls.extend([NotTold(Reason.UNREACHABLE, "no connection")] * 100)
    turn(world)
    world.clock.pass_(PAID.poll.whole_time + UNTOLD_FOR)
    turn(world)
    assert world.ledger.run(run).reason is Reason.PREDICTION_TIMED_OUT


def test_how_long_jobs_take_is_learnt_from_polls_that_came_in_time(world, provider, submitted):
    submitted(4)
    provider.polls.extend(answer(5, job=f"job-{number}") for number in range(4))
    world.live(30)
    known = world.ledger.durations(PAID.lane, 5)
    assert known is not None
    runs = submitted_late(world, provider)
    assert set(states(world, runs)) == {State.EXPORTED}
    world.clock.pass_(timedelta(seconds=30))
    assert world.ledger.durations(PAID.lane, 5) == known


def submitted_late(world, provider):
    """Four jobs that nobody asked for until an hour later."""
    provider.submits.extend(accepted(f"late-{number}", 5) for number in range(4))
    runs = [world.drop(f"paid/late-{number}.pdf", make_pdf(5)) for number in range(4)]
    while not all(world.state(run) is State.SUBMITTED for run in runs):
        world.deliver()
    world.clock.pass_(timedelta(hours=1))
    provider.polls.extend(answer(5, job=f"late-{number}") for number in range(4))
    world.live(60)
    return runs
