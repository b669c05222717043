"""What a bucket notification tells, and what it does not."""

import contextlib
import json
from copy import deepcopy
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.document import Document
from headrace.errors import UnreadableEvent
from headrace.events import Notification, Removal, read_notification

ETAG = "d41d8cd98f00b204e9800998ecf8427e"
RECORD: dict[str, Any] = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "us-west-2",
    "eventTime": "2022-06-27T16:19:22.631Z",
    "eventName": "ObjectCreated:Put",
    "userIdentity": {"principalId": "AWS:AIDA"},
    "requestParameters": {"sourceIPAddress": "10.0.0.1"},
    "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
    "s3": {
        "s3SchemaVersion": "1.0",
        "configurationId": "inbox",
        "bucket": {
            "name": "inbox",
            "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
            "arn": "arn:aws:s3:::inbox",
        },
        "object": {
            "key": "in/red+flower.pdf",
            "size": 9234,
            "eTag": ETAG,
            "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
            "sequencer": "0062B9D834A809629F",
        },
    },
}


def record(name: str = "ObjectCreated:Put", **of_object: Any) -> dict[str, Any]:
    changed = deepcopy(RECORD)
    changed["eventName"] = name
    for fact, value in of_object.items():
        if value is None:
            del changed["s3"]["object"][fact]
        else:
            changed["s3"]["object"][fact] = value
    return changed


def read(*records: dict[str, Any]) -> Notification:
    return read_notification(json.dumps({"Records": records}))


def test_a_put_becomes_a_document():
    assert read(RECORD) == Notification(
        created=(
            Document(
                bucket="inbox",
                key="in/red flower.pdf",
                etag=ETAG,
                size=9234,
                version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
                sequencer="0062B9D834A809629F",
            ),
        )
    )


@pytest.mark.parametrize(
    ("arrived", "key"),
    [
        ("in/red+flower.pdf", "in/red flower.pdf"),
        ("in%2Fred+flower.pdf", "in/red flower.pdf"),
        ("a%2Bb.pdf", "a+b.pdf"),
        ("a%252Bb.pdf", "a%2Bb.pdf"),  # decoded once: the name holds a literal %2B
        ("a%25.pdf", "a%.pdf"),
        ("100%.pdf", "100%.pdf"),
        ("Z%C3%BCrich.pdf", "Zürich.pdf"),
        ("Zürich.pdf", "Zürich.pdf"),
        ("a%0Ab.pdf", "a\nb.pdf"),
    ],
)
def test_a_key_is_decoded_exactly_once(arrived, key):
    assert read(record(key=arrived)).created[0].key == key


@settings(max_examples=200)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=60))
def test_every_key_arrives_as_it_was(key):
    notification = read(record(key=quote_plus(key, safe="/")))
    assert [document.key for document in notification.created] == ([] if key.endswith("/") else [key])


@pytest.mark.parametrize("how", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_what_brings_content_is_created(how):
    assert len(read(record(f"ObjectCreated:{how}")).created) == 1
    assert len(read(record(f"s3:ObjectCreated:{how}")).created) == 1


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:PutTagging", "ObjectCreated:PutRetention", "ObjectCreated:PutLegalHold", "ObjectCreated:*",
        "ObjectTagging:Put", "ObjectAcl:Put", "ObjectRestore:Completed", "ReducedRedundancyLostObject", "Put", "",
    ],
)  # fmt: skip
def test_what_brings_no_content_is_ignored_with_its_reason(name):
    notification = read(record(name))
    assert notification.created == notification.removed == notification.unreadable == ()
    assert len(notification.ignored) == 1


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated",
        "LifecycleExpiration:Delete", "LifecycleExpiration:DeleteMarkerCreated",
    ],
)  # fmt: skip
def test_a_removal_needs_no_etag_and_no_size(name):
    notification = read(record(name, eTag=None, size=None))
    assert notification == Notification(
        removed=(Removal("inbox", "in/red flower.pdf", "096fKKXTRTtl3on89fVO.nfljtsv6qko", "0062B9D834A809629F"),)
    )


def test_a_folders_placeholder_is_no_document():
    notification = read(record(key="in/folder/", size=0))
    assert notification.created == ()
    assert "placeholder" in notification.ignored[0]


def test_a_test_event_is_ignored():
    body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2014-10-13T15:57:02.089Z", "Bucket": "inbox"}
    notification = read_notification(json.dumps(body))
    assert notification.created == ()
    assert "TestEvent" in notification.ignored[0]


def test_one_message_may_hold_many_records_of_many_kinds():
    notification = read(
        RECORD, record("ObjectTagging:Put"), record("ObjectRemoved:Delete"), record(key="b.pdf"), RECORD
    )
    assert [document.key for document in notification.created] == ["in/red flower.pdf", "b.pdf", "in/red flower.pdf"]
    assert (len(notification.removed), len(notification.ignored)) == (1, 1)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2", "2.3", "2.4", "2.6", "2.17"])
def test_every_minor_version_is_understood(version):
    assert len(read({**RECORD, "eventVersion": version}).created) == 1


@pytest.mark.parametrize("version", ["3.0", "20.1", "2", None, 2.1])
def test_another_major_version_is_left_to_a_person(version):
    notification = read({**RECORD, "eventVersion": version}, RECORD)
    assert len(notification.unreadable) == 1
    assert len(notification.created) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"key": None}, {"key": ""}, {"key": 7}, {"key": "%FF.pdf"}, {"key": "a%00b.pdf"}, {"key": "\ud800.pdf"},
        {"key": "%ED%A0%80.pdf"}, {"eTag": "e\0"}, {"eTag": "\udc80"},
        {"key": "k" * 1025}, {"eTag": None}, {"eTag": ""}, {"eTag": '""'}, {"eTag": ["x"]},
    ],
)  # fmt: skip
def test_a_drop_that_does_not_say_what_was_dropped_is_unreadable(facts):
    notification = read(record(**facts))
    assert notification.created == ()
    assert len(notification.unreadable) == 1


def test_facts_that_are_none_are_not_known():
    document = read(record(size=-1, versionId=7, sequencer="not hex")).created[0]
    assert (document.size, document.version_id, document.sequencer) == (None, None, None)


HOSTILE = st.text(st.characters() | st.sampled_from("\0\ud800\udfff%+"), max_size=8)


@settings(max_examples=200)
@given(*[HOSTILE] * 4)
def test_every_document_that_is_told_of_can_be_kept_in_the_ledger(key, etag, version, sequencer):
    notification = read(RECORD, record(key=key, eTag=etag, versionId=version, sequencer=sequencer))
    assert all(document.is_keepable for document in notification.created)
    assert notification.created[0].key == "in/red flower.pdf"


def test_an_etag_loses_its_quotes():
    assert read(record(eTag=f'"{ETAG}"')).created[0].etag == ETAG


@pytest.mark.parametrize(
    "body",
    [
        "", "no json", b"\xff\xfe\xfd", "[]", "null", "7", '"text"', "{}", '{"Records": {}}', '{"Records": [7]}',
        '{"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}', '{"Event": "s3:Other"}', '{"a":' * 100_000,
        '{"size": ' + "9" * 10_000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_event_is_said_to_be_none(body):
    with pytest.raises(UnreadableEvent):
        read_notification(body)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A real event with some of its parts replaced, removed or wrapped."""
    event: Any = {"Records": [deepcopy(RECORD) for _ in range(draw(st.integers(1, 3)))]}
    for _ in range(draw(st.integers(1, 4))):
        place: Any = event
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or draw(st.integers(0, 5)) == 0:
                place[key] = draw(JUNK)
                break
            place = place[key]
    return event


def dropped(entry: Any) -> tuple[Any, Any] | None:
    """Bucket and eTag of what is written as a drop, whatever state the rest of the record is in."""
    try:
        name, place = entry["eventName"], entry["s3"]
        told = (place["bucket"]["name"], place["object"]["eTag"].strip('"'))
    except (KeyError, TypeError, AttributeError, IndexError):
        return None
    return told if str(name).removeprefix("s3:").startswith("ObjectCreated:") else None


@settings(max_examples=300)
@given(damaged())
def test_a_damaged_event_never_brings_an_invented_document(event):
    try:
        notification = read_notification(json.dumps(event))
    except UnreadableEvent:
        return
    written = [dropped(entry) for entry in event["Records"]]
    assert all((document.bucket, document.etag) in written for document in notification.created)
    told = notification.created + notification.removed + notification.ignored + notification.unreadable
    assert len(told) == len(event["Records"])


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text(max_size=60) | JUNK.map(json.dumps))
def test_any_bytes_are_an_event_or_said_to_be_none(body):
    with contextlib.suppress(UnreadableEvent):
        assert read_notification(body).created == ()
