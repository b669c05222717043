"""Budgets: reserved by whoever admits, corrected by the answer, given back only where nothing was paid."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from headrace.budgets import Amount, Budget
from headrace.document import SubmissionKey
from headrace.errors import LedgerError
from headrace.ledger.records import Advance, RunFilter, SubmissionChange
from headrace.ledger.schema import runs
from headrace.states import Mark, Mode, Reason, State, SubmissionState
from tests.ledger.lives import FREE_LANE, LANE, SomeRules, accepted, claimed, intended, waiting

DAILY = Budget(name="daily", route="invoices", period="day", pages=12)
MONTHLY = Budget(name="monthly", account=LANE.account, period="month", cost="2")
PRICED = SomeRules(price=0.1, budgets=(DAILY, MONTHLY))
AMPLE = SomeRules(price=0.1)


def used(ledger, budget=DAILY):
    """Pages that are reserved, and that are spent."""
    (found,) = ledger.budgets_used([budget])
    return found.reserved.pages, found.spent.pages


def admitted(ledger, name="a"):
    run_id = waiting(ledger, name)
    assert run_id in {hint.run_id for hint in ledger.admit(PRICED)}
    return run_id


def sent(ledger, clock, name="a"):
    """The claim of a run of 5 pages that is about to be sent, and its request's key."""
    claim = claimed(ledger, admitted(ledger, name))
    return claim, intended(ledger, claim, clock).key


def test_what_is_admitted_is_reserved(ledger):
    run = ledger.run(admitted(ledger))
    assert (run.reserved_pages, run.reserved_cost, run.reserved_on) == (5, 0.5, "2026-11-20")
    assert used(ledger) == (5, 0)
    assert used(ledger, MONTHLY) == (5, 0)


def test_what_a_budget_leaves_no_room_for_waits_and_says_until_when(ledger, clock):
    runs = [waiting(ledger, name) for name in "abc"]
    assert len(ledger.admit(PRICED)) == 2
    (left,) = [run for run in map(ledger.run, runs) if run.state is State.WAITING]
    assert left.reason is Reason.BUDGET
    assert left.waits_until.isoformat() == "2026-11-21T00:00:00+00:00"
    assert "daily (12 pages a day)" in left.detail
    clock.pass_(timedelta(hours=12))
    assert [hint.run_id for hint in ledger.admit(PRICED)] == [left.id]
    assert used(ledger) == (5, 0), "another day has a budget of its own"
    assert used(ledger, MONTHLY) == (15, 0)


def test_a_smaller_document_goes_past_one_that_does_not_fit(ledger):
    admitted(ledger, "a")
    admitted(ledger, "b")
    large, small = waiting(ledger, "c"), waiting(ledger, "d", pages=2)
    assert [hint.run_id for hint in ledger.admit(PRICED)] == [small]
    assert ledger.run(large).state is State.WAITING


def test_of_lanes_that_share_a_budget_the_one_that_waits_longest_goes_first(ledger, clock):
    """However many come anew each day: else those of a lane whose name is the later one would never go."""
    account = Budget(name="account", account=LANE.account, period="day", pages=5)
    kept = waiting(ledger, "kept", LANE._replace(model="z"))
    clock.pass_(timedelta(seconds=1))
    waiting(ledger, "new")
    assert [hint.run_id for hint in ledger.admit(SomeRules(budgets=(account,)))] == [kept]


def test_what_is_larger_than_the_whole_budget_fails(ledger):
    run_id = waiting(ledger, "a", pages=13)
    assert ledger.admit(PRICED) == []
    run = ledger.run(run_id)
    assert (run.state, run.reason) == (State.FAILED, Reason.OVER_BUDGET)
    assert "13 pages" in run.detail
    assert used(ledger) == (0, 0)


def test_money_is_limited_as_well(ledger):
    for name in "abcd":
        waiting(ledger, name)
    assert len(ledger.admit(SomeRules(price=0.5, budgets=(MONTHLY,)))) == 0, "5 pages cost more than all of it"
    for name in "efgh":
        waiting(ledger, name)
    assert len(ledger.admit(SomeRules(price=0.2, budgets=(MONTHLY,)))) == 2


def test_the_answer_says_what_was_spent(ledger, clock):
    claim, key = sent(ledger, clock)
    change = SubmissionChange(key, SubmissionState.ANSWERED, pages=4, cost=0.4)
    ledger.advance(claim, Advance(State.PREDICTED, facts={"marks": (Mark.PARTIAL,)}), change)
    assert used(ledger) == (0, 4)
    assert ledger.budgets_used([MONTHLY])[0].spent == Amount(4, 0.4)
    assert ledger.run(claim.run.id).reserved_on is None


def test_what_was_certainly_not_taken_is_given_back(ledger, clock):
    claim, key = sent(ledger, clock)
    ledger.advance(claim, Advance(State.WAITING, Reason.NOT_SENT), SubmissionChange(key, SubmissionState.REJECTED))
    assert used(ledger) == (0, 0)


def test_what_fails_before_it_is_sent_is_given_back(ledger):
    ledger.advance(claimed(ledger, admitted(ledger)), Advance(State.SUPERSEDED, Reason.OBJECT_REPLACED))
    assert used(ledger) == (0, 0)


def test_doubt_counts_as_spent(ledger, clock):
    claim, key = sent(ledger, clock)
    doubt = SubmissionChange(key, SubmissionState.IN_DOUBT, reason=Reason.TIMED_OUT)
    ledger.advance(claim, Advance(State.WAITING, Reason.IN_DOUBT), doubt)
    assert used(ledger) == (5, 0)


def test_a_job_that_gave_no_answer_counts_as_spent_and_is_not_counted_twice(ledger, clock):
    run_id = waiting(ledger, "a")
    ledger.admit(PRICED)
    claim = claimed(ledger, run_id)
    key = intended(ledger, claim, clock).key
    ledger.advance(
        claim, Advance(State.FAILED, Reason.PREDICTION_TIMED_OUT), SubmissionChange(key, SubmissionState.ACCEPTED, "j")
    )
    assert used(ledger) == (5, 0)
    ledger.retry(RunFilter(), by="test")
    assert [hint.run_id for hint in ledger.admit(PRICED)] == [run_id]
    assert used(ledger) == (5, 0)


@pytest.mark.parametrize("job", ["job-1", None])
def test_what_the_provider_took_and_could_not_read_may_be_on_the_bill(ledger, clock, job):
    claim, key = sent(ledger, clock)
    change = SubmissionChange(key, SubmissionState.REJECTED, job=job, reason=Reason.PREDICTION_FAILED)
    ledger.advance(claim, Advance(State.FAILED, Reason.PREDICTION_FAILED), change)
    assert used(ledger) == (0, 5)


def test_a_raise_lets_more_go_in_its_period_only(ledger, clock):
    for name in "abc":
        waiting(ledger, name)
    ledger.admit(PRICED)
    today = DAILY.period_of(clock.now())
    raised = ledger.raise_budget(DAILY, Amount(5), today, by="ann", why="quarter's end")
    assert (raised.raised, raised.waiting) == (Amount(5), (1, 5))
    assert len(ledger.admit(PRICED)) == 1
    clock.pass_(timedelta(days=1))
    assert ledger.budgets_used([DAILY])[0].raised == Amount(0)
    with pytest.raises(LedgerError, match="over since 2026-11-21 00:00 UTC"):
        ledger.raise_budget(DAILY, Amount(5), today, by="ann", why="she thought about it past midnight")
    assert ledger.budgets_used([DAILY])[0].raised == Amount(0)


def test_the_free_provider_has_no_budget(ledger):
    waiting(ledger, "a", FREE_LANE)
    nothing = Budget(name="none", route="invoices", period="day", pages=0)
    assert len(ledger.admit(SomeRules(budgets=(nothing,)))) == 1


def test_accepted_runs_keep_their_reservation(ledger, clock):
    accepted(ledger, clock, "a")
    assert used(ledger) == (5, 0)


def again(ledger, clock, run_id, n):
    """The run, retried or let go on, admitted and about to be sent under its n-th key; its claim and that key."""
    assert [hint.run_id for hint in ledger.admit(AMPLE)] == [run_id]
    claim = claimed(ledger, run_id)
    key = replace(intent_key(claim), n=n)
    ledger.intend(claim, key, LANE, Mode.ASYNC, pages=5, send_before=clock.now() + timedelta(seconds=120))
    return claim, key


def intent_key(claim):
    return SubmissionKey(claim.run.document.id, claim.run.number, LANE.provider, "all", 1)


def doubted(ledger, clock):
    """A request in doubt, as whoever settles it reads it."""
    claim, key = sent(ledger, clock)
    doubt = SubmissionChange(key, SubmissionState.IN_DOUBT, reason=Reason.TIMED_OUT)
    ledger.advance(claim, Advance(State.WAITING, Reason.IN_DOUBT), doubt)
    return ledger.request(key).submission


def answer(ledger, claim, key, pages=5):
    change = SubmissionChange(key, SubmissionState.ANSWERED, pages=pages, cost=pages / 10)
    return ledger.advance(claim, Advance(State.PREDICTED), change)


def abandon(ledger, doubt, to=State.WAITING, reason=None):
    change = SubmissionChange(doubt.key, SubmissionState.ABANDONED, reason=reason)
    ledger.end_doubt(doubt, change, Advance(to, reason), "by hand")


def test_what_is_sent_again_while_the_first_may_have_been_paid_counts_twice(ledger, clock):
    doubt = doubted(ledger, clock)
    abandon(ledger, doubt)
    assert used(ledger) == (0, 5)
    claim, key = again(ledger, clock, doubt.run_id, n=2)
    assert used(ledger) == (5, 5)
    answer(ledger, claim, key, pages=4)
    assert used(ledger) == (0, 9)


def test_what_turns_out_to_be_taken_after_it_was_abandoned_counts_once(ledger, clock):
    doubt = doubted(ledger, clock)
    abandon(ledger, doubt)
    ledger.admit(AMPLE)
    claim = claimed(ledger, doubt.run_id)
    ledger.accept(claim, SubmissionChange(doubt.key, SubmissionState.ACCEPTED, job="late"), due_at=clock.now())
    answer(ledger, claimed(ledger, doubt.run_id), doubt.key, pages=4)
    assert used(ledger) == (0, 4)


@pytest.mark.parametrize("held", [True, False])
def test_what_was_given_up_in_doubt_counts_once_and_its_retry_beside_it(ledger, clock, held):
    doubt = doubted(ledger, clock)
    if held:
        ledger.hold_doubt(doubt, "The provider cannot be asked.")
        assert used(ledger) == (5, 0)
        doubt = ledger.request(doubt.key).submission
    abandon(ledger, doubt, State.FAILED, Reason.GIVEN_UP)
    assert used(ledger) == (0, 5)
    ledger.retry(RunFilter(), by="test")
    answer(ledger, *again(ledger, clock, doubt.run_id, n=2))
    assert used(ledger) == (0, 10)


def test_what_was_not_there_when_it_was_looked_for_counts_only_once_it_is_sent_again(ledger, clock):
    doubt = doubted(ledger, clock)
    rejected = SubmissionChange(doubt.key, SubmissionState.REJECTED, reason=Reason.NOT_TAKEN)
    ledger.end_doubt(doubt, rejected, Advance(State.WAITING), "absent")
    assert used(ledger) == (0, 0)
    answer(ledger, *again(ledger, clock, doubt.run_id, n=1))
    assert used(ledger) == (0, 5)


@pytest.mark.parametrize("taken", [SubmissionState.ABANDONED, SubmissionState.REJECTED])
def test_a_run_that_comes_back_unsent_counts_what_it_paid_before_no_second_time(ledger, clock, taken):
    """A breaker, a pause or a store may send it back into its queue as often as it is admitted."""
    claim, key = sent(ledger, clock)
    failed = SubmissionChange(key, taken, job="job-1", reason=Reason.PREDICTION_FAILED)
    ledger.advance(claim, Advance(State.FAILED, Reason.PREDICTION_FAILED), failed)
    ledger.retry(RunFilter(), by="test")
    for _ in range(3):
        ledger.admit(AMPLE)
        assert used(ledger) == (5, 5)
        ledger.advance(claimed(ledger, claim.run.id), Advance(State.WAITING, Reason.PROVIDER_FAILING))
        assert used(ledger) == (0, 5)


def test_a_run_that_failed_unpaid_is_reserved_anew_by_its_retry(ledger, clock):
    claim, key = sent(ledger, clock)
    rejected = SubmissionChange(key, SubmissionState.REJECTED, reason=Reason.BAD_REQUEST)
    ledger.advance(claim, Advance(State.FAILED, Reason.BAD_REQUEST), rejected)
    assert used(ledger) == (0, 0)
    ledger.retry(RunFilter(), by="test")
    assert used(ledger) == (0, 0)
    again(ledger, clock, claim.run.id, n=1)
    assert used(ledger) == (5, 0)


def test_what_is_answered_and_exported_once_more_counts_nothing(ledger, clock):
    claim, key = sent(ledger, clock)
    answer(ledger, claim, key)
    ledger.advance(claimed(ledger, claim.run.id), Advance(State.FAILED, Reason.POISON))
    assert ledger.retry(RunFilter(), by="test")[0].state is State.PREDICTED
    assert used(ledger) == (0, 5)


def test_an_answer_counts_on_the_day_on_which_it_was_promised(ledger, clock):
    claim, key = sent(ledger, clock)
    clock.pass_(timedelta(hours=14))
    assert used(ledger) == (0, 0), "of the new day nothing is promised"
    claim = claimed(ledger, claim.run.id)
    answer(ledger, claim, key, pages=7)
    assert used(ledger) == (0, 0)
    assert used(ledger, MONTHLY) == (0, 7)


def test_a_month_begins_anew(ledger, clock):
    answer(ledger, *sent(ledger, clock))
    clock.pass_(timedelta(days=10))
    assert used(ledger, MONTHLY) == (0, 5)
    clock.pass_(timedelta(days=1))
    assert used(ledger, MONTHLY) == (0, 0)


@pytest.mark.parametrize("allowed", [0, 3])
def test_what_was_paid_before_anybody_counted_is_not_kept_from_its_answer(ledger, clock, allowed):
    """As runs of an older version, or those that a rebuild put back: nothing of them is reserved."""
    run_id = waiting(ledger, "a")
    ledger.admit(SomeRules())
    claim = claimed(ledger, run_id)
    key = intended(ledger, claim, clock).key
    gave_up = Advance(State.FAILED, Reason.PREDICTION_TIMED_OUT)
    ledger.advance(claim, gave_up, SubmissionChange(key, SubmissionState.ACCEPTED, "j"))
    with ledger._transaction("forget") as tx:
        tx.execute(update(runs).values(reserved_on=None, reserved_pages=None, reserved_cost=None))
    ledger.retry(RunFilter(), by="test")
    small = Budget(name="small", route="invoices", period="day", pages=allowed)
    assert [hint.run_id for hint in ledger.admit(SomeRules(budgets=(small,)))] == [run_id]


def test_what_a_store_keeps_from_being_sent_promises_nothing_meanwhile(ledger, clock):
    run_id = admitted(ledger)
    ledger.put_off(claimed(ledger, run_id), Reason.SOURCE_REFUSED, "AccessDenied")
    assert used(ledger) == (0, 0)
    clock.pass_(timedelta(days=1))
    assert [hint.run_id for hint in ledger.admit(PRICED)] == [run_id]
    assert used(ledger) == (5, 0), "it counts on the day on which it goes"
