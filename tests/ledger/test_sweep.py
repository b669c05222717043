"""The sweep finds again what a lost hint or a dead worker left."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from headrace.ledger.records import Advance, Hint, Overdue
from headrace.states import State
from tests.ledger.lives import (
    FREE_LANE,
    SomeRules,
    accepted,
    admitted,
    advanced,
    claimed,
    document,
    exported,
    received,
    waiting,
)

RECEIVED = Overdue(State.RECEIVED)
SUBMITTED = Overdue(State.SUBMITTED)
SWEPT = sorted(set(State) - {State.SUBMITTED, State.WAITING, State.RECEIVED})


def _gaps(ledger, clock, run_id, times):
    """After how many seconds each of the next sweeps hints the run again."""
    gaps, waited = [], 0
    while len(gaps) < times:
        clock.pass_(timedelta(seconds=1))
        waited += 1
        if ledger.sweep() == [Hint(run_id, ledger.run(run_id).state)]:
            gaps.append(waited)
            waited = 0
    return gaps


def test_a_run_whose_hint_was_lost_is_hinted_again_with_growing_spacing(ledger, clock):
    assert _gaps(ledger, clock, received(ledger), 5) == [5, 5, 10, 15, 15]


def test_spacing_begins_anew_with_each_state(ledger, clock):
    run_id = received(ledger)
    _gaps(ledger, clock, run_id, 4)
    advanced(ledger, run_id, State.PREDICTED)
    assert _gaps(ledger, clock, run_id, 2) == [5, 5]


@pytest.mark.parametrize("state", SWEPT)
def test_every_state_but_submitted_and_waiting_is_swept(ledger, clock, state):
    run_id = received(ledger)
    advanced(ledger, run_id, state)
    clock.pass_(timedelta(seconds=5))
    assert ledger.sweep() == [Hint(run_id, state)]


def test_a_run_in_hand_is_left_alone_until_its_lease_runs_out(ledger, clock):
    run_id = received(ledger)
    claimed(ledger, run_id)
    clock.pass_(timedelta(seconds=14))
    assert ledger.sweep() == []
    clock.pass_(timedelta(seconds=1))
    assert ledger.sweep() == [Hint(run_id, State.RECEIVED)]


def test_a_hint_names_the_provider_once_there_is_one(ledger, clock):
    run_id = admitted(ledger)
    clock.pass_(timedelta(seconds=5))
    assert ledger.sweep() == [Hint(run_id, State.ADMITTED, "nanonets")]


def test_submitted_and_published_runs_are_not_swept(ledger, clock):
    accepted(ledger, clock, "a")
    exported(ledger, received(ledger, "b"))
    clock.pass_(timedelta(hours=1))
    assert ledger.sweep() == []


def test_waiting_runs_that_are_due_are_one_hint_for_the_dispatcher(ledger, clock):
    runs = {waiting(ledger, name) for name in "abc"}
    for _ in range(2):
        (hint,) = ledger.sweep()
        assert hint.state is State.WAITING
        assert hint.run_id in runs
    assert len(ledger.admit(SomeRules(10))) == 3, "the sweep does not make them wait"


def test_a_waiting_run_that_is_put_off_is_not_hinted(ledger, clock):
    run_id = waiting(ledger)
    ledger.admit(SomeRules(1))
    later = clock.now() + timedelta(seconds=30)
    ledger.advance(claimed(ledger, run_id), Advance(State.WAITING, due_at=later))
    assert ledger.sweep() == []


def test_a_sweep_is_bounded_and_takes_the_most_overdue_first(ledger, clock):
    for name in "abc":
        received(ledger, name)
        clock.pass_(timedelta(seconds=1))
    clock.pass_(timedelta(seconds=5))
    assert [hint.run_id for hint in ledger.sweep(2)] == [f"{document(name).id}-1" for name in "ab"]
    assert [hint.run_id for hint in ledger.sweep(2)] == [f"{document('c').id}-1"]


def test_overdue_runs_are_taken_to_have_a_message_where_as_many_wait(ledger, clock):
    for name in "abcde":
        received(ledger, name)
    clock.pass_(timedelta(seconds=5))
    queued = {RECEIVED: 3}
    assert len(ledger.sweep(10, queued)) == 2, "five are overdue, and three messages wait"
    clock.pass_(timedelta(seconds=5))
    assert len(ledger.sweep(10, {RECEIVED: 5})) == 0
    clock.pass_(timedelta(seconds=10))
    assert len(ledger.sweep(10, {SUBMITTED: 5})) == 5, "messages for other steps say nothing of them"


def test_the_queue_of_the_local_provider_says_nothing_of_what_is_to_be_sent_nor_the_other_way_round(ledger, clock):
    sent, read = admitted(ledger, "sent"), admitted(ledger, "read", FREE_LANE)
    clock.pass_(timedelta(seconds=5))
    to_send, to_read = Overdue(State.ADMITTED, local=False), Overdue(State.ADMITTED, local=True)
    room = {to_send: 1, to_read: 1}
    assert [hint.run_id for hint in ledger.sweep(room, {to_send: 1})] == [read]
    clock.pass_(timedelta(seconds=5))
    assert [hint.run_id for hint in ledger.sweep(room, {to_read: 1})] == [sent]
    clock.pass_(timedelta(seconds=15))
    assert [hint.run_id for hint in ledger.sweep({to_send: 0, to_read: 1})] == [read]


def test_however_many_messages_wait_nobody_is_taken_to_have_one_for_longer_than_50_seconds(ledger, clock):
    run_id = received(ledger)
    for seconds in (5, 5, 10, 15):
        clock.pass_(timedelta(seconds=seconds))
        assert ledger.sweep(10, {RECEIVED: 900}) == []
    clock.pass_(timedelta(seconds=15))
    assert ledger.sweep(10, {RECEIVED: 900}) == [Hint(run_id, State.RECEIVED)]


def test_who_was_given_up_or_whose_worker_died_has_no_message_however_many_wait(ledger, clock):
    given_up, dead, _ = (received(ledger, name) for name in "abc")
    ledger.hand_back(claimed(ledger, given_up), due_at=clock.now() + timedelta(seconds=5))
    claimed(ledger, dead)
    clock.pass_(timedelta(seconds=15))
    found = ledger.sweep(10, {RECEIVED: 900})
    assert {hint.run_id for hint in found} == {given_up, dead}


def test_for_whom_there_is_no_room_stays_due(ledger, clock):
    every = {received(ledger, name) for name in "abcdef"}
    hinted = set()
    for _ in range(30):
        clock.pass_(timedelta(seconds=5))
        hinted |= {hint.run_id for hint in ledger.sweep(1, {RECEIVED: 900})}
    assert hinted == every


def test_where_more_are_overdue_than_a_queue_may_hold_it_is_filled_with_the_most_overdue(ledger, clock):
    for name in "abcde":
        received(ledger, name)
        clock.pass_(timedelta(seconds=1))
    clock.pass_(timedelta(seconds=5))
    found = ledger.sweep(1, {RECEIVED: 3})
    assert [hint.run_id for hint in found] == [f"{document('a').id}-1"]
    assert len(ledger.sweep(5)) == 4, "the others are due still"


def test_sweeps_at_once_share_the_runs_between_them(ledger, clock, open_ledger):
    ledger.record([document(f"{number}") for number in range(60)])
    clock.pass_(timedelta(seconds=5))
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda other: other.sweep(20), others))
    results.append(ledger.sweep(60))
    hinted = [hint.run_id for hints in results for hint in hints]
    assert len(hinted) == len(set(hinted)) == 60
