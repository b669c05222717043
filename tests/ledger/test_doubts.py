"""Doubt in the ledger: who is looked for when, and that each doubt ends once."""

from datetime import timedelta

import pytest

from headrace.errors import StaleClaim
from headrace.ledger.records import Advance, LookedFor, SubmissionChange
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState
from tests.ledger.lives import FREE_LANE, LANE, SomeRules, admitted, claimed, events, intended, received

ELSEWHERE = Lane("nanonets", "main", "model-2")


def doubted(ledger, clock, name="a", *, lane=LANE, look_in=15.0, parts=("all",)):
    """The key of a request that came into doubt just now; of the last of the parts."""
    claim = claimed(ledger, admitted(ledger, name, lane))
    look_at = clock.now() + timedelta(seconds=look_in)
    keys = [intended(ledger, claim, clock, part=part).key for part in parts]
    for key in keys[:-1]:
        advance = Advance(State.ADMITTED)
        change = SubmissionChange(key, SubmissionState.IN_DOUBT, reason=Reason.TIMED_OUT, look_at=look_at)
        ledger.advance(claim, advance, change)
        claim = claimed(ledger, claim.run.id)
    due_at = clock.now() + timedelta(seconds=1020)
    change = SubmissionChange(keys[-1], SubmissionState.IN_DOUBT, reason=Reason.TIMED_OUT, look_at=look_at)
    ledger.advance(claim, Advance(State.WAITING, Reason.IN_DOUBT, "perhaps", due_at=due_at), change)
    return keys[-1]


def request(ledger, key):
    return ledger.request(key).submission


def run_of(ledger, key):
    return ledger.request(key).run


def taken(key, job="job-1"):
    return SubmissionChange(key, SubmissionState.ACCEPTED, job=job)


def test_a_run_in_doubt_is_left_alone_until_doubt_is_settled(ledger, clock):
    key = doubted(ledger, clock)
    for _ in range(3):
        clock.pass_(timedelta(seconds=600))
        assert ledger.admit(SomeRules(10)) == []
        assert ledger.sweep() == []
    run = run_of(ledger, key)
    assert (run.state, run.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert ledger.claim(run.id, {State.ADMITTED, State.RECEIVED}) is None


def test_a_lane_full_of_others_does_not_make_its_reason_another(ledger, clock):
    key = doubted(ledger, clock)
    clock.pass_(timedelta(seconds=2000))
    ledger.admit(SomeRules(0))
    assert run_of(ledger, key).reason is Reason.IN_DOUBT


def test_it_is_looked_for_when_that_is_due_and_by_lane(ledger, clock):
    first, other = doubted(ledger, clock, "a"), doubted(ledger, clock, "b", lane=ELSEWHERE)
    assert ledger.lanes_in_doubt() == []
    clock.pass_(timedelta(seconds=15))
    later = doubted(ledger, clock, "c")
    assert ledger.lanes_in_doubt() == [LANE, ELSEWHERE]
    (due,) = ledger.due_doubts(LANE)
    assert (due.submission.key, due.run.id) == (first, run_of(ledger, first).id)
    clock.pass_(timedelta(seconds=15))
    assert [due.submission.key for due in ledger.due_doubts(LANE)] == [first, later]
    assert [due.submission.key for due in ledger.due_doubts(LANE, limit=1)] == [first]
    assert [due.submission.key for due in ledger.due_doubts(ELSEWHERE)] == [other]
    assert ledger.due_doubts(FREE_LANE) == []


def test_a_look_is_counted_and_tells_when_the_next_one_is(ledger, clock):
    key = doubted(ledger, clock)
    at, until = clock.now() + timedelta(seconds=60), clock.now() + timedelta(seconds=1020)
    ledger.note_looks([LookedFor(request(ledger, key), at, until, absent_at=clock.now())])
    ledger.note_looks([LookedFor(request(ledger, key), at, until, absent_at=clock.now(), counts=False)])
    now = request(ledger, key)
    assert (now.looks, now.look_at, now.absent_at) == (1, at, clock.now())
    assert run_of(ledger, key).due_at == until


def test_one_doubt_ends_once(ledger, clock):
    key = doubted(ledger, clock)
    seen = request(ledger, key)
    run = ledger.end_doubt(seen, taken(key), Advance(State.ADMITTED), "found")
    assert (run.state, run.reason) == (State.ADMITTED, None)
    rejected = SubmissionChange(key, SubmissionState.REJECTED, reason=Reason.NOT_TAKEN)
    assert ledger.end_doubt(seen, rejected, Advance(State.WAITING), "absent") is None
    assert ledger.hold_doubt(seen, "unknown") is None
    ledger.note_looks([LookedFor(seen, clock.now(), clock.now(), absent_at=None)])
    now = request(ledger, key)
    assert (now.state, now.job, now.look_at, now.looks) == (SubmissionState.ACCEPTED, "job-1", None, 0)
    assert run_of(ledger, key).state is State.ADMITTED


def test_what_was_seen_of_an_earlier_doubt_does_not_end_a_later_one(ledger, clock):
    key = doubted(ledger, clock)
    seen = request(ledger, key)
    rejected = SubmissionChange(key, SubmissionState.REJECTED, reason=Reason.NOT_TAKEN)
    ledger.end_doubt(seen, rejected, Advance(State.WAITING), "absent")
    ledger.admit(SomeRules(10))
    claim = claimed(ledger, seen.run_id)
    intended(ledger, claim, clock)
    again = SubmissionChange(key, SubmissionState.IN_DOUBT, reason=Reason.CONNECTION_CUT, look_at=clock.now())
    ledger.advance(claim, Advance(State.WAITING, Reason.IN_DOUBT), again)
    assert ledger.end_doubt(seen, rejected, Advance(State.WAITING), "absent") is None
    now = request(ledger, key)
    assert (now.state, now.attempt, now.looks, now.absent_at) == (SubmissionState.IN_DOUBT, 2, 0, None)


def test_a_worker_that_held_the_run_before_writes_nothing_more(ledger, clock):
    """The manifest of a held run is being published while a person settles its doubt."""
    key = doubted(ledger, clock)
    ledger.hold_doubt(request(ledger, key), "unknown")
    publishing = claimed(ledger, run_of(ledger, key).id)
    assert ledger.end_doubt(request(ledger, key), taken(key), Advance(State.ADMITTED), "by hand") is not None
    with pytest.raises(StaleClaim):
        ledger.published(publishing)
    assert run_of(ledger, key).state is State.ADMITTED


def test_a_held_run_is_not_looked_for_and_can_still_be_settled(ledger, clock):
    key = doubted(ledger, clock)
    held = ledger.hold_doubt(request(ledger, key), "The provider cannot say.")
    assert (held.state, held.reason, held.detail) == (State.HELD, Reason.IN_DOUBT, "The provider cannot say.")
    clock.pass_(timedelta(days=2))
    assert ledger.lanes_in_doubt() == []
    abandoned = SubmissionChange(key, SubmissionState.ABANDONED, reason=Reason.GIVEN_UP)
    run = ledger.end_doubt(request(ledger, key), abandoned, Advance(State.FAILED, Reason.GIVEN_UP), "left at that")
    assert (run.state, run.reason, run.published) == (State.FAILED, Reason.GIVEN_UP, False)
    assert events(ledger, run.id)[-2:] == ["doubt settled", "failed"]


@pytest.mark.parametrize("held", [False, True])
def test_what_a_person_has_asked_for_again_is_due_at_once_and_older_looks_count_no_more(ledger, clock, held):
    key = doubted(ledger, clock)
    seen, until = request(ledger, key), clock.now() + timedelta(seconds=2000)
    ledger.note_looks([LookedFor(seen, clock.now() + timedelta(seconds=900), until, None, detail="refused")])
    assert run_of(ledger, key).detail == "refused"
    if held:
        ledger.hold_doubt(request(ledger, key), "unknown")
    before = request(ledger, key)
    clock.pass_(timedelta(seconds=60))
    run = ledger.ask_again(seen, until, "ada said so")
    assert (run.state, run.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert (run.due_at, run.published) == (until, False)
    assert [due.submission.key for due in ledger.due_doubts(LANE)] == [key]
    assert (request(ledger, key).looks, request(ledger, key).deliveries) == (0, 0)
    assert ledger.hold_doubt(before, "unknown") is None
    ledger.note_looks([LookedFor(before, clock.now() + timedelta(seconds=900), until, None)])
    assert request(ledger, key).look_at == clock.now()
    ledger.end_doubt(seen, taken(key), Advance(State.ADMITTED), "found")
    assert ledger.ask_again(seen, until, "ada said so") is None


@pytest.mark.parametrize("held", [False, True])
def test_a_worker_that_comes_back_reopens_doubt_once(ledger, clock, held):
    key = doubted(ledger, clock)
    if held:
        ledger.hold_doubt(request(ledger, key), "unknown")
    hint = ledger.reopen_doubt(key)
    assert (hint.state, hint.run_id) == (State.ADMITTED, run_of(ledger, key).id)
    assert (request(ledger, key).state, request(ledger, key).look_at) == (SubmissionState.INTENDED, None)
    assert ledger.reopen_doubt(key) is None


def test_a_run_of_parts_waits_for_the_last_of_them(ledger, clock):
    last = doubted(ledger, clock, parts=("1_2", "3_5"))
    first = next(entry for entry in ledger.submissions(run_of(ledger, last).id) if entry.key != last)
    run = ledger.end_doubt(first, taken(first.key), Advance(State.ADMITTED), "found")
    assert (run.state, run.reason) == (State.WAITING, Reason.IN_DOUBT)
    run = ledger.end_doubt(request(ledger, last), taken(last, "job-2"), Advance(State.ADMITTED), "found")
    assert run.state is State.ADMITTED


def test_a_run_of_parts_is_held_for_the_first_that_nobody_can_tell_of(ledger, clock):
    last = doubted(ledger, clock, parts=("1_2", "3_5"))
    assert ledger.hold_doubt(request(ledger, last), "unknown").state is State.HELD
    first = next(entry for entry in ledger.submissions(run_of(ledger, last).id) if entry.key != last)
    assert ledger.end_doubt(first, taken(first.key), Advance(State.ADMITTED), "found").state is State.HELD


def test_an_alert_is_said_once(ledger, clock):
    key = doubted(ledger, clock)
    for _ in range(2):
        ledger.note_alert(key, "Two jobs.")
    assert events(ledger, run_of(ledger, key).id).count("alert") == 1


def test_an_echo_is_of_an_account_and_stays(open_ledger):
    ledger, other = open_ledger(), open_ledger()
    assert not ledger.is_echoed(LANE)
    for _ in range(2):
        ledger.note_echo(LANE)
        other.note_echo(ELSEWHERE)
    assert other.is_echoed(LANE)
    assert not other.is_echoed(Lane("nanonets", "second", "model-1"))


def test_a_request_that_nobody_knows_is_none(ledger, clock):
    key = doubted(ledger, clock)
    received(ledger, "b")
    assert ledger.request(key.__class__(key.document, 9, key.provider, key.part, key.n)) is None


def test_looks_that_end_without_a_word_are_counted_until_one_tells_what_came_of_it(ledger, clock):
    first, second = doubted(ledger, clock, "a"), doubted(ledger, clock, "b")
    clock.pass_(timedelta(seconds=20))
    for _ in range(2):
        ledger.begin_looks([request(ledger, first)])
    assert [due.submission.key for due in ledger.due_doubts(LANE)] == [first, second], "the most overdue comes first"
    assert request(ledger, first).deliveries == 2
    ledger.note_looks([LookedFor(request(ledger, first), clock.now(), clock.now(), None)])
    assert request(ledger, first).deliveries == 0
    ledger.begin_looks([request(ledger, first)])
    ledger.end_doubt(request(ledger, first), taken(first), Advance(State.ADMITTED), "found")
    assert request(ledger, first).deliveries == 0
