"""From a real queue: each drop is recorded, and its message is deleted only then."""

import json
import time
from collections.abc import Callable

import pytest

from config.routes import RouteTable
from config.settings import load_settings
from headrace.errors import LedgerUnavailable, QueueUnavailable
from headrace.faults import set_fault_handler
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from headrace.routing import Route
from headrace.states import State
from tests.listener.conftest import KEY_ID, SECRET, Inbox
from tests.memory_store import InMemoryStore
from workers.bucket_queue import BucketQueue, bucket_queue
from workers.queue_door import QueueDoor

WAIT_SECONDS = 20


def routes(bucket: str) -> RouteTable:
    return RouteTable(
        (Route(name="in", bucket=bucket, prefix="in/", provider="local", output="s3://o/rows", private="s3://p/own"),)
    )


def queue_of(inbox: Inbox, url: str | None = None) -> BucketQueue:
    queue = bucket_queue(
        load_settings(
            {
                "HEADRACE_SQS_QUEUE_URL": url or inbox.queue_url,
                "HEADRACE_SQS_ENDPOINT": inbox.cloud.endpoint,
                "HEADRACE_S3_ACCESS_KEY_ID": KEY_ID,
                "HEADRACE_S3_SECRET_ACCESS_KEY": SECRET,
            }
        )
    )
    assert queue is not None
    return queue


@pytest.fixture
def hints() -> list[tuple[str, State]]:
    return []


@pytest.fixture
def door(inbox, ledger, hints):
    # S3 tells that a configuration was saved; that message must go like any other.
    return QueueDoor(
        queue_of(inbox), ledger, InMemoryStore(), routes(inbox.bucket), lambda run, state: hints.append((run, state))
    )


def look_until(door: QueueDoor, done: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < until, "it did not come to that in time"
        door.look()


def keys(ledger: Ledger) -> list[str]:
    return sorted(run.document.key for run in ledger.runs(RunFilter(), limit=100))


def test_without_a_queue_in_the_settings_there_is_none():
    assert bucket_queue(load_settings({})) is None


def test_a_drop_becomes_a_recorded_document_and_its_message_is_gone(inbox, ledger, door, hints):
    # This server, unlike S3, does not encode the key: a name with + or % would not be told as S3 tells it.
    inbox.put("in/Zü rich.pdf", b"%PDF one")
    look_until(door, lambda: inbox.messages() == 0 and len(keys(ledger)) == 1)
    (run,) = ledger.runs(RunFilter(), limit=10)
    assert (run.document.bucket, run.document.key, run.state) == (inbox.bucket, "in/Zü rich.pdf", State.RECEIVED)
    assert run.document.size == 8
    assert hints == [(run.id, State.RECEIVED)]


def test_many_drops_are_all_recorded_once(inbox, ledger, door):
    names = [f"in/{number:02d}.pdf" for number in range(25)]
    for name in names:
        inbox.put(name, name.encode())
    look_until(door, lambda: inbox.messages() == 0 and len(keys(ledger)) == len(names))
    assert keys(ledger) == names


def test_the_document_of_an_event_is_the_one_that_a_listing_gives(inbox, ledger, door):
    inbox.put("in/a.pdf")
    look_until(door, lambda: len(keys(ledger)) == 1)
    (run,) = ledger.runs(RunFilter(), limit=10)
    (listed,) = inbox.cloud.s3.list_objects_v2(Bucket=inbox.bucket, Prefix="in/")["Contents"]
    assert run.document.etag == listed["ETag"].strip('"')


def test_what_no_route_takes_is_left_alone(inbox, ledger, door):
    for key in ("in/a.txt", "other/a.pdf", "in/folder/"):
        inbox.put(key)
    look_until(door, lambda: inbox.messages() == 0)
    assert keys(ledger) == []


class Killed(BaseException):
    """The process died here."""


@pytest.fixture
def dying():
    def at(name: str) -> None:
        def handler(passed: str) -> None:
            if passed == name:
                set_fault_handler(None)
                raise Killed(passed)

        set_fault_handler(handler)

    yield at
    set_fault_handler(None)


@pytest.mark.parametrize("point", ["ledger.record.before_commit", "ledger.record.after_commit", "queue.delete.before"])
def test_killed_before_the_message_is_deleted_it_comes_again_and_is_recorded_once(
    inbox, ledger, hints, door, dying, point
):
    inbox.put("in/a.pdf")
    dying(point)
    with pytest.raises(Killed):
        look_until(door, lambda: False)
    assert inbox.messages() >= 1
    anew = QueueDoor(
        queue_of(inbox), ledger, InMemoryStore(), routes(inbox.bucket), lambda run, state: hints.append((run, state))
    )
    look_until(anew, lambda: inbox.messages() == 0)
    assert keys(ledger) == ["in/a.pdf"]


@pytest.mark.parametrize("body", ["no json", "{}", '{"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}'])
def test_a_message_that_is_no_event_stays_for_the_redrive_policy(inbox, ledger, door, body):
    inbox.tell(body)
    inbox.put("in/a.pdf")
    look_until(door, lambda: len(keys(ledger)) == 1 and inbox.messages() <= 1)
    assert inbox.messages() == 1


@pytest.mark.parametrize(
    "told",
    [
        {"key": "in/b.pdf"},
        {"key": "in/b%00.pdf", "eTag": "e"},
        {"key": "in/\ud800.pdf", "eTag": "e"},
        {"key": "in/b.pdf", "eTag": "\0"},
    ],
)
def test_a_message_that_is_partly_unreadable_gives_its_documents_and_stays(inbox, ledger, door, told):
    good = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": inbox.bucket}, "object": {"key": "in/a.pdf", "size": 1, "eTag": "e"}},
    }  # fmt: skip
    bad = {**good, "s3": {"bucket": {"name": inbox.bucket}, "object": told}}
    inbox.tell(json.dumps({"Records": [bad, good]}))
    look_until(door, lambda: keys(ledger) == ["in/a.pdf"] and inbox.messages() == 1)


class AwayLedger:
    """A ledger that is away for its first calls."""

    def __init__(self, ledger: Ledger, failures: int) -> None:
        self._ledger = ledger
        self.failures = failures

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def check(self):
        self._fail()
        self._ledger.check()

    def record(self, documents):
        self._fail()
        return self._ledger.record(documents)

    def _fail(self):
        if self.failures:
            self.failures -= 1
            raise LedgerUnavailable("The ledger is away.")


def test_while_the_ledger_is_away_nothing_is_received(inbox, ledger):
    inbox.put("in/a.pdf")
    away = AwayLedger(ledger, failures=3)
    door = QueueDoor(queue_of(inbox), away, InMemoryStore(), routes(inbox.bucket), lambda run, state: None)
    for _ in range(3):
        with pytest.raises(LedgerUnavailable):
            door.look()
    received = inbox.cloud.sqs.receive_message(
        QueueUrl=inbox.queue_url, VisibilityTimeout=0, AttributeNames=["All"], MaxNumberOfMessages=10
    )
    assert {each["Attributes"]["ApproximateReceiveCount"] for each in received["Messages"]} == {"1"}
    look_until(door, lambda: inbox.messages() == 0)
    assert keys(ledger) == ["in/a.pdf"]


def test_a_ledger_that_goes_away_in_the_middle_costs_no_document(inbox, ledger):
    away = AwayLedger(ledger, failures=0)
    door = QueueDoor(queue_of(inbox), away, InMemoryStore(), routes(inbox.bucket), lambda run, state: None)
    look_until(door, lambda: inbox.messages() == 0)
    inbox.put("in/a.pdf")
    away.failures = 2
    with pytest.raises(LedgerUnavailable):
        look_until(door, lambda: False)
    with pytest.raises(LedgerUnavailable):
        door.look()
    look_until(door, lambda: inbox.messages() == 0)
    assert keys(ledger) == ["in/a.pdf"]


def test_a_queue_that_is_not_there_says_what_to_check(inbox, ledger):
    with pytest.raises(QueueUnavailable, match="HEADRACE_SQS_QUEUE_URL"):
        queue_of(inbox, inbox.queue_url + "-not").receive(0)


def test_a_server_that_is_away_says_what_to_check():
    queue = bucket_queue(
        load_settings(
            {
                "HEADRACE_SQS_QUEUE_URL": "http://127.0.0.1:9/1/inbox",
                "HEADRACE_SQS_ENDPOINT": "http://127.0.0.1:9",
                "HEADRACE_S3_ACCESS_KEY_ID": KEY_ID,
                "HEADRACE_S3_SECRET_ACCESS_KEY": SECRET,
            }
        )
    )
    assert queue is not None
    with pytest.raises(QueueUnavailable, match="EndpointConnectionError"):
        queue.receive(0)
