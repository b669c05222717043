"""Claims: one worker at a time, and no late writes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from headrace.errors import LedgerError, StaleClaim
from headrace.ledger.records import Advance, SubmissionChange
from headrace.routing import Lane
from headrace.states import Mark, Mode, Reason, State, SubmissionState
from tests.ledger.lives import (
    FREE_LANE,
    LANE,
    ROUTED,
    SomeRules,
    admitted,
    advanced,
    claimed,
    events,
    exported,
    intended,
    received,
)

LEASE = timedelta(seconds=15)


def test_a_claim_gives_the_run_a_lease_and_a_new_token(ledger, clock):
    run_id = received(ledger)
    claim = ledger.claim(run_id, {State.RECEIVED})
    assert claim.token == claim.run.token == 1
    assert claim.lease_until == claim.run.due_at == clock.now() + LEASE
    assert ledger.run(run_id) == claim.run


def test_a_run_is_claimed_by_one_at_a_time(ledger):
    run_id = received(ledger)
    claimed(ledger, run_id)
    assert ledger.claim(run_id, {State.RECEIVED}) is None


def test_a_run_in_another_state_is_not_claimed(ledger):
    assert ledger.claim(received(ledger), {State.ADMITTED, State.PREDICTED}) is None


def test_an_unknown_run_is_not_claimed(ledger):
    assert ledger.claim("nothing-1", set(State)) is None


def test_of_many_claimers_at_once_one_wins(ledger, open_ledger):
    run_id = received(ledger)
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(len(others)) as pool:
        claims = list(pool.map(lambda other: other.claim(run_id, {State.RECEIVED}), others))
    assert sum(claim is not None for claim in claims) == 1


def test_a_lease_that_ran_out_lets_another_worker_in_and_the_first_one_is_refused(ledger, clock):
    run_id = received(ledger)
    first = claimed(ledger, run_id)
    clock.pass_(LEASE)
    second = claimed(ledger, run_id)
    for late in (
        lambda: ledger.renew(first),
        lambda: ledger.advance(first, Advance(State.FAILED)),
        lambda: ledger.hand_back(first),
        lambda: ledger.published(first),
    ):
        with pytest.raises(StaleClaim, match="no longer ours"):
            late()
    assert ledger.advance(second, Advance(State.HELD)).state is State.HELD


def test_a_renewed_lease_keeps_others_out(ledger, clock):
    run_id = received(ledger)
    claim = claimed(ledger, run_id)
    for _ in range(4):
        clock.pass_(timedelta(seconds=10))
        claim = ledger.renew(claim)
    assert claim.lease_until == clock.now() + LEASE
    assert ledger.claim(run_id, {State.RECEIVED}) is None
    assert ledger.run(run_id).due_at == claim.lease_until


def test_a_lease_that_ran_out_unnoticed_still_holds(ledger, clock):
    claim = claimed(ledger, received(ledger))
    clock.pass_(LEASE * 4)
    assert ledger.advance(ledger.renew(claim), Advance(State.FAILED)).state is State.FAILED


def test_advancing_sets_state_facts_and_when_to_look_again(ledger, clock):
    claim = claimed(ledger, received(ledger))
    clock.pass_(timedelta(seconds=2))
    facts = {**ROUTED, "marks": (Mark.PARTIAL, Mark.NEEDS_REVIEW), "cost": 0.5, "attempts": 3}
    run = ledger.advance(claim, Advance(State.PREDICTED, Reason.RATE_LIMITED, "five pages", facts=facts))
    assert (run.state, run.reason, run.detail) == (State.PREDICTED, Reason.RATE_LIMITED, "five pages")
    assert (run.lane, run.mode, run.pages, run.cost, run.attempts) == (LANE, Mode.ASYNC, 5, 0.5, 3)
    assert run.marks == (Mark.PARTIAL, Mark.NEEDS_REVIEW)
    assert (run.deliveries, run.lease_until, run.published, run.ended_at) == (0, None, False, None)
    assert run.due_at == clock.now() + timedelta(seconds=5)
    (entry,) = [entry for entry in ledger.history(run.document.id) if entry.event == "predicted"]
    assert (entry.step, entry.state, entry.reason, entry.seconds) == (
        "route",
        State.PREDICTED,
        Reason.RATE_LIMITED,
        2.0,
    )


def test_a_run_is_told_when_it_is_due(ledger, clock):
    later = clock.now() + timedelta(minutes=3)
    run = ledger.advance(claimed(ledger, received(ledger)), Advance(State.WAITING, due_at=later, facts=ROUTED))
    assert run.due_at == later


def test_a_waiting_run_is_due_at_once(ledger, clock):
    run = advanced(ledger, received(ledger), State.WAITING, **ROUTED)
    assert run.due_at == clock.now()


def test_a_run_without_a_lane_cannot_wait(ledger):
    with pytest.raises(LedgerError, match="has no lane"):
        advanced(ledger, received(ledger), State.WAITING)


def test_an_unknown_fact_is_a_mistake(ledger):
    with pytest.raises(TypeError, match="no fact pagse"):
        advanced(ledger, received(ledger), State.FAILED, pagse=3)


def test_a_claim_is_used_up_by_an_advance_to_the_same_state(ledger):
    claim = claimed(ledger, admitted(ledger))
    ledger.advance(claim, Advance(State.ADMITTED))
    with pytest.raises(StaleClaim):
        ledger.advance(claim, Advance(State.ADMITTED))
    assert claimed(ledger, claim.run.id).run.deliveries == 1


def test_a_run_advances_together_with_its_submission_or_not_at_all(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    key = intended(ledger, claim, clock).key
    never = SubmissionChange(replace(key, n=2), SubmissionState.ANSWERED)
    with pytest.raises(LedgerError, match="never noted"):
        ledger.advance(claim, Advance(State.PREDICTED), never)
    assert ledger.run(claim.run.id).state is State.ADMITTED
    change = SubmissionChange(key, SubmissionState.ANSWERED, job="j", pages=4, cost=0.2)
    assert ledger.advance(claim, Advance(State.PREDICTED), change).state is State.PREDICTED
    (submission,) = ledger.submissions(claim.run.id)
    assert (submission.state, submission.job, submission.pages, submission.cost) == (
        SubmissionState.ANSWERED, "j", 4, 0.2,
    )  # fmt: skip


def test_text_from_outside_that_postgres_cannot_keep_is_mended(ledger):
    run = ledger.advance(claimed(ledger, received(ledger)), Advance(State.FAILED, detail="a\0b\ud800c" + "x" * 5000))
    assert run.detail.startswith("a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}cx")
    assert len(run.detail) == 2000


def test_a_run_handed_back_is_as_it_was_and_its_delivery_not_counted(ledger, clock):
    run_id = received(ledger)
    for _ in range(20):
        claim = claimed(ledger, run_id)
        ledger.hand_back(claim, detail="the store is down")
    run = ledger.run(run_id)
    assert (run.state, run.deliveries, run.lease_until, run.due_at) == (State.RECEIVED, 0, None, clock.now())
    later = clock.now() + timedelta(seconds=30)
    ledger.hand_back(claimed(ledger, run_id), due_at=later)
    assert ledger.run(run_id).due_at == later
    assert events(ledger, run_id) == ["received", "handed back"], "what is said again tells nothing new"


def test_an_ended_run_is_claimed_until_its_manifest_is_out(ledger, clock):
    run_id = received(ledger)
    run = advanced(ledger, run_id, State.FAILED)
    assert run.ended_at == clock.now()
    assert not run.published
    ledger.published(claimed(ledger, run_id))
    run = ledger.run(run_id)
    assert (run.published, run.due_at, run.lease_until) == (True, None, None)
    assert ledger.claim(run_id, {State.FAILED}) is None
    assert events(ledger, run_id) == ["received", "failed", "published"]


def test_a_manifest_published_on_the_way_needs_no_further_step(ledger):
    claim = claimed(ledger, received(ledger))
    run = ledger.advance(claim, Advance(State.EXPORTED, published=True))
    assert (run.published, run.due_at) == (True, None)
    assert ledger.claim(run.id, {State.EXPORTED}) is None


def _crash(ledger, clock, run_id, times=5):
    for _ in range(times):
        claimed(ledger, run_id)
        clock.pass_(LEASE)


def test_the_fifth_delivery_without_a_word_fails_the_run_as_poison(ledger, clock):
    run_id = received(ledger)
    _crash(ledger, clock, run_id)
    assert ledger.claim(run_id, {State.RECEIVED}) is None
    run = ledger.run(run_id)
    assert (run.state, run.reason, run.due_at, run.published) == (State.FAILED, Reason.POISON, clock.now(), False)
    assert "begun 5 times" in run.detail
    assert events(ledger, run_id) == ["received", "failed"]
    assert ledger.claim(run_id, {State.FAILED}) is not None


def test_deliveries_are_counted_from_0_after_each_advance(ledger, clock):
    run_id = received(ledger)
    _crash(ledger, clock, run_id, times=4)
    advanced(ledger, run_id, State.WAITING, **ROUTED)
    ledger.admit(SomeRules(1))
    _crash(ledger, clock, run_id, times=4)
    assert ledger.claim(run_id, {State.ADMITTED}) is not None


def test_poison_with_a_paid_request_that_may_be_out_waits_in_doubt_and_is_looked_for_at_once(ledger, clock):
    run_id = admitted(ledger)
    intended(ledger, claimed(ledger, run_id), clock)
    clock.pass_(LEASE)
    _crash(ledger, clock, run_id, times=4)
    assert ledger.claim(run_id, {State.ADMITTED}) is None
    run = ledger.run(run_id)
    (submission,) = ledger.submissions(run_id)
    assert (run.state, run.reason, run.due_at) == (State.WAITING, Reason.IN_DOUBT, submission.send_before)
    assert (submission.state, submission.reason) == (SubmissionState.IN_DOUBT, Reason.WORKER_DIED)
    assert [due.run.id for due in ledger.due_doubts(run.lane)] == [run_id]


def test_poison_of_a_free_provider_is_no_doubt(ledger, clock):
    run_id = admitted(ledger, lane=FREE_LANE)
    intended(ledger, claimed(ledger, run_id), clock, paid=False)
    clock.pass_(LEASE)
    _crash(ledger, clock, run_id, times=4)
    assert ledger.claim(run_id, {State.ADMITTED}) is None
    assert ledger.run(run_id).reason is Reason.POISON


def test_poison_after_a_certain_refusal_is_no_doubt(ledger, clock):
    claim = claimed(ledger, admitted(ledger))
    change = SubmissionChange(intended(ledger, claim, clock).key, SubmissionState.REJECTED, reason=Reason.NOT_SENT)
    ledger.advance(claim, Advance(State.ADMITTED), change)
    _crash(ledger, clock, claim.run.id)
    assert ledger.claim(claim.run.id, {State.ADMITTED}) is None
    assert ledger.run(claim.run.id).reason is Reason.POISON


def test_a_manifest_that_kills_its_worker_is_tried_for_ever_but_ever_more_rarely(ledger, clock):
    run_id = received(ledger)
    advanced(ledger, run_id, State.REMOVED)
    pauses = []
    for _ in range(14):
        claim = ledger.claim(run_id, {State.REMOVED})
        assert claim is not None
        pauses.append((claim.run.due_at - clock.now()).total_seconds())
        clock.pass_(claim.run.due_at - clock.now())
    assert pauses == [15, 15, 15, 15, 15, 30, 60, 120, 240, 480, 600, 600, 600, 600]
    assert ledger.run(run_id).state is State.REMOVED


def test_a_published_run_is_not_due(ledger, clock):
    run_id = exported(ledger, received(ledger))
    clock.pass_(timedelta(days=1))
    assert ledger.sweep() == []
    assert ledger.run(run_id).published


def test_a_lane_may_have_no_model(ledger):
    assert ledger.run(admitted(ledger, lane=Lane("local", "local", ""))).lane == Lane("local", "local", "")
