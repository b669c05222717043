"""Accounts and lanes that are left alone: nothing of them is admitted or sent, but one probe."""

from datetime import timedelta

from headrace.ledger.records import Advance, RunFilter, SubmissionChange
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState
from tests.ledger.lives import LANE, SomeRules, accepted, claimed, waiting

SISTER = Lane(LANE.provider, LANE.account, "model-2")
ELSEWHERE = Lane(LANE.provider, "emea", LANE.model)


def admitted(ledger):
    return [hint.run_id for hint in ledger.admit(SomeRules())]


def fail(ledger, reason=Reason.SERVER_ERROR, times=5, run="x"):
    return [ledger.heard(LANE, run, reason, "It failed.") for _ in range(times)][-1]


def test_failures_in_a_row_stop_the_lane_and_nothing_else(ledger):
    theirs, sister = waiting(ledger, "a"), waiting(ledger, "b", SISTER)
    still = fail(ledger)
    assert still.reason is Reason.PROVIDER_FAILING
    assert admitted(ledger) == [sister]
    run = ledger.run(theirs)
    assert (run.reason, run.waits_until) == (Reason.PROVIDER_FAILING, still.until)


def test_a_refused_key_stops_its_account_and_no_other(ledger):
    runs = [waiting(ledger, name, lane) for name, lane in (("a", LANE), ("b", SISTER), ("c", ELSEWHERE))]
    fail(ledger, Reason.KEY_REFUSED, times=1)
    assert admitted(ledger) == runs[2:]


def test_a_right_that_is_missing_stops_the_model_only(ledger):
    sister = waiting(ledger, "b", SISTER)
    waiting(ledger, "a")
    fail(ledger, Reason.FORBIDDEN, times=1)
    assert admitted(ledger) == [sister]


def test_what_says_nothing_of_the_provider_counts_for_nothing(ledger):
    assert fail(ledger, Reason.BAD_REQUEST, times=9) is None
    assert ledger.breakers() == []


def test_an_answer_begins_the_count_anew_and_forgets_all(ledger):
    fail(ledger, times=4)
    ledger.heard(LANE, "x", None)
    assert ledger.breakers() == []
    assert fail(ledger, times=4) is None


def test_who_was_admitted_before_may_not_be_sent(ledger):
    (run,) = [waiting(ledger)]
    assert admitted(ledger) == [run]
    fail(ledger)
    assert ledger.standstill(LANE, run).reason is Reason.PROVIDER_FAILING


def test_one_run_probes_and_its_answer_lets_all_go(ledger, clock):
    runs = {waiting(ledger, name) for name in "abc"}
    fail(ledger)
    clock.pass_(timedelta(seconds=30))
    (probe,) = admitted(ledger)
    assert ledger.standstill(LANE, probe) is None
    clock.pass_(timedelta(seconds=30))
    assert admitted(ledger) == [], "nobody beside the probe"
    ledger.heard(LANE, probe, None)
    assert set(admitted(ledger)) == runs - {probe}


def test_a_probe_that_fails_makes_all_wait_for_longer(ledger, clock):
    for name in "ab":
        waiting(ledger, name)
    fail(ledger)
    clock.pass_(timedelta(seconds=30))
    (probe,) = admitted(ledger)
    fail(ledger, times=1, run=probe)
    clock.pass_(timedelta(seconds=59))
    assert admitted(ledger) == []
    clock.pass_(timedelta(seconds=1))
    assert len(admitted(ledger)) == 1


def test_documents_that_are_gone_when_they_are_to_probe_cost_their_lane_no_time(ledger, clock):
    runs = {waiting(ledger, name) for name in "abcd"}
    fail(ledger)
    clock.pass_(timedelta(seconds=30))
    for _ in range(3):
        (gone,) = admitted(ledger)
        runs.remove(gone)
        ledger.advance(claimed(ledger, gone), Advance(State.REMOVED, Reason.OBJECT_GONE))
    assert admitted(ledger) == list(runs)


def test_a_probe_that_stands_long_in_the_brokers_queue_goes_however_late(ledger, clock):
    for name in "ab":
        waiting(ledger, name)
    fail(ledger)
    clock.pass_(timedelta(seconds=30))
    (probe,) = admitted(ledger)
    clock.pass_(timedelta(minutes=20))
    assert admitted(ledger) == []
    assert ledger.standstill(LANE, probe) is None
    ledger.heard(LANE, probe, None)
    assert ledger.breakers() == []


def test_a_job_that_is_asked_for_again_is_no_probe_for_nothing_is_sent(ledger, clock):
    taken, key, _ = accepted(ledger, clock, "taken")
    gave_up = Advance(State.FAILED, Reason.PREDICTION_TIMED_OUT)
    ledger.advance(claimed(ledger, taken), gave_up, SubmissionChange(key, SubmissionState.ACCEPTED, "job-taken"))
    fail(ledger)
    ledger.retry(RunFilter(), by="ann")
    clock.pass_(timedelta(seconds=1))
    others = {waiting(ledger, name) for name in "ab"}
    clock.pass_(timedelta(seconds=30))
    first, second = admitted(ledger)
    assert first == taken
    assert second in others
    assert ledger.standstill(LANE, second) is None
    (left,) = others - {second}
    assert ledger.run(left).reason is Reason.PROVIDER_FAILING


def test_what_a_person_pauses_waits_until_a_person_resumes_it(ledger, clock):
    run_id = waiting(ledger)
    account = Lane(LANE.provider, LANE.account, "")
    ledger.pause(account, by="ann", why="the vendor is at work")
    clock.pass_(timedelta(days=2))
    assert admitted(ledger) == []
    run = ledger.run(run_id)
    assert (run.state, run.reason, run.waits_until) == (State.WAITING, Reason.PAUSED, None)
    assert "the vendor is at work (ann)" in run.detail
    assert ledger.resume(account)
    assert admitted(ledger) == [run_id]
    assert not ledger.resume(account)
