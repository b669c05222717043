"""A, then B, then A again at one key, told by events: events tell no LastModified, so the door asks the bucket."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace.document import Document
from headrace.errors import StorageUnavailable
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from headrace.states import State
from tests.ledger.lives import advanced, exported
from tests.listener.clouds import Inbox
from tests.listener.doors import OpenDoor, s3_message, s3_record
from tests.memory_store import InMemoryStore

KEY = "in/a.pdf"
MORNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Bucket:
    """One key, into which a content is dropped once a minute; a real queue tells of it."""

    def __init__(self, inbox: Inbox, ledger: Ledger) -> None:
        self.inbox = inbox
        self.name = inbox.bucket
        self.store = InMemoryStore(now=lambda: self.now)
        self.now = MORNING
        self.door = OpenDoor(inbox.queue, inbox.bucket, ledger=ledger, store=self.store)
        self.hints = self.door.hints
        self._ledger = ledger

    def put(self, body: bytes) -> Document:
        self.now += timedelta(minutes=1)
        etag = self.store.put(self.name, KEY, body)
        return Document(self.name, KEY, etag, len(body))

    def tell(self, document: Document, sequencer: str) -> None:
        self.inbox.queue.tell(s3_message(s3_record(self.name, document.key, document.etag, sequencer=sequencer)))

    def take(self) -> None:
        self.door.empty_the_queue()

    def drop(self, body: bytes, sequencer: str) -> Document:
        """A content that was dropped, told of, and looked at by a worker."""
        document = self.put(body)
        self.tell(document, sequencer)
        self.take()
        self.look_at(document)
        return document

    def look_at(self, document: Document) -> None:
        """Note of the document what routing sees of it."""
        head = self.store.head(self.name, KEY)
        assert head.etag == document.etag
        self._ledger.record([replace(document, last_modified=head.last_modified, version_id=head.version_id)])


@pytest.fixture
def bucket(inbox, ledger) -> Bucket:
    bucket = Bucket(inbox, ledger)
    bucket.take()  # S3 tells that a configuration was saved
    return bucket


def first_run(document: Document) -> str:
    return f"{document.id}-1"


def test_a_content_that_comes_back_stands_again_and_is_published_again(bucket, ledger):
    a = bucket.drop(b"A", "01")
    exported(ledger, first_run(a))
    b = bucket.drop(b"B", "02")
    exported(ledger, first_run(b))
    bucket.hints.clear()
    bucket.tell(bucket.put(b"A"), "03")
    bucket.take()
    assert ledger.known([a.id, b.id]) == {a.id: bucket.now}
    assert bucket.hints == [(first_run(a), State.EXPORTED)]
    assert ledger.document(a.id).sequencer == "03"


def test_a_superseded_content_that_comes_back_gets_its_next_run(bucket, ledger):
    a = bucket.drop(b"A", "01")
    advanced(ledger, first_run(a), State.SUPERSEDED)
    bucket.drop(b"B", "02")
    bucket.tell(bucket.put(b"A"), "03")
    bucket.take()
    assert bucket.hints[-1] == (f"{a.id}-2", State.RECEIVED)


def test_a_content_that_came_back_stands_before_one_that_is_told_of_late(bucket, ledger):
    a = bucket.drop(b"A", "01")
    b = bucket.put(b"B")
    b_since = bucket.now
    bucket.tell(bucket.put(b"A"), "03")
    bucket.take()
    bucket.tell(b, "02")
    bucket.take()
    ledger.record([replace(b, last_modified=b_since)])  # read by its version
    assert ledger.known([a.id, b.id]) == {a.id: bucket.now}


def test_the_version_is_the_one_that_lies_there_now(bucket, ledger):
    bucket.store.versioned.add(bucket.name)
    a = bucket.drop(b"A", "01")
    bucket.drop(b"B", "02")
    bucket.tell(bucket.put(b"A"), "03")
    bucket.take()
    assert ledger.document(a.id).version_id == bucket.store.head(bucket.name, KEY).version_id == "v00000003"


def test_an_event_that_comes_late_does_not_bring_an_older_content_back(bucket, ledger):
    a = bucket.drop(b"A", "01")
    b = bucket.drop(b"B", "02")
    bucket.tell(a, "01")
    bucket.take()
    assert ledger.known([a.id, b.id]) == {b.id: bucket.now}
    assert ledger.document(a.id).last_modified == bucket.now - timedelta(minutes=1)


def test_a_content_that_is_gone_again_is_recorded_as_it_was_told(bucket, ledger):
    a = bucket.drop(b"A", "01")
    b = bucket.drop(b"B", "02")
    bucket.store.delete(bucket.name, KEY)
    bucket.tell(a, "03")
    bucket.take()
    assert ledger.document(a.id).sequencer == "03"
    assert ledger.known([a.id, b.id]) == {b.id: bucket.now}


def test_the_bucket_is_not_asked_about_what_is_new_or_told_twice(bucket):
    a = bucket.drop(b"A", "01")
    asked = bucket.store.calls.count(("head", KEY))
    bucket.tell(a, "01")
    bucket.take()
    bucket.tell(bucket.put(b"B"), "02")
    bucket.take()
    assert bucket.store.calls.count(("head", KEY)) == asked


def test_while_the_store_is_away_the_message_stays_and_the_others_are_taken(bucket, ledger):
    a = bucket.drop(b"A", "01")
    bucket.drop(b"B", "02")
    back = bucket.put(b"A")

    def away(_call, _key):
        raise StorageUnavailable("The store is away.")

    bucket.store.before = away
    bucket.tell(back, "03")
    other = Document(bucket.name, "in/other.pdf", "e", 1)
    bucket.tell(other, "01")
    bucket.door.look_until(lambda: bucket.inbox.queue.messages() == 1)
    assert ledger.document(other.id) is not None
    assert ledger.known([a.id]) == {}
    bucket.store.before = lambda _call, _key: None
    bucket.take()
    assert ledger.known([a.id]) == {a.id: bucket.now}
    assert len(ledger.runs(RunFilter(latest=False), 10)) == 3
