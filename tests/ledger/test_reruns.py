"""Runs that people start: reprocessing from the beginning, retrying what failed."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from headrace.errors import LedgerError, StaleClaim
from headrace.faults import set_fault_handler
from headrace.ledger.records import Advance, RunFilter, SubmissionChange
from headrace.states import Reason, State, SubmissionState
from tests.ledger.lives import (
    ROUTED,
    SomeRules,
    accepted,
    admitted,
    advanced,
    claimed,
    document,
    events,
    exported,
    intended,
    received,
    waiting,
)

ALL = RunFilter()


def _failed(ledger, run_id, reason=Reason.BAD_REQUEST):
    ledger.advance(claimed(ledger, run_id), Advance(State.FAILED, reason, "refused"))
    return run_id


def test_reprocessing_begins_the_next_run(ledger, clock):
    run_id = exported(ledger, received(ledger))
    batch = ledger.start_batch("reprocess", "ann", "s3://inbox/in/a.pdf")
    (again,) = ledger.reprocess([document().id], batch=batch, by="ann")
    assert (again.new, again.hint) == (True, State.RECEIVED)
    run = ledger.run(again.run_id)
    assert (run.number, run.state, run.batch, run.route, run.token) == (2, State.RECEIVED, batch, None, 0)
    assert ledger.latest_run(document().id) == run
    assert ledger.run(run_id).state is State.EXPORTED
    assert f"batch {batch}" in ledger.history(document().id)[-1].detail


def test_a_document_under_way_is_not_reprocessed(ledger):
    run_id = received(ledger)
    (left,) = ledger.reprocess([document().id], by="ann")
    assert (left.run_id, left.new, left.hint) == (run_id, False, None)


def test_an_unknown_document_cannot_be_reprocessed(ledger):
    with pytest.raises(LedgerError, match="ingest"):
        ledger.reprocess(["nothing"], by="ann")


def test_reprocessing_at_once_begins_one_run(ledger, open_ledger):
    names = [f"{number}" for number in range(10)]
    for name in names:
        exported(ledger, received(ledger, name))
    ids = [document(name).id for name in names]
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda other: other.reprocess(ids, by="ann"), others))
    assert sum(one.new for result in results for one in result) == 10


@pytest.mark.parametrize("first", ["record", "reprocess"])
def test_a_document_reprocessed_while_it_is_told_of_again_gets_one_run(ledger, open_ledger, first):
    """Both number the next run: a content that was superseded and lies there again is read after all."""
    back, between = document(etag="A"), document(etag="B")
    advanced(ledger, ledger.record([back])[0].run_id, State.SUPERSEDED)
    ledger.record([between])
    other = open_ledger()
    calls = {"record": lambda of: of.record([back]), "reprocess": lambda of: of.reprocess([back.id], by="ann")}
    (second,) = set(calls) - {first}
    begun = []

    def begin_the_second(point):
        if point == f"ledger.{first}.before_commit":
            set_fault_handler(None)
            begun.append(pool.submit(calls[second], other))
            wait(begun, timeout=0.3)  # it waits for this transaction, so it is not done

    with ThreadPoolExecutor(1) as pool:
        set_fault_handler(begin_the_second)
        try:
            (one,) = calls[first](ledger)
        finally:
            set_fault_handler(None)
        (other_one,) = begun[0].result()
    assert (one.new, other_one.new) == (True, False)
    assert [run.number for run in ledger.runs(RunFilter(document=back.id, latest=False), 10)] == [2, 1]


def test_a_failed_run_that_was_never_routed_is_routed_again(ledger, clock):
    run_id = received(ledger)
    ledger.advance(claimed(ledger, run_id), Advance(State.FAILED, Reason.NO_ROUTE))
    (hint,) = ledger.retry(ALL, by="ann")
    assert (hint.run_id, hint.state, hint.provider) == (run_id, State.RECEIVED, None)
    run = ledger.run(run_id)
    assert (run.state, run.reason, run.detail, run.ended_at, run.published) == (State.RECEIVED, None, "", None, False)
    assert events(ledger, run_id) == ["received", "failed", "retried"]


def test_a_run_that_a_limit_refused_is_routed_again_though_its_pages_are_known(ledger):
    run_id = received(ledger)
    facts = {name: fact for name, fact in ROUTED.items() if name != "mode"}
    ledger.advance(claimed(ledger, run_id), Advance(State.FAILED, Reason.TOO_LONG, facts=facts))
    assert ledger.retry(ALL, by="ann")[0].state is State.RECEIVED


def test_a_failed_run_that_was_routed_waits_again_and_counts_from_0(ledger, clock):
    run_id = admitted(ledger)
    ledger.advance(claimed(ledger, run_id), Advance(State.FAILED, Reason.RATE_LIMITED, facts={"attempts": 10}))
    (hint,) = ledger.retry(ALL, by="ann", batch="b1")
    assert (hint.state, hint.provider) == (State.WAITING, "nanonets")
    run = ledger.run(run_id)
    assert (run.attempts, run.deliveries, run.due_at, run.batch) == (0, 0, clock.now(), "b1")


def test_a_rejected_submission_is_sent_again_under_its_key(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    key = intended(ledger, claim, clock).key
    change = SubmissionChange(key, SubmissionState.REJECTED, reason=Reason.QUOTA_USED_UP)
    ledger.advance(claim, Advance(State.FAILED, Reason.QUOTA_USED_UP), change)
    ledger.retry(ALL, by="ann")
    ledger.admit(SomeRules(1))
    again = intended(ledger, claimed(ledger, claim.run.id), clock)
    assert (again.key, again.attempt, again.state) == (key, 2, SubmissionState.INTENDED)


def test_a_run_whose_answer_is_there_is_exported_again(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    change = SubmissionChange(intended(ledger, claim, clock).key, SubmissionState.ANSWERED)
    ledger.advance(claim, Advance(State.PREDICTED), change)
    _failed(ledger, claim.run.id, Reason.POISON)
    assert ledger.retry(ALL, by="ann")[0].state is State.PREDICTED


@pytest.mark.parametrize(("parts", "state"), [(["1_3"], State.WAITING), (["1_3", "4_5"], State.PREDICTED)])
def test_a_run_is_exported_again_only_if_every_page_is_answered(ledger, clock, parts, state):
    run_id = admitted(ledger)
    for part in parts:
        claim = claimed(ledger, run_id)
        change = SubmissionChange(intended(ledger, claim, clock, part=part).key, SubmissionState.ANSWERED)
        ledger.advance(claim, Advance(State.ADMITTED), change)
    _failed(ledger, run_id)
    assert ledger.retry(ALL, by="ann")[0].state is state


def test_only_the_latest_run_of_a_document_is_retried(ledger):
    _failed(ledger, received(ledger))
    exported(ledger, ledger.reprocess([document().id], by="ann")[0].run_id)
    assert ledger.retry(RunFilter(latest=False), by="ann") == []


@pytest.mark.parametrize("state", sorted({*State} - {State.FAILED, State.WAITING}))
def test_what_has_not_failed_is_not_retried(ledger, state):
    run_id = received(ledger)
    advanced(ledger, run_id, state)
    assert ledger.retry(ALL, by="ann") == []
    assert ledger.retry(RunFilter(state=state), by="ann") == []


def test_a_retry_takes_what_matches_and_no_more_than_its_limit(ledger, clock):
    for name in "abc":
        _failed(ledger, received(ledger, name), Reason.KEY_REFUSED)
    _failed(ledger, received(ledger, "d"), Reason.FORBIDDEN)
    assert len(ledger.retry(RunFilter(reason=Reason.KEY_REFUSED), by="ann", limit=2)) == 2
    assert len(ledger.retry(RunFilter(reason=Reason.KEY_REFUSED), by="ann")) == 1
    assert len(ledger.retry(RunFilter(prefix="in/x"), by="ann")) == 0
    assert len(ledger.retry(RunFilter(prefix="in/d"), by="ann")) == 1


def test_a_manifest_under_way_does_not_end_a_run_that_was_retried(ledger):
    run_id = _failed(ledger, received(ledger))
    publishing = claimed(ledger, run_id)
    ledger.retry(ALL, by="ann")
    with pytest.raises(StaleClaim):
        ledger.published(publishing)
    assert claimed(ledger, run_id).run.state is State.RECEIVED


def test_a_job_that_was_given_up_waiting_for_is_taken_up_again_by_a_retry(ledger, clock):
    run_id, key, hint = accepted(ledger, clock)
    clock.pass_(timedelta(seconds=5))
    turn = ledger.take_turn(hint.group_id, hint.generation)
    (job,) = ledger.due_jobs(turn)
    given_up = Advance(State.FAILED, Reason.PREDICTION_TIMED_OUT)
    ledger.land(turn, job, given_up, SubmissionChange(key, SubmissionState.ACCEPTED, job=job.job.id))
    assert ledger.finish_turn(turn) is None
    ledger.retry(ALL, by="ann")
    ledger.admit(SomeRules(1))
    claim = claimed(ledger, run_id)
    (known,) = ledger.submissions(run_id)
    assert (known.state, known.job) == (SubmissionState.ACCEPTED, "job-a")
    new = ledger.accept(claim, SubmissionChange(key, SubmissionState.ACCEPTED, job=known.job), due_at=clock.now())
    assert new is not None
    assert new.group_id != hint.group_id
    (job,) = ledger.due_jobs(ledger.take_turn(new.group_id, new.generation))
    assert job.polls == 0


def test_waiting_runs_are_left_alone(ledger):
    waiting(ledger)
    assert ledger.retry(ALL, by="ann") == []
