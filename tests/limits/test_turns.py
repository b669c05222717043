"""Fair turns: shares by weight, fresh drops before batches, and nobody saves up turns while away."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from headrace.states import Precedence
from headrace.turns import Queue, Turns

A, B, C = (Queue(Precedence.FRESH, name) for name in "abc")
LATE = Queue(Precedence.BATCH, "a")


def taken(queues, times, weights=None, pages=lambda _queue: 1, passed=None):
    """How many pages of each queue went, where each has work without end; and what is to be remembered."""
    turns = Turns(queues, passed or {}, weights or {})
    went = Counter()
    for _ in range(times):
        queue = turns.next()
        turns.went(queue, pages(queue))
        went[queue] += pages(queue)
    return went, turns.passed_by_all()


def test_routes_share_by_their_weights():
    assert taken([A, B], 40, {"a": 3.0})[0] == {A: 30, B: 10}


def test_pages_are_shared_and_not_documents():
    went, _ = taken([A, B], 110, pages=lambda queue: 10 if queue == A else 1)
    assert abs(went[A] - went[B]) <= 10


def test_batches_keep_a_tenth_beside_fresh_drops():
    assert taken([A, B, LATE], 100)[0] == {A: 45, B: 45, LATE: 10}


def test_a_batch_alone_has_all():
    assert taken([LATE], 5)[0] == {LATE: 5}


def test_what_is_remembered_goes_on_where_it_was():
    passed = {}
    went = Counter()
    for _ in range(40):
        some, passed = taken([A, B, LATE], 1, {"a": 3.0}, passed=passed)
        went += some
    assert went == {A: 27, B: 9, LATE: 4}


def test_who_was_away_saves_up_nothing():
    _, passed = taken([A, B], 10)
    _, passed = taken([A], 1000, passed=passed)
    went, _ = taken([A, B], 10, passed=passed)
    assert went == {A: 5, B: 5}


def test_who_is_ahead_and_was_away_for_a_moment_waits_its_turn():
    _, passed = taken([A, B], 2, pages=lambda queue: 100 if queue == A else 1)
    _, passed = taken([B], 1, passed=passed)
    assert taken([A, B], 90, passed=passed)[0] == {B: 90}


def test_a_queue_without_a_run_is_passed_over():
    turns = Turns([A, B], {}, {})
    turns.leave_out(A)
    assert turns.next() == B
    turns.leave_out(B)
    assert turns.next() is None


@given(
    weights=st.dictionaries(st.sampled_from("abc"), st.floats(0.1, 10), min_size=3),
    sizes=st.lists(st.integers(1, 20), min_size=200, max_size=200),
)
def test_nobody_is_further_from_its_share_than_a_document(weights, sizes):
    turns = Turns([A, B, C], {}, weights)
    went = Counter()
    for pages in sizes:
        queue = turns.next()
        turns.went(queue, pages)
        went[queue] += pages
    by_share = [went[queue] / weights[queue.route] for queue in (A, B, C)]
    assert max(by_share) - min(by_share) <= max(sizes) / min(weights.values())
