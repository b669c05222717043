"""A bucket notification -> the documents it tells of. Pure; whatever arrives, nothing is invented.

One shape so far: what S3 sends to SQS ("Event message structure" in the S3 user guide). Another shape is one more
reader in `_READERS`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from headrace.document import Document, is_keepable
from headrace.errors import UnreadableEvent

# Stores count tagging, retention and the like as ObjectCreated too; only these bring new content.
_CREATED = frozenset({"Put", "Post", "Copy", "CompleteMultipartUpload"})
_REMOVED = frozenset({"ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"})
_LIFECYCLE = "LifecycleExpiration:"

_LONGEST_KEY_BYTES = 1024
_LONGEST_TEXT = 1024
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,64}")


@dataclass(frozen=True, slots=True)
class Removal:
    """An object, or one version of it, that is gone."""

    bucket: str
    key: str
    version_id: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """What one message tells. `ignored` says why a record counts for nothing, `unreadable` what could not be read.

    A message with something unreadable must be kept for a person: a document may be in it.
    """

    created: tuple[Document, ...] = ()
    removed: tuple[Removal, ...] = ()
    ignored: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def read_notification(body: str | bytes) -> Notification:
    """What a message's body tells; UnreadableEvent where it is no bucket notification at all."""
    event = _parsed(body)
    for reads in _READERS:
        notification = reads(event)
        if notification is not None:
            return notification
    raise UnreadableEvent("The message is JSON, and no bucket notification: it has neither Records nor an Event.")


def _parsed(body: str | bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableEvent("The message is not JSON; a bucket notification is expected.") from error
    if not isinstance(event, dict):
        raise UnreadableEvent("The message is JSON, and no object; a bucket notification is expected.")
    return event


def _read_test_event(event: Mapping[str, Any]) -> Notification | None:
    """What S3 sends whenever a notification configuration is saved."""
    if event.get("Event") != "s3:TestEvent" or "Records" in event:
        return None
    return Notification(ignored=("s3:TestEvent: the notification configuration was saved.",))


def _read_records(event: Mapping[str, Any]) -> Notification | None:
    records = event.get("Records")
    if not isinstance(records, list) or not all(_is_from_s3(record) for record in records):
        return None
    return _gathered(_read_record(record) for record in records)


_READERS: tuple[Callable[[Mapping[str, Any]], Notification | None], ...] = (_read_test_event, _read_records)


def _is_from_s3(record: object) -> bool:
    if not isinstance(record, dict):
        return False
    source = record.get("eventSource")
    return isinstance(source, str) and source.endswith(":s3") and isinstance(record.get("eventName"), str)


@dataclass(frozen=True, slots=True)
class _Ignored:
    why: str


@dataclass(frozen=True, slots=True)
class _Unreadable:
    why: str


_Outcome = Document | Removal | _Ignored | _Unreadable


def _gathered(outcomes: Iterator[_Outcome]) -> Notification:
    found = list(outcomes)
    return Notification(
        created=tuple(each for each in found if isinstance(each, Document)),
        removed=tuple(each for each in found if isinstance(each, Removal)),
        ignored=tuple(each.why for each in found if isinstance(each, _Ignored)),
        unreadable=tuple(each.why for each in found if isinstance(each, _Unreadable)),
    )


class _BadRecord(ValueError):
    """A part of a record is not what the S3 user guide says."""


def _read_record(record: Mapping[str, Any]) -> _Outcome:
    # MinIO writes the prefix, S3 does not.
    name = str(record["eventName"]).removeprefix("s3:")
    kind, _, how = name.partition(":")
    removed = name in _REMOVED or name.startswith(_LIFECYCLE)
    if not removed and (kind != "ObjectCreated" or how not in _CREATED):
        return _Ignored(f"{_shown(name)} brings no new content.")
    try:
        _check_version(record.get("eventVersion"))
        bucket, key, of_object = _place(record)
        if key.endswith("/"):
            return _Ignored("The key ends in a slash: a folder's placeholder.")
        version_id, sequencer = _text(of_object.get("versionId")), _sequencer(of_object.get("sequencer"))
        if removed:
            return Removal(bucket, key, version_id, sequencer)
        etag = _needed(of_object.get("eTag"), "eTag").strip('"')
        return Document(
            bucket=bucket,
            key=key,
            etag=_needed(etag, "eTag"),
            size=_size(of_object.get("size")),
            version_id=version_id,
            sequencer=sequencer,
        )
    except _BadRecord as error:
        return _Unreadable(f"{_shown(name)}: {error}")


def _check_version(version: object) -> None:
    # Minor versions add keys; a new major one may change what keys mean.
    if not isinstance(version, str) or not version.startswith("2."):
        raise _BadRecord(f"eventVersion is {_shown(version)}; 2.x is understood.")


def _place(record: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    s3 = _table(record.get("s3"), "s3")
    of_object = _table(s3.get("object"), "s3.object")
    bucket = _needed(_table(s3.get("bucket"), "s3.bucket").get("name"), "s3.bucket.name")
    return bucket, _decoded(_needed(of_object.get("key"), "s3.object.key", longest=3 * _LONGEST_KEY_BYTES)), of_object


def _decoded(key: str) -> str:
    """The key itself: it arrives form-encoded, "a b.pdf" as "a+b.pdf", and is decoded exactly once."""
    try:
        decoded = unquote_plus(key, errors="strict")
        length = len(decoded.encode())
    except UnicodeError as error:
        raise _BadRecord("s3.object.key is not UTF-8.") from error
    if "\0" in decoded or length > _LONGEST_KEY_BYTES:
        raise _BadRecord(f"s3.object.key is no key: it has {length} bytes, or a NUL.")
    return decoded


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _BadRecord(f"{name} is missing.")
    return value


def _needed(value: object, name: str, longest: int = _LONGEST_TEXT) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest or not is_keepable(value):
        raise _BadRecord(f"{name} is missing, or is no text of up to {longest} characters.")
    return value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and is_keepable(value) else None


def _sequencer(value: object) -> str | None:
    return value if isinstance(value, str) and _HEXADECIMAL.fullmatch(value) else None


def _size(value: object) -> int | None:
    # No object is larger than 50 TB; what is not a size is not known.
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**60 else None


def _shown(value: object) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value)[:80])
