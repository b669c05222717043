"""Every shape that an event comes in is read, whatever lies around it."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import UnreadableEvent
from headrace.events import MOST_ENVELOPES, read_notification
from tests.events.shapes import ETAG, EXAMPLES, SHAPES, Example, eventbridge, in_lambda_of_queue, in_sns, s3

every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def read(event: Any):
    return read_notification(json.dumps(event))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_tells_what_is_written_beside_it(example: Example):
    told = read_notification(example.body)
    assert [(each.bucket, each.key, each.etag) for each in told.created] == example.created
    assert [(each.bucket, each.key) for each in told.removed] == example.removed
    assert (len(told.ignored), len(told.unreadable)) == (example.ignored, example.unreadable)
    assert read_notification(example.body.encode()) == told


@every_shape
@pytest.mark.parametrize(
    "key",
    [
        "red flower.pdf", "a+b.pdf", "a%2Bb.pdf", "a%252Bb.pdf", "a%2Fb.pdf", "100%.pdf", "Zürich 東京 🌷.pdf",
        "a\nb.pdf", '"\\u0000".pdf', "+", "%", "%%20+", "/a.pdf", "a//b.pdf", '{"Records":[]}',
    ],
)  # fmt: skip
def test_a_key_arrives_as_it_was_in_every_shape(shape, key):
    assert [(each.bucket, each.key, each.etag) for each in read(shape(key)).created] == [("inbox", key, ETAG)]


KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=40)
AWKWARD_KEYS = st.text(st.sampled_from("%+25BbFf /\\\"'äß\n{}[]:,"), min_size=1, max_size=20)


@every_shape
@settings(max_examples=40)
@given(key=KEYS | AWKWARD_KEYS, etag=st.from_regex(r"[0-9a-f]{32}(-[0-9]{1,5})?", fullmatch=True))
def test_any_key_and_etag_arrive_as_they_were_in_every_shape(shape, key, etag):
    told = read(shape(key, etag))
    assert [(each.key, each.etag) for each in told.created] == ([] if key.endswith("/") else [(key, etag)])


@every_shape
def test_an_etag_loses_its_quotes_in_every_shape(shape):
    assert read(shape("a.pdf", f'"{ETAG}-17"')).created[0].etag == f"{ETAG}-17"


@every_shape
@pytest.mark.parametrize("key", ["", "a\0.pdf", "\ud800.pdf", "k" * 1025, "é" * 513])
def test_what_is_no_key_is_unreadable_in_every_shape(shape, key):
    told = read(shape(key))
    assert (told.created, len(told.unreadable)) == ((), 1)


@every_shape
def test_a_key_may_have_1024_bytes_in_every_shape(shape):
    key = "é" * 512
    assert read(shape(key)).created[0].key == key


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_what_a_topic_says_of_its_subscription_is_for_a_person_names_the_topic_and_shows_no_link(kind):
    link = "https://elsewhere.example/?Action=ConfirmSubscription&Token=abc"
    body = {"Type": kind, "TopicArn": "arn:aws:sns:us-west-2:1:drops", "Message": "You have …", "SubscribeURL": link}
    (why,) = read(body).unreadable
    assert "arn:aws:sns:us-west-2:1:drops" in why
    assert "elsewhere" not in why
    assert "abc" not in why


def test_a_removal_of_eventbridge_keeps_its_version_and_sequencer():
    event = eventbridge("a b.pdf") | {"detail-type": "Object Deleted"}
    event["detail"]["object"] = {"key": "a b.pdf", "version-id": "v1", "sequencer": "617f0837b476e463"}
    (removal,) = read(event).removed
    assert (removal.key, removal.version_id, removal.sequencer) == ("a b.pdf", "v1", "617f0837b476e463")


@pytest.mark.parametrize("source", ["aws.ec2", "custom", None, 7])
def test_an_event_of_another_source_is_no_event_of_a_bucket(source):
    with pytest.raises(UnreadableEvent):
        read(eventbridge("a.pdf") | {"source": source})


def test_an_event_of_eventbridge_without_its_detail_is_unreadable():
    event = eventbridge("a.pdf")
    del event["detail"]
    assert len(read(event).unreadable) == 1


@pytest.mark.parametrize("message", ["hello", "", "[]", "{}", "null", "7"])
def test_a_notification_of_a_topic_without_an_event_is_no_event(message):
    with pytest.raises(UnreadableEvent):
        read({"Type": "Notification", "TopicArn": "arn", "Message": message})


def test_an_event_lies_in_so_many_envelopes_and_no_deeper():
    event: Any = s3("a.pdf")
    for _ in range(MOST_ENVELOPES):
        event = in_sns(event)
    assert len(read(event).created) == 1
    with pytest.raises(UnreadableEvent, match="envelopes"):
        read(in_sns(event))


def test_an_entry_that_is_no_event_does_not_hide_its_neighbours():
    told = read(
        {"Records": [*s3("a.pdf")["Records"], {"eventSource": "aws:ses"}, 7, *in_lambda_of_queue(7)["Records"]]}
    )
    assert ([each.key for each in told.created], len(told.unreadable)) == (["a.pdf"], 3)


def test_an_empty_list_of_records_tells_nothing():
    told = read({"Records": []})
    assert told.created == told.removed == told.ignored == told.unreadable == ()


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("place", ['"eventVersion": {}', '"s3": {}', '"eventName": "ObjectCreated:Put", "s3": {}'])
def test_what_is_nested_as_deeply_as_can_be_parsed_is_only_unreadable(opening, place):
    for depth in range(300, 1000, 23):
        deep = opening * depth + "1" + ("]" if opening == "[" else "}") * depth
        record = '{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", ' + place.format(deep) + "}"
        try:
            told = read_notification('{"Records": [' + record + "]}")
        except UnreadableEvent:
            continue
        assert (told.created, len(told.unreadable)) == ((), 1)


def sized(body: str, size: int) -> str:
    """The body with white space, which JSON allows, up to so many bytes."""
    return body + " " * (size - len(body.encode()))


LARGE_BODIES = {
    "one drop in 256 KB": sized(json.dumps(s3("a.pdf")), 256 * 1024),
    "many drops in 1 MB": json.dumps({"Records": s3("a.pdf")["Records"] * 5000}),
    "many messages in 1 MB": json.dumps({"Records": in_lambda_of_queue(in_sns(s3("a.pdf")))["Records"] * 2500}),
    "quotes in quotes": json.dumps(in_lambda_of_queue(in_sns({"Records": s3('"' * 300)["Records"] * 1000}))),
    "junk of 1 MB": "[" * 1024 * 1024,
    "a key of 1 MB": json.dumps(s3("%25" * 300_000)),
    "a name of 1 MB": json.dumps({"Records": [{**s3("a")["Records"][0], "eventName": "ObjectCreated:" * 70_000}]}),
    "a number of 1 MB": '{"Records": ' + "9" * 1024 * 1024 + "}",
}


@pytest.mark.parametrize("body", LARGE_BODIES.values(), ids=LARGE_BODIES)
def test_large_bodies_are_read_in_bounded_time(body):
    began = time.process_time()
    with contextlib.suppress(UnreadableEvent):
        read_notification(body)
    assert time.process_time() - began < 2


def test_what_is_said_of_a_large_part_is_short():
    told = read({"Records": [{**s3("a")["Records"][0], "eventVersion": "9" * 1_000_000}]})
    assert len(told.unreadable[0]) < 400
