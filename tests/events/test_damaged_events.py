"""Whatever a message's body is: it is read, or said to be unreadable, and no document is ever invented."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.errors import UnreadableEvent
from headrace.events import Notification, read_notification
from tests.events.shapes import EXAMPLES

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@dataclass
class Quoted:
    """A text in an event that is itself an event."""

    event: Any


def unquoted(event: Any) -> Any:
    """An event with every text that holds one opened, so that it can be damaged inside as well."""
    match event:
        case dict():
            return {key: unquoted(value) for key, value in event.items()}
        case list():
            return [unquoted(value) for value in event]
        case str():
            opened = parsed(event)
            return Quoted(unquoted(opened)) if isinstance(opened, dict | list) else event
    return event


def written(event: Any) -> str:
    return json.dumps(event, default=lambda quoted: written(quoted.event))


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def places(event: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in an event."""
    if isinstance(event, Quoted):
        yield event, "event"
        yield from places(event.event)
    elif isinstance(event, dict | list):
        for key, value in list(event.items() if isinstance(event, dict) else enumerate(event)):
            yield event, key
            yield from places(value)


def value_at(container: Any, key: Any) -> Any:
    return container.event if isinstance(container, Quoted) else container[key]


def set_at(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, Quoted):
        container.event = value
    else:
        container[key] = value


TYPES = (str, lambda value: [value], lambda value: {"Records": value}, written, lambda _value: 0)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """An example with some of its parts dropped, replaced, retyped or doubled, or parts of two examples mixed."""
    event = unquoted(json.loads(draw(st.sampled_from(EXAMPLES)).body))
    for _ in range(draw(st.integers(1, 4))):
        everywhere = list(places(event))
        if not everywhere:
            break
        container, key = draw(st.sampled_from(everywhere))
        value = value_at(container, key)
        match draw(st.sampled_from(["drop", "replace", "retype", "double", "move"])):
            case "drop" if not isinstance(container, Quoted):
                del container[key]
            case "double" if isinstance(container, list):
                container.append(value)
            case "double" if isinstance(container, dict):
                container[draw(st.sampled_from([*container, key.swapcase()]))] = value
            case "retype":
                set_at(container, key, draw(st.sampled_from(TYPES))(value))
            case "move":
                other = unquoted(json.loads(draw(st.sampled_from(EXAMPLES)).body))
                set_at(container, key, value_at(*draw(st.sampled_from(list(places(other))))))
            case _:
                set_at(container, key, draw(JUNK))
        event = json.loads(written(event))
        event = unquoted(event)
    return written(event)


@st.composite
def torn(draw: st.DrawFn) -> bytes:
    """The bytes of an example, cut off, or with some of them changed."""
    body = bytearray(draw(st.sampled_from(EXAMPLES)).body.encode())
    for _ in range(draw(st.integers(0, 5))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body)


def drops_written_in(event: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every (bucket, key, eTag) that stands together in an event, in either vocabulary."""
    match event:
        case str() if isinstance(quoted := parsed(event), dict | list):
            yield from drops_written_in(quoted)
        case dict():
            match event:
                case {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **facts}}:
                    for name, meant in (("eTag", unquote_plus(key)), ("etag", key)):
                        if isinstance(etag := facts.get(name), str):
                            yield bucket, meant, etag.strip('"')
            for value in event.values():
                yield from drops_written_in(value)
        case list():
            for value in event:
                yield from drops_written_in(value)


def read(body: str | bytes) -> Notification:
    try:
        return read_notification(body)
    except UnreadableEvent:
        return Notification()


def nothing_is_invented(body: str | bytes) -> bool:
    created = read(body).created
    if not created:
        return True
    standing = set(drops_written_in(json.loads(body)))
    return all((each.bucket, each.key, each.etag) in standing and each.is_keepable for each in created)


quick = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])


@quick
@given(damaged())
def test_a_damaged_event_never_brings_an_invented_document(body):
    assert nothing_is_invented(body)


@quick
@given(torn())
def test_an_event_of_which_bytes_are_lost_never_brings_an_invented_document(body):
    assert nothing_is_invented(body)


@settings(max_examples=120)
@given(st.binary(max_size=60) | st.text(max_size=60) | JUNK.map(json.dumps))
def test_any_bytes_are_read_or_said_to_be_no_event(body):
    assert read(body).created == ()


@settings(max_examples=80)
@given(JUNK, st.sampled_from(["Records", "Event", "detail", "Message"]))
def test_junk_in_the_place_of_an_event_brings_nothing(junk, name):
    for body in (
        {name: junk}, [{name: junk}], {"Records": [junk]}, [{"Event": [junk]}], {"Type": "Notification", name: junk},
        {"source": "aws.s3", "detail-type": "Object Created", name: junk},
        {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventVersion": "2.1", "s3": junk}]},
        {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(junk)}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": junk}]},
    ):  # fmt: skip
        assert read(json.dumps(body)).created == ()


def test_of_the_examples_every_drop_is_found_by_the_eye_that_looks_for_invented_ones():
    for example in EXAMPLES:
        assert set(example.created) <= set(drops_written_in(json.loads(example.body)))
