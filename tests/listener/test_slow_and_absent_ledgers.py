"""While the ledger is slow its messages stay ours; while it is away nothing is received and everything given back."""

import threading
import time

import pytest
from structlog.testing import capture_logs

from headrace.clock import SystemClock
from headrace.errors import LedgerUnavailable, QueueUnavailable
from tests.listener.conftest import Killed
from tests.listener.doors import AwayLedger, OpenDoor, OtherLedger, s3_message, s3_record, wait_until
from workers.keeping import kept

TOLD = [s3_message(s3_record("inbox", f"in/{name}.pdf")) for name in "ab"]


def test_while_the_ledger_is_away_nothing_is_received(each_cloud, ledger, open_door):
    inbox = each_cloud.make_inbox()
    inbox.put("in/a.pdf")
    door = open_door(inbox, ledger=AwayLedger(ledger, failures=3))
    for _ in range(3):
        with pytest.raises(LedgerUnavailable):
            door.look()
    assert set(inbox.queue.receive_counts()) == {1}
    door.empty_the_queue()
    assert door.keys() == ["in/a.pdf"]


def test_what_was_received_when_the_ledger_went_away_is_given_back_at_once(each_cloud, ledger):
    queue = each_cloud.make_queue(visibility_seconds=60)
    queue.tell(*TOLD, "no json")
    door = OpenDoor(queue, "inbox", ledger=AwayLedger(ledger, failures=2, answers=1))
    for _ in range(2):  # as it records, and when it is asked whether it is back
        with pytest.raises(LedgerUnavailable):
            door.look()
        assert queue.visible() == 3
        assert door.keys() == []
    door.empty_the_queue()
    assert door.keys() == ["in/a.pdf", "in/b.pdf"]
    assert ledger.parked_count() == 1


def test_what_one_door_sees_of_the_ledger_keeps_the_other_doors_from_receiving(cloud, ledger):
    first, second = cloud.make_queue(), cloud.make_queue()
    first.tell(TOLD[0])
    second.tell(TOLD[1])
    door = OpenDoor(first, "inbox", ledger=AwayLedger(ledger, failures=2, answers=1))
    other = door.opened_beside(second)
    for each in (door, other):
        with pytest.raises(LedgerUnavailable):
            each.look()
    assert second.receive_counts() == [1]


def test_a_process_that_dies_while_the_ledger_is_away_keeps_no_message(cloud, ledger, dying):
    queue = cloud.make_queue(visibility_seconds=1)
    queue.tell(*TOLD)
    door = OpenDoor(queue, "inbox", ledger=AwayLedger(ledger, failures=1, answers=1))
    dying("queue.give_back.before")
    with pytest.raises(Killed):
        door.look()
    OpenDoor(queue, "inbox", ledger=ledger).empty_the_queue()
    assert door.keys() == ["in/a.pdf", "in/b.pdf"]


def test_while_the_ledger_is_slow_its_messages_come_to_nobody_else(each_cloud, ledger):
    queue = each_cloud.make_queue(visibility_seconds=1)
    queue.tell(*TOLD)
    received_elsewhere = []

    def slow() -> None:
        # Longer than two of the queue's visibility timeouts: without a keeper they would be here by now.
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            received_elsewhere.extend(queue.receive_counts())
            time.sleep(0.1)

    door = OpenDoor(queue, "inbox", ledger=OtherLedger(ledger, slow))
    door.look()
    assert received_elsewhere == []
    assert queue.messages() == 0
    assert door.keys() == ["in/a.pdf", "in/b.pdf"]


class ScriptedQueue:
    """Takes a queue's place: writes down what it is asked to extend, and how that ends."""

    name = "host/1/inbox"

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.extended: list[int] = []

    def extend(self, _messages, seconds):
        self.extended.append(seconds)
        if self._failures:
            raise self._failures.pop(0)


def test_a_queue_that_cannot_be_asked_is_asked_again_and_no_error_ends_the_work():
    queue = ScriptedQueue(QueueUnavailable("The queue is away."))
    with capture_logs() as logs, kept(queue, [], 0.1, SystemClock()):
        wait_until(lambda: len(queue.extended) >= 2)
    assert [line["log_level"] for line in logs if line["event"] == "messages not kept"] == ["warning"]


def test_what_hangs_is_not_kept_for_ever():
    queue = ScriptedQueue()
    with capture_logs() as logs, kept(queue, [], 0.1, SystemClock(), longest_seconds=0.0):
        wait_until(lambda: any(line["event"] == "messages kept too long" for line in logs))
    assert queue.extended == []


def test_keeping_ends_with_the_work_also_where_that_fails():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), kept(ScriptedQueue(), [], 60, SystemClock()):
        raise ZeroDivisionError
    assert threading.active_count() == before
