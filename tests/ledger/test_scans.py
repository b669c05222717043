"""What a scan asks of the ledger, and what stands still, on both engines."""

from datetime import timedelta

import pytest

from headrace.ledger.records import Advance
from headrace.states import Reason, State
from tests.ledger.lives import (
    LANE,
    MORNING,
    SomeRules,
    accepted,
    admitted,
    advanced,
    claimed,
    document,
    received,
    waiting,
)

QUARTER = timedelta(minutes=15)


def lying(ledger, start="", stop=None, limit=100):
    return ledger.lying("inbox", start, stop, limit)


def test_what_lies_between_two_keys_comes_in_the_order_of_their_bytes(ledger):
    ledger.record([document(name) for name in ("a/1", "a-1", "é", "Z", "b")])
    assert [one.key for one in lying(ledger)] == ["in/Z.pdf", "in/a-1.pdf", "in/a/1.pdf", "in/b.pdf", "in/é.pdf"]
    assert [one.key for one in lying(ledger, "in/a-1.pdf", "in/b.pdf")] == ["in/a-1.pdf", "in/a/1.pdf"]
    assert [one.key for one in lying(ledger, limit=1)] == ["in/Z.pdf"]
    assert ledger.lying("another", "", None, 100) == []


def test_only_the_current_content_of_a_key_lies_there(ledger):
    ledger.record([document("a", etag="1"), document("a", etag="2", last_modified=MORNING + timedelta(seconds=5))])
    assert [one.document_id for one in lying(ledger)] == [document("a", etag="2").id]


def test_what_is_gone_says_since_when_until_it_is_recorded_again(ledger, clock):
    received(ledger)
    (one,) = lying(ledger)
    assert ledger.mark_gone([one]) == 1
    at = clock.now()
    clock.pass_(QUARTER)
    assert ledger.mark_gone([one]) == 0
    assert ledger.gone([one.object_id]) == {one.object_id: at}
    assert lying(ledger)[0].gone_at == at
    assert ledger.known([one.document_id]) == {}
    received(ledger)
    assert ledger.gone([one.object_id]) == {}
    assert ledger.known([one.document_id]) == {one.document_id: MORNING}


def test_what_was_told_of_since_it_was_missed_is_not_marked(ledger):
    received(ledger)
    (one,) = lying(ledger)
    ledger.record([document("a", last_modified=MORNING + timedelta(seconds=9))])
    assert ledger.mark_gone([one]) == 0
    ledger.record([document("a", etag="2", last_modified=MORNING + timedelta(seconds=10))])
    assert ledger.mark_gone([one]) == 0
    assert ledger.gone([one.object_id]) == {}


def test_a_run_that_ends_as_removed_says_that_nothing_lies_there(ledger):
    run = advanced(ledger, received(ledger), State.REMOVED)
    assert set(ledger.gone([run.document.object_id])) == {run.document.object_id}
    (again,) = ledger.record([document()])
    assert (again.new, again.hint) == (True, State.RECEIVED)


def test_passes_are_kept_until_they_are_finished_or_begun_anew(ledger, clock):
    assert ledger.last_pass("scan") is None
    begun = ledger.begin_pass("scan", {"listed": 0})
    clock.pass_(QUARTER)
    assert ledger.save_pass(begun, "in/ü", {"listed": 3})
    kept = ledger.last_pass("scan")
    assert (kept.cursor, kept.facts, kept.started_at) == ("in/ü", {"listed": 3}, begun.started_at)
    assert ledger.save_pass(begun, "", {"listed": 4}, finished=True)
    assert not ledger.save_pass(begun, "in/a", {}), "what was finished stays so"
    assert ledger.last_pass("scan").finished_at == clock.now()
    clock.pass_(QUARTER)
    ledger.begin_pass("scan", {})
    assert not ledger.save_pass(begun, "in/z", {}), "a late writer of an earlier pass says nothing of this one"
    assert ledger.last_pass("scan").cursor == ""


def kinds(ledger, clock, **place):
    return {(one.state, one.reason): one.runs for one in ledger.stuck_runs(clock.now() - QUARTER, **place)}


@pytest.mark.parametrize("state", [State.RECEIVED, State.PREDICTED, State.FAILED])
def test_a_step_that_nobody_takes_is_stuck_after_a_while(ledger, clock, state):
    run_id = received(ledger)
    if state is not State.RECEIVED:
        advanced(ledger, run_id, state)
    clock.pass_(QUARTER - timedelta(seconds=1))
    assert kinds(ledger, clock) == {}
    clock.pass_(timedelta(seconds=2))
    assert kinds(ledger, clock) == {(state, None): 1}
    claimed(ledger, run_id)
    assert kinds(ledger, clock) == {}, "somebody is at it"


def test_what_is_published_and_what_waits_for_its_time_is_not_stuck(ledger, clock):
    done = claimed(ledger, advanced(ledger, received(ledger, "done"), State.EXPORTED).id)
    ledger.published(done)
    run_id = received(ledger, "waits")
    advanced(ledger, run_id, State.WAITING, lane=("local", "local", ""), route="free")
    ledger.admit(SomeRules(1))
    later = Advance(State.WAITING, Reason.RATE_LIMITED, due_at=clock.now() + timedelta(hours=1))
    ledger.advance(claimed(ledger, run_id), later)
    clock.pass_(timedelta(minutes=30))
    assert kinds(ledger, clock) == {}
    clock.pass_(timedelta(hours=1))
    assert kinds(ledger, clock) == {(State.WAITING, Reason.RATE_LIMITED): 1}


def test_runs_that_queue_for_a_lane_are_stuck_only_once_nothing_flies_there(ledger, clock):
    flies = admitted(ledger, "flies")
    waiting(ledger, "queues")
    ledger.admit(SomeRules(1))
    clock.pass_(QUARTER * 2)
    assert kinds(ledger, clock) == {(State.ADMITTED, None): 1}
    advanced(ledger, flies, State.PREDICTED)
    assert kinds(ledger, clock) == {(State.WAITING, None): 1}


def test_a_run_that_came_back_to_a_queue_that_says_why_it_stands_still_is_not_stuck(ledger, clock):
    run_id = admitted(ledger)
    ledger.pause(LANE, by="ann", why="audit")
    ledger.advance(claimed(ledger, run_id), Advance(State.WAITING, Reason.PAUSED, due_at=clock.now()))
    ledger.admit(SomeRules())
    clock.pass_(QUARTER * 2)
    assert kinds(ledger, clock) == {}


def test_a_lane_that_rests_for_an_hour_is_not_stuck_before_that(ledger, clock):
    waiting(ledger)
    ledger.rest(LANE, clock.now() + timedelta(hours=1), Reason.RATE_LIMITED)
    ledger.admit(SomeRules())
    clock.pass_(timedelta(minutes=50))
    assert kinds(ledger, clock) == {}
    clock.pass_(timedelta(minutes=50))
    assert kinds(ledger, clock) == {(State.WAITING, None): 1}


def test_polls_are_stuck_by_their_own_time_however_often_their_group_is_revived(ledger, clock):
    accepted(ledger, clock)
    for _ in range(70):
        clock.pass_(timedelta(seconds=15))
        ledger.wake_groups()
    assert kinds(ledger, clock) == {(State.SUBMITTED, None): 1}
    stuck = ledger.stuck_groups(clock.now() - QUARTER)
    assert (stuck.groups, stuck.jobs) == (1, 1)
    assert stuck.since < clock.now() - QUARTER


def test_what_is_stuck_is_named_longest_first_and_by_place(ledger, clock):
    for name in ("a", "b", "c", "d", "elsewhere/e"):
        received(ledger, name)
        clock.pass_(timedelta(seconds=1))
    clock.pass_(QUARTER)
    (kind,) = ledger.stuck_runs(clock.now() - QUARTER)
    assert (kind.runs, [run.document.key for run in kind.first]) == (5, ["in/a.pdf", "in/b.pdf", "in/c.pdf"])
    assert kinds(ledger, clock, bucket="inbox", prefix="in/elsewhere/") == {(State.RECEIVED, None): 1}
    assert kinds(ledger, clock, bucket="another") == {}
