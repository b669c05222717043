"""The dispatcher: as many of each lane as it has room for, the oldest first."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from headrace.ledger.records import Advance, Hint
from headrace.routing import Lane
from headrace.states import Reason, State
from tests.ledger.lives import FREE_LANE, LANE, ROUTED, accepted, claimed, events, received, waiting


def _ids(hints):
    return [hint.run_id for hint in hints]


def test_the_oldest_waiting_runs_are_admitted(ledger, clock):
    old = []
    for name in "abc":
        old.append(waiting(ledger, name))
        clock.pass_(timedelta(seconds=1))
    assert ledger.admit(lambda _lane: 2) == [Hint(run_id, State.ADMITTED, "nanonets") for run_id in old[:2]]
    run = ledger.run(old[0])
    assert (run.state, run.due_at, run.reason) == (State.ADMITTED, clock.now() + timedelta(seconds=5), None)
    assert events(ledger, old[0]) == ["received", "waiting", "admitted"]


def test_what_does_not_fit_stays_due_and_says_why(ledger, clock):
    first, second = waiting(ledger, "a"), waiting(ledger, "b")
    ledger.admit(lambda _lane: 1)
    left = {ledger.run(first).state: first, ledger.run(second).state: second}[State.WAITING]
    run = ledger.run(left)
    assert (run.reason, run.due_at, run.attempts) == (Reason.IN_FLIGHT, clock.now(), 0)
    assert ledger.admit(lambda _lane: 1) == []
    other = first if left == second else second
    ledger.advance(claimed(ledger, other), Advance(State.PREDICTED))
    assert _ids(ledger.admit(lambda _lane: 1)) == [left], "as soon as there is room"
    assert ledger.run(left).reason is None


def test_submitted_runs_take_room_too(ledger, clock):
    accepted(ledger, clock, "a")
    waiting(ledger, "b")
    assert ledger.admit(lambda _lane: 1) == []
    assert len(ledger.admit(lambda _lane: 2)) == 1


def test_a_run_that_is_put_off_is_not_admitted_before_its_time(ledger, clock):
    run_id = received(ledger)
    due_at = clock.now() + timedelta(seconds=30)
    ledger.advance(claimed(ledger, run_id), Advance(State.WAITING, Reason.RATE_LIMITED, due_at=due_at, facts=ROUTED))
    assert ledger.admit(lambda _lane: 1) == []
    assert ledger.run(run_id).reason is Reason.RATE_LIMITED
    clock.pass_(timedelta(seconds=30))
    assert _ids(ledger.admit(lambda _lane: 1)) == [run_id]


def test_one_lane_never_blocks_another(ledger):
    for name in "abcd":
        waiting(ledger, name)
    free = waiting(ledger, "e", FREE_LANE)
    hints = ledger.admit({LANE: 0, FREE_LANE: 10}.__getitem__, limit=2)
    assert hints == [Hint(free, State.ADMITTED, "local")]


def test_at_most_so_many_of_a_lane_are_admitted_at_once(ledger):
    for name in "abcd":
        waiting(ledger, name)
    assert len(ledger.admit(lambda _lane: 100, limit=3)) == 3
    assert len(ledger.admit(lambda _lane: 100, limit=3)) == 1


def test_a_lower_limit_than_what_is_in_flight_admits_nothing(ledger):
    for name in "abc":
        waiting(ledger, name)
    ledger.admit(lambda _lane: 2)
    assert ledger.admit(lambda _lane: 1) == []


def test_two_dispatchers_at_once_do_not_admit_too_many(ledger, open_ledger):
    lanes = [LANE, Lane("nanonets", "main", "model-2")]
    for number in range(12):
        waiting(ledger, f"{number}", lanes[number % 2])
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        admitted = [hint for hints in pool.map(lambda other: other.admit(lambda _lane: 3), others) for hint in hints]
    assert len(set(_ids(admitted))) == len(admitted) == 6
