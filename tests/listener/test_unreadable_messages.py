"""What cannot be read is parked in the ledger, and then left to a queue that puts it aside, or deleted."""

import threading

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from headrace.clock import SystemClock
from headrace.errors import LedgerError
from headrace.ledger.parked import MOST_BODY_BYTES, MOST_PARKED_WHOLE, parked_event
from tests.clocks import ManualClock
from tests.listener.clouds import Cloud, Inbox
from tests.listener.conftest import Killed
from tests.listener.doors import OtherLedger, routes, s3_message, s3_record, wait_until
from tests.memory_store import InMemoryStore
from workers.bucket_queue import BucketQueue, Message, QueueTraits
from workers.intake import Intake, Taken
from workers.queue_door import TRAITS_SECONDS, QueueDoor
from workers.reading import read_message

BODIES = ["no json", "{}", '{"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}']


def parked_bodies(ledger) -> list[str]:
    return [ledger.parked_event(one).body.decode() for one in ledger.parked_ids()]


def aside_of(inbox: Inbox, most_receives: int):
    """A dead-letter queue for the inbox's queue."""
    aside = inbox.cloud.make_queue()
    inbox.queue.put_aside_in(aside, most_receives)
    return aside


def test_without_a_dead_letter_queue_it_is_parked_and_then_deleted(each_cloud: Cloud, ledger, open_door):
    inbox = each_cloud.make_inbox()
    inbox.queue.tell(*BODIES)
    inbox.put("in/a.pdf")
    door = open_door(inbox)
    door.empty_the_queue()
    assert door.keys() == ["in/a.pdf"]
    assert sorted(parked_bodies(ledger)) == sorted(BODIES)
    (newest, *_) = ledger.parked(1)
    assert newest.queue == inbox.queue.opened().name
    assert newest.why


def test_with_a_dead_letter_queue_it_is_parked_and_the_queue_moves_it_there(each_cloud: Cloud, ledger, open_door):
    inbox = each_cloud.make_inbox()
    aside = aside_of(inbox, most_receives=2)
    inbox.queue.tell("no json", s3_message(s3_record(inbox.bucket, "in/a.pdf")))
    door = open_door(inbox)
    with capture_logs() as logs:
        door.look()
        door.look()
    assert door.keys() == ["in/a.pdf"]
    # These servers move it when it is asked for once more.
    wait_until(lambda: inbox.queue.receive_counts() == [] and inbox.queue.messages() == 0)
    assert aside.messages() == 1
    assert parked_bodies(ledger) == ["no json"]
    told = [line["log_level"] for line in logs if line["event"].startswith("message ")]
    assert told == ["warning", "debug"]


def test_a_queue_that_does_not_tell_its_attributes_keeps_what_may_be_wanted(inbox):
    queue = inbox.queue.opened()
    refusal = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}

    class Refusing:
        def get_queue_attributes(self, **_asked):
            raise ClientError(refusal, "GetQueueAttributes")

    traits = BucketQueue(Refusing(), inbox.queue.url).traits()
    assert (traits.puts_aside, traits.visibility_seconds) == (True, 30)
    assert queue.traits().puts_aside is False
    assert queue.traits().visibility_seconds == 1


def test_a_fault_of_the_reader_itself_is_a_reason_to_park_and_not_to_end():
    # No queue gives this; it stands for a body that the reader of events does not foresee.
    with capture_logs() as logs:
        reading = read_message(None, routes("inbox"))
    assert (reading.documents, "a fault in headrace: TypeError" in reading.why) == ((), True)
    assert [line["log_level"] for line in logs] == ["error"]


def test_a_dead_letter_queue_that_is_given_later_is_honoured():
    clock = ManualClock()

    class Owned:
        """Takes a queue's place, and counts how often it is asked what it does by itself."""

        name = "host/1/inbox"
        asked = 0

        def traits(self) -> QueueTraits:
            self.asked += 1
            return QueueTraits(visibility_seconds=7)

        def receive(self, visibility_seconds: int) -> list[Message]:
            assert visibility_seconds == 7
            return []

    class Ready:
        def check(self) -> None:
            pass

    queue = Owned()
    door = QueueDoor(queue, Ready(), clock, threading.Event())
    for _ in range(3):
        door.look()
    assert queue.asked == 1
    clock.sleep(TRAITS_SECONDS)
    door.look()
    assert queue.asked == 2


@pytest.mark.parametrize(
    "told",
    [
        {"key": "in/b.pdf", "etag": None},
        {"key": "in/b%00.pdf"},
        {"key": "in/\ud800.pdf"},
        {"key": "in/b.pdf", "etag": "\0"},
    ],
)
def test_what_can_be_read_of_a_partly_unreadable_message_is_recorded(inbox, ledger, door, told):
    message = s3_message(s3_record(inbox.bucket, **told), s3_record(inbox.bucket, "in/a.pdf"))
    inbox.queue.tell(message)
    door.empty_the_queue()
    assert door.keys() == ["in/a.pdf"]
    assert parked_bodies(ledger) == [message]


@pytest.mark.parametrize("point", ["ledger.park.before_commit", "ledger.park.after_commit", "queue.delete.before"])
def test_killed_before_it_is_deleted_it_is_parked_once_and_lost_never(inbox, ledger, door, open_door, dying, point):
    door.empty_the_queue()
    inbox.queue.tell("no json")
    dying(point)
    with pytest.raises(Killed):
        door.look_until(lambda: False)
    assert inbox.queue.messages() == 1
    open_door(inbox).empty_the_queue()
    assert parked_bodies(ledger) == ["no json"]


def test_one_that_is_too_long_to_be_kept_whole_is_parked_and_not_to_be_deleted(ledger):
    # Longer than these servers take.
    whole, long = (Message(f"m{n}", "x" * (MOST_BODY_BYTES + n), "receipt") for n in (0, 1))
    intake = Intake(ledger, InMemoryStore(), routes("inbox"), lambda _run, _state: None, SystemClock())
    assert intake.take("host/1/inbox", [whole, long]) == Taken(finished=[], parked=[whole])
    assert ledger.parked_count() == 2


def test_one_that_is_cut_because_too_many_are_parked_is_not_to_be_deleted(ledger):
    queue, now = "host/1/inbox", SystemClock().now()
    for start in range(0, MOST_PARKED_WHOLE, 1000):
        ledger.park([parked_event(queue, f"flood {start + n}", b"", "No event.", now) for n in range(1000)])
    short, long = Message("m1", "no json", "receipt"), Message("m2", "x" * 5000, "receipt")
    intake = Intake(ledger, InMemoryStore(), routes("inbox"), lambda _run, _state: None, SystemClock())
    for _ in range(2):
        assert intake.take(queue, [short, long]) == Taken(finished=[], parked=[short])


def test_a_value_that_the_ledger_cannot_keep_spoils_its_own_message_only(inbox, ledger, open_door):
    class Choosy(OtherLedger):
        def record(self, documents):
            if any("bad" in document.key for document in documents):
                raise LedgerError("The ledger cannot keep a value.")
            return self._ledger.record(documents)

    door = open_door(inbox, ledger=Choosy(ledger, lambda: None))
    bad = s3_message(s3_record(inbox.bucket, "in/bad.pdf"), s3_record(inbox.bucket, "in/b.pdf"))
    inbox.queue.tell(s3_message(s3_record(inbox.bucket, "in/a.pdf")), bad)
    door.empty_the_queue()
    assert door.keys() == ["in/a.pdf", "in/b.pdf"]
    assert parked_bodies(ledger) == [bad]
    assert "cannot keep" in ledger.parked(1)[0].why
