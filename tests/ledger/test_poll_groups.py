"""Poll groups: one chain of messages looks after many jobs, and a job is never left without one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from headrace.errors import LedgerError, StaleClaim
from headrace.ledger.poll_groups import MOST_JOBS
from headrace.ledger.records import Advance, PollHint, SubmissionChange
from headrace.ledger.schema import poll_groups
from headrace.providers import Job
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState
from tests.ledger.lives import LANE, accepted, admitted, claimed, events, intended, waiting

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
    clock.pass_(seconds(0.2))
    assert accepted(ledger, clock, "c")[2] is not None, "two seconds are over"
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
    ledger.postpone(turn, job, clock.now() + seconds(10))
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
    assert ledger.revive_groups() == []


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
    ledger.postpone(turn, first, clock.now())
    assert [(job.job.id, job.deliveries) for job in ledger.due_jobs(turn)] == [("job-a", 0), ("job-b", 1)]

    ledger.take_turn(hint.group_id, 1)
    with pytest.raises(StaleClaim, match="turn"):
        ledger.begin_polls(turn, [first])


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
        ledger.postpone(first, job, clock.now())
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
    with pytest.raises(StaleClaim, match="does not wait"):
        ledger.postpone(turn, job, clock.now())


def test_of_two_messages_of_one_generation_one_gets_the_turn(ledger, clock, open_ledger):
    _, _, hint = accepted(ledger, clock, due_in=0)
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(lambda other: other.take_turn(hint.group_id, 0), others))
    assert sum(turn is not None for turn in turns) == 1


def test_a_group_whose_message_was_lost_is_revived(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=5)
    clock.pass_(seconds(19))
    assert ledger.revive_groups() == []
    clock.pass_(seconds(1))
    assert ledger.revive_groups() == [PollHint(hint.group_id, 1)]
    assert ledger.revive_groups() == [], "its new message has 15 s too"
    assert ledger.take_turn(hint.group_id, 0) is None, "the message that was lost comes late"
    clock.pass_(seconds(15))
    (again,) = ledger.revive_groups()
    assert ledger.take_turn(again.group_id, again.generation).generation == 3


def test_a_group_whose_worker_died_is_revived_and_its_turn_is_lost(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    clock.pass_(seconds(14))
    assert ledger.heartbeat(turn)
    clock.pass_(seconds(14))
    assert ledger.revive_groups() == [], "its heartbeat is 14 s old"
    clock.pass_(seconds(1))
    assert len(ledger.revive_groups()) == 1
    assert not ledger.heartbeat(turn)


def test_a_group_that_sleeps_until_its_next_job_is_left_alone(ledger, clock):
    _, _, hint = accepted(ledger, clock, due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    ledger.postpone(turn, ledger.due_jobs(turn)[0], clock.now() + seconds(60))
    ledger.finish_turn(turn)
    clock.pass_(seconds(70))
    assert ledger.revive_groups() == []
    assert ledger.sweep() == [], "a submitted run is swept through its group only"


def test_a_job_that_joins_during_a_turn_is_in_the_next_one(ledger, clock):
    _, _, hint = accepted(ledger, clock, "a", due_in=0)
    turn = ledger.take_turn(hint.group_id, 0)
    (job,) = ledger.due_jobs(turn)
    assert accepted(ledger, clock, "b", due_in=3)[2] is None
    landed(ledger, turn, job)
    assert ledger.finish_turn(turn) == clock.now() + seconds(3)


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
