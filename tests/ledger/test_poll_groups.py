"""Poll groups: one chain of messages looks after many jobs, and a job is never left without one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from headrace.errors import LedgerError, StaleClaim
from headrace.ledger.poll_groups import MOST_JOBS
from headrace.ledger.records import Advance, PollHint, Postponed, SubmissionChange
from headrace.ledger.schema import poll_groups
from headrace.providers import Job
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState
from tests.ledger.lives import LANE, accepted, admitted, advanced, claimed, events, intended, waiting

OTHER_LANE = Lane("nanonets", "main", "model-2")


def seconds(number):
    return timedelta(seconds=number)


def landed(ledger, turn, job):
    change = SubmissionChange(job.key, SubmissionState.ANSWERED, pages=3, cost=0.3)
    return ledger.land(turn, job, Advance(State.PREDICTED, facts={"pages": 3}), change)


def test_an_accepted_job_makes_its_run_submitted_and_opens_a_group(ledger, clock):
    run_id, _, hint = accepted(ledger, clock)
    assert hint == PollHint(hint.group_id, 0)
    run = ledger.run(run_id)
    assert (run.state, run.due_at, run.lease_until) == (State.SUBMITTED, clock.now() + seconds(5), None)
    (submission,) = ledger.submissions(run_id)
    assert (submission.state, submission.job, submission.accepted_at) == (
        SubmissionState.ACCEPTED,
        "job-a",
        clock.now(),
    )
    assert events(ledger, run_id) == ["received", "waiting", "admitted", "intended", "submitted"]


def test_a_lane_is_busy_since_its_oldest_job_that_is_not_done_was_intended(ledger, clock):
    assert ledger.busy_since(LANE) is None
    oldest = clock.now()
    _, _, hint = accepted(ledger, clock, "a")
    clock.pass_(seconds(60))
    younger = clock.now()
    accepted(ledger, clock, "b")
    accepted(ledger, clock, "c", lane=OTHER_LANE)
    assert (ledger.busy_since(LANE), ledger.busy_since(OTHER_LANE)) == (oldest, younger)
    turn = ledger.take_turn(hint.group_id, 0)
    landed(ledger, turn, *ledger.due_jobs(turn))
    assert ledger.busy_since(LANE) == younger


def test_a_job_that_is_asked_for_again_keeps_its_lane_busy_since_it_was_intended_first(ledger, clock):
    oldest = clock.now()
    run_id, key, hint = accepted(ledger, clock)
    clock.pass_(seconds(5))
    turn = ledger.take_turn(hint.group_id, 0)
    (job,) = ledger.due_jobs(turn)
    change = SubmissionChange(key, SubmissionState.ACCEPTED, job="job-a")
    ledger.land(turn, job, Advance(State.FAILED, Reason.PREDICTION_TIMED_OUT), change)
    assert ledger.busy_since(LANE) is None
    clock.pass_(seconds(3600))
    advanced(ledger, run_id, State.ADMITTED)
    ledger.accept(claimed(ledger, run_id), change, due_at=clock.now() + seconds(5))
    assert ledger.busy_since(LANE) == oldest


def test_a_lane_is_not_busy_with_jobs_that_nobody_waits_for_any_more(ledger, clock):
    run_id, _, hint = accepted(ledger, clock)
    advanced(ledger, run_id, State.FAILED)
    clock.pass_(seconds(5))
    ledger.finish_turn(ledger.take_turn(hint.group_id, 0))
    assert ledger.busy_since(LANE) is None


def test_accepting_needs_the_claim(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    change = SubmissionChange(intended(ledger, claim, clock).key, SubmissionState.ACCEPTED, job="j")
    ledger.hand_back(claim)
    with pytest.raises(StaleClaim):
        ledger.accept(claim, change, due_at=clock.now())


def test_accepting_needs_an_intent(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    key = intended(ledger, claim, clock).key
    change = SubmissionChange(replace(key, n=7), SubmissionState.ACCEPTED, job="j")
    with pytest.raises(LedgerError, match="never noted"):
        ledger.accept(claim, change, due_at=clock.now())


def test_jobs_of_a_lane_share_a_group_while_it_fills(ledger, clock):
    _, _, hint = accepted(ledger, clock, "a")
    clock.pass_(seconds(1.9))
    assert accepted(ledger, clock, "b")[2] is None
    clock.pass_(seconds(0.7))
    assert accepted(ledger, clock, "c")[2] is not None, "half of the time to its first poll is over"
    clock.pass_(seconds(10))
    turn = ledger.take_turn(hint.group_id, 0)
    assert [job.job for job in ledger.due_jobs(turn)] == [Job("job-a", "model-1"), Job("job-b", "model-1")]


def test_each_lane_has_groups_of_its_own(ledger, clock):
    _, _, first = accepted(ledger, clock, "a")
    _, _, second = accepted(ledger, clock, "b", lane=OTHER_LANE)
    assert second is not None
    assert ledger.take_turn(first.group_id, 0).lane == LANE
    assert ledger.take_turn(second.group_id, 0).lane == OTHER_LANE


def test_a_group_takes_a_hundred_jobs(ledger, clock):
    accepted(ledger, clock, "a")
    with ledger._transaction("test") as tx:
        tx.execute(update(poll_groups).values(open_jobs=MOST_JOBS - 1))
    assert accepted(ledger, clock, "b")[2] is None
    assert accepted(ledger, clock, "c")[2] is not None


def test_a_job_that_is_due_sooner_than_a_group_looks_gets_its_own(ledger, clock):
    accepted(ledger, clock, "a", due_in=60)
    assert accepted(ledger, clock, "b", due_in=1)[2] is not None
    assert accepted(ledger, clock, "c", due_in=61)[2] is None


def test_a_chain_of_turns_followed_literally(ledger, clock):
    run_id, key, hint = accepted(ledger, clock, due_in=5)
    clock.pass_(seconds(5))

    turn = ledger.take_turn(hint.group_id, 0)
    assert (turn.generation, turn.deadline) == (1, clock.now() + seconds(45))
    (job,) = ledger.due_jobs(turn)
    assert (job.run.id, job.key, job.polls, job.accepted_at) == (run_id, key, 0, clock.now() - seconds(5))
    ledger.postpone(turn, [Postponed(job, clock.now() + seconds(10))])
    assert ledger.due_jobs(turn) == []
    assert ledger.finish_turn(turn) == clock.now() + seconds(10) == ledger.run(run_id).due_at

    clock.pass_(seconds(10))
    assert ledger.take_turn(hint.group_id, 0) is None, "a stale message ends silently"
    turn = ledger.take_turn(hint.group_id, 1)
    (job,) = ledger.due_jobs(turn)
    assert job.polls == 1
    run = landed(ledger, turn, job)
    assert (run.state, run.pages, run.due_at) == (State.PREDICTED, 3, clock.now() + seconds(5))
    (submission,) = ledger.submissions(run_id)
    assert (submission.state, submission.pages, submission.polls) == (SubmissionState.ANSWERED, 3, 2)
    assert ledger.finish_turn(turn) is None
    assert ledger.take_turn(hint.group_id, 2) is None, "the group has ended"
    assert ledger.wake_groups() == []


def test_a_poll_that_is_begun_counts_until_something_comes_of_it(ledger, clock):
    _, _, hint = accepted(ledger, clock, "a", due_in=0)
    accepted(ledger, clock, "b", due_in=1)
    clock.pass_(seconds(1))
    turn = ledger.take_turn(hint.group_id, 0)
    first, second = ledger.due_jobs(turn)
    ledger.begin_polls(turn, [first])
    assert [(job.job.id, job.deliveries) for job in ledger.due_jobs(turn)] == [("job-b", 0), ("job-a", 1)], "it is last"
    ledger.begin_polls(turn, [first, second])
    assert [job.deliveries for job in ledger.due_jobs(turn)] == [1, 2]
    ledger.postpone(turn, [Postponed(first, clock.now())])
    assert [(job.job.id, job.deliveries) for job in ledger.due_jobs(turn)] == [("job-a", 0), ("job-b", 1)]

    ledger.take_turn(hint.group_id, 1)
    with pytest.raises(StaleClaim, match="turn"):
        ledger.begin_polls(turn, [first])


def test_jobs_are_postponed_together_and_those_that_have_gone_on_are_left_as_they_are(ledger, clock):
    hint = accepted(ledger, clock, "a", due_in=0)[2]
    for name in "bc":
        accepted(ledger, clock, name, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    first, second, third = ledger.due_jobs(turn)
    ledger.begin_polls(turn, [first, second, third])
    landed(ledger, turn, second)
    clock.pass_(seconds(1))
    again, later = clock.now() + seconds(7), clock.now() + seconds(9)
    postponed = [Postponed(third, later, heard=False), Postponed(second, later), Postponed(first, again)]
    assert ledger.postpone(turn, postponed) == [second]
    assert [ledger.run(job.run.id).due_at for job in (first, third)] == [again, later]
    assert ledger.run(second.run.id).state is State.PREDICTED
    assert ledger.finish_turn(turn) == again
    clock.pass_(seconds(9))
    known = ledger.due_jobs(ledger.take_turn(hint.group_id, 1))
    assert [(job.key, job.polls, job.deliveries) for job in known] == [(first.key, 1, 0), (third.key, 0, 0)]
    assert [job.heard_at for job in known] == [clock.now() - seconds(9), third.heard_at]


def test_two_who_postpone_the_same_jobs_at_once_never_wait_for_one_another(ledger, clock, open_ledger):
    hint = accepted(ledger, clock, "0", due_in=0)[2]
    for number in range(1, 6):
        accepted(ledger, clock, f"{number}", due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    postponed = [Postponed(job, clock.now()) for job in ledger.due_jobs(turn)]
    orders = (postponed, postponed[::-1]) * 8
    with ThreadPoolExecutor(2) as pool:
        left = list(pool.map(open_ledger().postpone, [turn] * len(orders), orders))
    assert left == [[]] * len(orders)
    assert {job.polls for job in ledger.due_jobs(turn)} == {len(orders)}


def test_a_refused_job_fails_its_run(ledger, clock):
    run_id, key, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    (job,) = ledger.due_jobs(turn)
    change = SubmissionChange(key, SubmissionState.REJECTED, reason=Reason.PREDICTION_FAILED)
    run = ledger.land(turn, job, Advance(State.FAILED, Reason.PREDICTION_FAILED, "no page could be read"), change)
    assert (run.state, run.reason, run.ended_at) == (State.FAILED, Reason.PREDICTION_FAILED, clock.now())
    assert events(ledger, run_id)[-2:] == ["landed", "failed"]


def test_a_turn_ends_when_the_next_one_begins(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=0)
    first = ledger.take_turn(hint.group_id, 0)
    (job,) = ledger.due_jobs(first)
    assert ledger.heartbeat(first)
    second = ledger.take_turn(hint.group_id, 1)
    assert not ledger.heartbeat(first)
    assert ledger.finish_turn(first) is None
    with pytest.raises(StaleClaim, match="turn"):
        ledger.postpone(first, [Postponed(job, clock.now())])
    with pytest.raises(StaleClaim, match="turn"):
        landed(ledger, first, job)
    assert landed(ledger, second, job).state is State.PREDICTED


def test_a_job_lands_once(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    (job,) = ledger.due_jobs(turn)
    landed(ledger, turn, job)
    with pytest.raises(StaleClaim, match="does not wait"):
        landed(ledger, turn, job)
    assert ledger.postpone(turn, [Postponed(job, clock.now())]) == [job]


def test_of_two_messages_of_one_generation_one_gets_the_turn(ledger, clock, open_ledger):
    _, _, hint = accepted(ledger, clock, due_in=0)
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(lambda other: other.take_turn(hint.group_id, 0), others))
    assert sum(turn is not None for turn in turns) == 1


def test_a_group_whose_message_was_lost_is_revived(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=5)
    clock.pass_(seconds(19))
    assert ledger.wake_groups() == []
    clock.pass_(seconds(1))
    assert ledger.wake_groups() == [PollHint(hint.group_id, 0)]
    assert ledger.wake_groups() == [], "its new message has 15 s too"
    clock.pass_(seconds(15))
    (again,) = ledger.wake_groups()
    assert ledger.take_turn(again.group_id, again.generation).generation == 1
    assert ledger.take_turn(hint.group_id, 0) is None, "the message that was lost comes late"


def test_a_message_that_waits_for_long_in_its_queue_has_its_turn_however_often_the_group_seemed_lost(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=0)
    doubled = []
    for _ in range(5):
        clock.pass_(seconds(15))
        doubled += ledger.wake_groups()
    assert len(doubled) == 5
    turn = ledger.take_turn(hint.group_id, hint.generation)
    assert turn is not None
    assert [ledger.take_turn(one.group_id, one.generation) for one in doubled] == [None] * 5
    assert ledger.heartbeat(turn)


def test_a_group_is_woken_by_one_of_many_sweeps(ledger, clock, open_ledger):
    _, _, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    ledger.postpone(turn, [Postponed(ledger.due_jobs(turn)[0], clock.now() + seconds(60))])
    ledger.finish_turn(turn)
    clock.pass_(seconds(57))
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        woken = [hint for hints in pool.map(lambda other: other.wake_groups(), others) for hint in hints]
    assert woken == [PollHint(hint.group_id, 1, 3.0)]


def test_a_resting_group_whose_sweep_died_before_it_published_is_found_again(ledger, clock):
    accepted(ledger, clock, due_in=300)
    clock.pass_(seconds(295))
    assert len(ledger.wake_groups()) == 1, "this sweep dies now"
    clock.pass_(seconds(19))
    assert ledger.wake_groups() == []
    clock.pass_(seconds(1))
    (again,) = ledger.wake_groups()
    assert len(ledger.due_jobs(ledger.take_turn(again.group_id, again.generation))) == 1


def test_groups_that_rested_through_an_outage_of_all_are_woken_the_most_overdue_first(ledger, clock):
    accepted(ledger, clock, "late", due_in=600)
    accepted(ledger, clock, "soon", due_in=100)
    clock.pass_(timedelta(hours=3))
    (first,) = ledger.wake_groups(limit=1)
    (second,) = ledger.wake_groups(limit=1)
    assert (first.in_seconds, second.in_seconds) == (0.0, 0.0)
    assert [job.job.id for job in ledger.due_jobs(ledger.take_turn(first.group_id, 0))] == ["job-soon"]
    assert [job.job.id for job in ledger.due_jobs(ledger.take_turn(second.group_id, 0))] == ["job-late"]
    assert ledger.wake_groups(limit=0) == []


def test_a_turn_that_was_taken_while_the_group_rests_does_no_harm(ledger, clock):
    """A message that was doubled, and comes when the group has gone to rest."""
    _, _, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    ledger.postpone(turn, [Postponed(ledger.due_jobs(turn)[0], clock.now() + seconds(60))])
    assert ledger.finish_turn(turn) is None
    early = ledger.take_turn(hint.group_id, 1)
    assert ledger.due_jobs(early) == []
    assert ledger.finish_turn(early) is None
    clock.pass_(seconds(55))
    assert ledger.wake_groups() == [PollHint(hint.group_id, 2, 5.0)]


def test_a_worker_that_dies_in_a_turn_of_a_group_that_rested_leaves_it_to_the_sweep(ledger, clock):
    accepted(ledger, clock, due_in=300)
    clock.pass_(seconds(295))
    (woken,) = ledger.wake_groups()
    clock.pass_(seconds(5))
    assert ledger.take_turn(woken.group_id, woken.generation) is not None
    clock.pass_(seconds(15))
    assert ledger.wake_groups() == [PollHint(woken.group_id, 1)]


def test_a_group_whose_worker_died_is_revived_and_its_turn_is_lost(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    clock.pass_(seconds(14))
    assert ledger.heartbeat(turn)
    clock.pass_(seconds(14))
    assert ledger.wake_groups() == [], "its heartbeat is 14 s old"
    clock.pass_(seconds(1))
    (woken,) = ledger.wake_groups()
    assert ledger.heartbeat(turn), "if it lives after all it goes on, until another one has the turn"
    assert ledger.take_turn(woken.group_id, woken.generation) is not None
    assert not ledger.heartbeat(turn)


def test_a_group_in_which_nothing_is_due_rests_and_is_woken_a_little_ahead(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    ledger.postpone(turn, [Postponed(ledger.due_jobs(turn)[0], clock.now() + seconds(60))])
    assert ledger.finish_turn(turn) is None, "no message waits for so long"
    clock.pass_(seconds(48))
    assert ledger.wake_groups() == []
    assert ledger.sweep() == [], "a submitted run is swept through its group only"
    clock.pass_(seconds(7))
    assert ledger.wake_groups() == [PollHint(hint.group_id, 1, 5.0)]
    assert ledger.wake_groups() == [], "it has a message now"
    clock.pass_(seconds(5))
    assert len(ledger.due_jobs(ledger.take_turn(hint.group_id, 1))) == 1


def test_a_job_whose_first_poll_is_far_off_needs_no_message_either(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=300)
    assert hint is None
    assert accepted(ledger, clock, "b", due_in=300)[2] is None
    clock.pass_(seconds(295))
    (woken,) = ledger.wake_groups()
    clock.pass_(seconds(5))
    assert len(ledger.due_jobs(ledger.take_turn(woken.group_id, woken.generation))) == 2


def test_jobs_that_come_due_soon_after_one_another_are_asked_for_together(ledger, clock):
    _, _, hint = accepted(ledger, clock, "0", due_in=10)
    for number in range(1, 5):
        clock.pass_(seconds(1))
        accepted(ledger, clock, f"{number}", due_in=10)
    clock.pass_(seconds(6))
    turn = ledger.take_turn(hint.group_id, 0)
    (job,) = ledger.due_jobs(turn)
    clock.pass_(seconds(90))
    ledger.postpone(turn, [Postponed(job, clock.now() + seconds(20))])
    assert ledger.finish_turn(turn) == clock.now() + seconds(2), "two hundredths of its age"


def test_a_job_that_is_accepted_during_a_turn_has_a_group_of_its_own(ledger, clock):
    _, _, hint = accepted(ledger, clock, "a", due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    assert accepted(ledger, clock, "b", due_in=3)[2] is not None
    landed(ledger, turn, ledger.due_jobs(turn)[0])
    assert ledger.finish_turn(turn) is None


def test_an_empty_group_that_could_still_fill_ends_and_takes_no_more_jobs(ledger, clock):
    _, _, hint = accepted(ledger, clock, "a", due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    landed(ledger, turn, ledger.due_jobs(turn)[0])
    assert ledger.finish_turn(turn) is None
    assert accepted(ledger, clock, "b", due_in=0)[2] is not None


def test_a_join_that_races_the_end_of_a_group_is_never_lost(ledger, clock, open_ledger):
    """Either the group's last turn sees the job, or the job opens a group of its own."""
    joiner = open_ledger()
    for race in range(12):
        _, _, hint = accepted(ledger, clock, f"first-{race}", due_in=0)
        claim = claimed(ledger, admitted(ledger, f"second-{race}"))
        change = SubmissionChange(intended(ledger, claim, clock).key, SubmissionState.ACCEPTED, job="j")
        turn = ledger.take_turn(hint.group_id, 0)
        landed(ledger, turn, ledger.due_jobs(turn)[0])
        barrier = threading.Barrier(2)

        def finish(turn=turn, barrier=barrier):
            barrier.wait(10)
            return ledger.finish_turn(turn)

        def join(claim=claim, change=change, barrier=barrier):
            barrier.wait(10)
            return joiner.accept(claim, change, due_at=clock.now())

        with ThreadPoolExecutor(2) as pool:
            finished, joined = pool.submit(finish), pool.submit(join)
        assert (finished.result() is None) == (joined.result() is not None)
        clock.pass_(seconds(60))


def test_a_submission_under_way_is_handed_out_once_as_it_is(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    first = intended(ledger, claim, clock)
    assert (first.attempt, first.token, first.state) == (1, claim.token, SubmissionState.INTENDED)
    assert (first.run_id, first.lane, first.pages, first.paid) == (claim.run.id, LANE, 5, True)
    assert first.send_before == clock.now() + seconds(120)
    clock.pass_(seconds(15))
    claim = claimed(ledger, claim.run.id)
    second = intended(ledger, claim, clock)
    assert (second.attempt, second.token, second.send_before) == (2, claim.token, clock.now() + seconds(120))
    assert ledger.submissions(claim.run.id) == [second]


@pytest.mark.parametrize("state", [SubmissionState.ANSWERED, SubmissionState.IN_DOUBT, SubmissionState.ACCEPTED])
def test_what_must_not_be_sent_again_is_returned_as_it_is(ledger, clock, state):
    claim = claimed(ledger, admitted(ledger))
    key = intended(ledger, claim, clock).key
    ledger.advance(claim, Advance(State.ADMITTED), SubmissionChange(key, state, job="j"))
    clock.pass_(seconds(1))
    found = intended(ledger, claimed(ledger, claim.run.id), clock)
    assert (found.state, found.attempt, found.job) == (state, 1, "j")


def test_an_intent_needs_the_claim(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    ledger.hand_back(claim)
    with pytest.raises(StaleClaim):
        intended(ledger, claim, clock)


def test_a_waiting_run_has_no_submission(ledger):
    assert ledger.submissions(waiting(ledger)) == []
