"""The dispatcher: as many of each lane as it has room for, the oldest first."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import insert, select, update

from headrace.dispatching import LaneRules
from headrace.ledger.records import Advance, Hint, RunFilter, SubmissionChange
from headrace.ledger.schema import queues, runs
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState
from tests.ledger.lives import (
    FREE_LANE,
    LANE,
    ROUTED,
    SomeRules,
    accepted,
    advanced,
    claimed,
    events,
    intended,
    received,
    waiting,
)


def _ids(hints):
    return [hint.run_id for hint in hints]


def test_the_oldest_waiting_runs_are_admitted(ledger, clock):
    old = []
    for name in "abc":
        old.append(waiting(ledger, name))
        clock.pass_(timedelta(seconds=1))
    assert ledger.admit(SomeRules(2)) == [Hint(run_id, State.ADMITTED, "nanonets") for run_id in old[:2]]
    run = ledger.run(old[0])
    assert (run.state, run.due_at, run.reason) == (State.ADMITTED, clock.now() + timedelta(seconds=5), None)
    assert events(ledger, old[0]) == ["received", "waiting", "admitted"]


def test_what_does_not_fit_stays_due_and_says_why(ledger, clock):
    first, second = waiting(ledger, "a"), waiting(ledger, "b")
    ledger.admit(SomeRules(1))
    left = {ledger.run(first).state: first, ledger.run(second).state: second}[State.WAITING]
    run = ledger.run(left)
    assert (run.reason, run.due_at, run.attempts) == (Reason.IN_FLIGHT, clock.now(), 0)
    assert ledger.admit(SomeRules(1)) == []
    other = first if left == second else second
    ledger.advance(claimed(ledger, other), Advance(State.PREDICTED))
    assert _ids(ledger.admit(SomeRules(1))) == [left], "as soon as there is room"
    assert ledger.run(left).reason is None


def test_submitted_runs_take_room_too(ledger, clock):
    accepted(ledger, clock, "a")
    waiting(ledger, "b")
    assert ledger.admit(SomeRules(1)) == []
    assert len(ledger.admit(SomeRules(2))) == 1


def test_a_run_that_is_put_off_is_not_admitted_before_its_time(ledger, clock):
    run_id = received(ledger)
    due_at = clock.now() + timedelta(seconds=30)
    ledger.advance(claimed(ledger, run_id), Advance(State.WAITING, Reason.RATE_LIMITED, due_at=due_at, facts=ROUTED))
    assert ledger.admit(SomeRules(1)) == []
    assert ledger.run(run_id).reason is Reason.RATE_LIMITED
    clock.pass_(timedelta(seconds=30))
    assert _ids(ledger.admit(SomeRules(1))) == [run_id]


def test_one_lane_never_blocks_another(ledger):
    for name in "abcd":
        waiting(ledger, name)
    free = waiting(ledger, "e", FREE_LANE)
    hints = ledger.admit(SomeRules(by_lane={LANE: LaneRules(0)}), lambda _lane: 2)
    assert hints == [Hint(free, State.ADMITTED, "local")]


def test_at_most_so_many_of_a_lane_are_admitted_at_once(ledger):
    for name in "abcd":
        waiting(ledger, name)
    assert len(ledger.admit(SomeRules(100), lambda _lane: 3)) == 3
    assert len(ledger.admit(SomeRules(100), lambda _lane: 3)) == 1


def test_a_lower_limit_than_what_is_in_flight_admits_nothing(ledger):
    for name in "abc":
        waiting(ledger, name)
    ledger.admit(SomeRules(2))
    assert ledger.admit(SomeRules(1)) == []


def test_a_large_lane_that_is_full_is_counted_every_two_seconds_however_often_it_is_looked_at(ledger, clock):
    _put_in_flight(ledger, waiting(ledger, "a"), 1001)
    left = waiting(ledger, "b")
    assert ledger.admit(SomeRules(1001)) == []
    with ledger._transaction("test") as tx:
        tx.execute(update(runs).where(runs.c.state == State.SUBMITTED).values(state=State.PREDICTED))
    clock.pass_(timedelta(seconds=1))
    assert ledger.admit(SomeRules(1001)) == []
    assert ledger.run(left).reason is Reason.IN_FLIGHT
    clock.pass_(timedelta(seconds=1))
    assert _ids(ledger.admit(SomeRules(1001))) == [left]


def _put_in_flight(ledger, run_id, how_many):
    """Let this run be in flight, and so many less one beside it."""
    with ledger._transaction("test") as tx:
        tx.execute(update(runs).where(runs.c.id == run_id).values(state=State.SUBMITTED))
        known = dict(tx.execute(select(runs).where(runs.c.id == run_id)).one()._mapping)
        tx.execute(insert(runs), [known | {"id": f"{number}", "number": number} for number in range(2, how_many + 1)])


def test_two_dispatchers_at_once_do_not_admit_too_many(ledger, open_ledger):
    lanes = [LANE, Lane("nanonets", "main", "model-2")]
    for number in range(12):
        waiting(ledger, f"{number}", lanes[number % 2])
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        admitted = [hint for hints in pool.map(lambda other: other.admit(SomeRules(3)), others) for hint in hints]
    assert len(set(_ids(admitted))) == len(admitted) == 6


def test_no_more_pages_are_admitted_than_the_rate_takes_in_a_few_seconds(ledger, clock):
    for number in range(9):
        waiting(ledger, f"{number}")
    # 200 pages a minute are ten in three seconds: two documents of five.
    slow = SomeRules(pages_per_minute=200)
    first = _ids(ledger.admit(slow))
    assert len(first) == 2
    assert ledger.admit(slow) == []
    assert {ledger.run(run_id).reason for run_id in _waiting(ledger)} == {Reason.RATE}
    intended(ledger, claimed(ledger, first[0]), clock)
    assert len(ledger.admit(slow)) == 1, "what is being sent makes room"


def test_no_more_requests_are_admitted_than_the_rate_takes_in_a_few_seconds(ledger, clock):
    for number in range(9):
        waiting(ledger, f"{number}")
    slow = SomeRules(requests_per_second=1)
    first = _ids(ledger.admit(slow))
    assert len(first) == 3
    assert ledger.admit(slow) == []
    assert {ledger.run(run_id).reason for run_id in _waiting(ledger)} == {Reason.RATE}
    intended(ledger, claimed(ledger, first[0]), clock)
    assert len(ledger.admit(slow)) == 1


def test_a_lane_whose_broker_queue_is_full_is_left_as_it_is(ledger):
    """And a queue that is fuller than it should be is not asked for less than nothing."""
    free = waiting(ledger, "free", FREE_LANE)
    for number in range(8):
        waiting(ledger, f"{number}", route="ab"[number % 2])
    rules = SomeRules(weights={"a": 3.0})
    ledger.admit(SomeRules(0))
    (before, *_) = [ledger.run(run_id).reason for run_id in _waiting(ledger)]
    for room in (0, -3):
        assert _ids(ledger.admit(rules, lambda lane, room=room: room if lane == LANE else 0)) == []
        assert [ledger.run(run_id).reason for run_id in _waiting(ledger)] == [before] * 9
    assert free in _ids(ledger.admit(rules, lambda lane: 5 if lane == FREE_LANE else -1))


def test_jobs_that_come_back_from_doubt_take_room_too(ledger, clock):
    doubted = [waiting(ledger, name) for name in "abc"]
    ledger.admit(SomeRules(3))
    keys = {}
    for run_id in doubted:
        claim = claimed(ledger, run_id)
        keys[run_id] = intended(ledger, claim, clock).key
        doubt = SubmissionChange(keys[run_id], SubmissionState.IN_DOUBT, reason=Reason.TIMED_OUT)
        ledger.advance(claim, Advance(State.WAITING, Reason.IN_DOUBT), doubt)
    waiting(ledger, "d")
    assert len(ledger.admit(SomeRules(3))) == 1
    clock.pass_(timedelta(seconds=5))
    for key in keys.values():
        ledger.reopen_doubt(key)
    waiting(ledger, "e")
    assert ledger.admit(SomeRules(3)) == []


def test_a_run_without_a_queue_keeps_nobody_else(ledger):
    lost, fine = waiting(ledger, "a"), waiting(ledger, "b")
    with ledger._transaction("lose") as tx:
        tx.execute(update(runs).where(runs.c.id == lost).values(route=None))
    assert _ids(ledger.admit(SomeRules())) == [fine]


def test_a_document_larger_than_the_rate_goes_when_nothing_else_is_ahead(ledger):
    waiting(ledger, "a", pages=500)
    assert len(ledger.admit(SomeRules(pages_per_minute=2))) == 1


def test_a_lane_without_a_place_rests_and_others_go_on(ledger, clock):
    waiting(ledger, "a")
    free = waiting(ledger, "b", FREE_LANE)
    until = clock.now() + timedelta(seconds=90)
    ledger.rest(LANE, until, Reason.RATE_LIMITED)
    assert _ids(ledger.admit(SomeRules())) == [free]
    (left,) = [ledger.run(run_id) for run_id in _waiting(ledger)]
    assert (left.reason, left.waits_until) == (Reason.RATE_LIMITED, until)
    clock.pass_(timedelta(seconds=90))
    assert len(ledger.admit(SomeRules())) == 1


def test_routes_share_their_lane_by_weight_and_batches_keep_a_tenth(ledger):
    for number in range(20):
        waiting(ledger, f"a{number}", route="heavy")
        waiting(ledger, f"b{number}", route="light")
    rules = SomeRules(weights={"heavy": 3.0})
    routes = [ledger.run(hint.run_id).route for _ in range(5) for hint in ledger.admit(rules, lambda _lane: 4)]
    assert Counter(routes) == {"heavy": 15, "light": 5}


def test_a_fresh_drop_goes_before_a_batch(ledger, clock):
    failed = []
    for number in range(30):
        failed.append(received(ledger, f"old{number}"))
        advanced(ledger, failed[-1], State.FAILED, **ROUTED)
    ledger.retry(RunFilter(), batch="many", by="test")
    clock.pass_(timedelta(minutes=1))
    fresh = {waiting(ledger, f"new{number}") for number in range(30)}
    went = [hint.run_id for _ in range(4) for hint in ledger.admit(SomeRules(), lambda _lane: 5)]
    assert len(fresh.intersection(went)) == 18
    assert len(set(failed).intersection(went)) == 2


def test_a_queue_that_is_empty_is_forgotten(ledger):
    waiting(ledger, "a")
    ledger.admit(SomeRules(0))
    assert ledger.run(_waiting(ledger)[0]).reason is Reason.IN_FLIGHT
    ledger.admit(SomeRules())
    ledger.admit(SomeRules())
    with ledger._reading() as connection:
        assert connection.execute(select(queues)).all() == []


def _waiting(ledger):
    return [run.id for run in ledger.runs(RunFilter(state=State.WAITING), limit=100)]
