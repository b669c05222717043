"""Messages that could not be read are kept once, whole up to a length, until somebody removes them."""

import pytest

from headrace.ledger.parked import MOST_BODY_BYTES, MOST_BODY_BYTES_BEYOND, MOST_PARKED_WHOLE, body_bytes, parked_event
from headrace.ledger.records import ParkedSummary
from tests.clocks import ManualClock

NOW = ManualClock().now()


def event(message="m1", body=b"no json", queue="host/1/inbox", why="It is no event.", at=NOW):
    return parked_event(queue, message, body, why, at)


def test_a_message_is_kept_with_its_body_and_read_back_as_it_was(ledger):
    one = event(body=bytes(range(256)) + body_bytes("\ud800\0"), why="Why \0 and \ud800.")
    assert ledger.park([one]) == {one.id}
    kept = ledger.parked_event(one.id)
    assert (kept.body, kept.queue, kept.message, kept.parked_at) == (one.body, "host/1/inbox", "m1", NOW)
    assert kept.why == "Why \N{REPLACEMENT CHARACTER} and \N{REPLACEMENT CHARACTER}."


def test_the_same_message_is_one_and_the_first_time_counts(ledger, clock):
    ledger.park([event()])
    clock.sleep(60)
    assert ledger.park([event(at=clock.now()), event(at=clock.now())]) == set()
    assert ledger.parked_count() == 1
    assert ledger.parked(10)[0].parked_at == NOW


def test_messages_of_two_queues_are_two_though_their_ids_are_the_same(ledger):
    first, second = event(), event(queue="host/1/other")
    assert ledger.park([first, second, first]) == {first.id, second.id}


@pytest.mark.parametrize(("length", "cut"), [(MOST_BODY_BYTES, False), (MOST_BODY_BYTES + 1, True)])
def test_a_body_that_is_too_long_is_cut_and_said_to_be(ledger, length, cut):
    one = event(body=b"x" * length)
    ledger.park([one])
    (kept,) = ledger.parked(10)
    assert kept.size_bytes == MOST_BODY_BYTES
    assert kept.why.startswith("Only the first 262144 of its 262145 bytes are kept") == cut


def fill(ledger, count, at):
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        ledger.park([event(f"flood {number}", at=at) for number in numbers])


def test_with_too_many_parked_only_the_beginning_of_another_is_kept_until_there_is_room(ledger):
    fill(ledger, MOST_PARKED_WHOLE - 1, NOW)
    last, long, short = event("last", b"l" * 5000), event("long", b"x" * 5000), event("short")
    ledger.park([last])
    assert ledger.park([long, short]) == {long.id, short.id}
    assert ledger.parked_whole([last, long, short]) == {last.id, short.id}
    kept = ledger.parked_event(long.id)
    assert kept.body == b"x" * MOST_BODY_BYTES_BEYOND
    assert kept.why.startswith("Only the first 1024 bytes of it are kept here, for 10000 messages are parked already.")
    assert ledger.park([long]) == set()
    assert ledger.parked_whole([long]) == set()

    ledger.forget_parked(ledger.parked_ids()[:5])
    assert ledger.park([long]) == set()
    assert ledger.parked_whole([long]) == {long.id}
    assert ledger.parked_event(long.id) == long


def test_the_newest_is_listed_first_and_the_oldest_read_first(ledger, clock):
    for name in ("a", "b", "c"):
        ledger.park([event(name, at=clock.now())])
        clock.sleep(1)
    assert [one.message for one in ledger.parked(2)] == ["c", "b"]
    assert [ledger.parked_event(one).message for one in ledger.parked_ids()] == ["a", "b", "c"]
    assert isinstance(ledger.parked(1)[0], ParkedSummary)


def test_what_is_forgotten_is_gone_and_counted_once(ledger):
    one, other = event("m1"), event("m2")
    ledger.park([one, other])
    assert ledger.forget_parked([one.id, one.id, "not there"]) == 1
    assert ledger.parked_event(one.id) is None
    assert ledger.parked_ids() == [other.id]
    assert ledger.forget_parked([]) == 0
