"""One entry of a bucket notification -> what it tells of one object. Pure.

Two vocabularies: the records of S3 and MinIO ("Event message structure" in the S3 user guide), whose keys are
form-encoded, and the events of EventBridge ("Amazon S3 events" in the EventBridge reference), whose keys are plain.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from headrace.document import Document, is_keepable

# Stores count tagging, retention and the like as ObjectCreated too; only these bring new content.
_CREATED = frozenset({"Put", "Post", "Copy", "CompleteMultipartUpload"})
_REMOVED = frozenset({"ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"})
_LIFECYCLE = "LifecycleExpiration:"

_LONGEST_KEY_BYTES = 1024
_LONGEST_TEXT = 1024
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,64}")
# Minor versions add keys; a new major one may change what keys mean.
_UNDERSTOOD_VERSION = re.compile(r"2\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Removal:
    """An object, or one version of it, that is gone."""

    bucket: str
    key: str
    version_id: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An entry that counts for nothing, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that may tell of a document, and what is wrong with it."""

    why: str


Outcome = Document | Removal | Ignored | Unreadable


class _BadEntry(ValueError):
    """A part of an entry is not what the published descriptions say."""


def is_from_s3(record: Mapping[str, Any]) -> bool:
    """Whether an entry of `Records` is of a store that speaks S3 ("aws:s3", "minio:s3")."""
    source = record.get("eventSource")
    return isinstance(source, str) and source.endswith(":s3") and isinstance(record.get("eventName"), str)


def read_record(record: Mapping[str, Any]) -> Outcome:
    """What an entry of `Records` tells, of which `is_from_s3` holds."""
    # MinIO writes the prefix, S3 does not.
    name = str(record["eventName"]).removeprefix("s3:")
    kind, _, how = name.partition(":")
    removed = name in _REMOVED or name.startswith(_LIFECYCLE)
    if not removed and (kind != "ObjectCreated" or how not in _CREATED):
        return Ignored(f"{shown(name)} brings no new content.")
    try:
        _check_version(record.get("eventVersion"))
        return _told(_table(record.get("s3"), "s3"), _OF_RECORDS, removed=removed)
    except _BadEntry as error:
        return Unreadable(f"{shown(name)}: {error}")


def _check_version(version: object) -> None:
    if not isinstance(version, str) or not _UNDERSTOOD_VERSION.fullmatch(version):
        raise _BadEntry(f"eventVersion is {shown(version)}; 2.x is understood.")


def is_from_eventbridge(event: Mapping[str, Any]) -> bool:
    """Whether this is an event that S3 sent to EventBridge."""
    return event.get("source") == "aws.s3" and isinstance(event.get("detail-type"), str)


def read_eventbridge(event: Mapping[str, Any]) -> Outcome:
    """What an event of EventBridge tells, of which `is_from_eventbridge` holds."""
    name = str(event["detail-type"])
    if name not in {"Object Created", "Object Deleted"}:
        return Ignored(f"{shown(name)} brings no new content.")
    try:
        return _told(_table(event.get("detail"), "detail"), _OF_EVENTBRIDGE, removed=name == "Object Deleted")
    except _BadEntry as error:
        return Unreadable(f"{shown(name)}: {error}")


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """How the facts of an object are called, and how its key is written."""

    etag: str
    version_id: str
    longest_key: int
    key_as_it_is: Callable[[str], str]


def _told(detail: Mapping[str, Any], words: _Vocabulary, *, removed: bool) -> Document | Removal | Ignored:
    bucket = _needed(_table(detail.get("bucket"), "bucket").get("name"), "bucket.name")
    facts = _table(detail.get("object"), "object")
    key = _checked(words.key_as_it_is(_needed(facts.get("key"), "object.key", longest=words.longest_key)))
    if key.endswith("/"):
        return Ignored("The key ends in a slash: a folder's placeholder.")
    version_id, sequencer = _text(facts.get(words.version_id)), _sequencer(facts.get("sequencer"))
    if removed:
        return Removal(bucket, key, version_id, sequencer)
    etag = _needed(facts.get(words.etag), f"object.{words.etag}").strip('"')
    return Document(
        bucket=bucket,
        key=key,
        etag=_needed(etag, f"object.{words.etag}"),
        # MinIO says nothing of the size where it is 0.
        size=_size(facts.get("size")),
        version_id=version_id,
        sequencer=sequencer,
    )


def _decoded(key: str) -> str:
    """A form-encoded key ("a b.pdf" arrives as "a+b.pdf"), decoded exactly once."""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeError as error:
        raise _BadEntry("object.key is not UTF-8.") from error


_OF_RECORDS = _Vocabulary("eTag", "versionId", 3 * _LONGEST_KEY_BYTES, _decoded)
_OF_EVENTBRIDGE = _Vocabulary("etag", "version-id", _LONGEST_KEY_BYTES, str)


def _checked(key: str) -> str:
    if not is_keepable(key):
        raise _BadEntry("object.key is no key: it has a NUL, or half of a surrogate pair.")
    if (length := len(key.encode())) > _LONGEST_KEY_BYTES:
        raise _BadEntry(f"object.key is no key: it has {length} bytes, and S3 keys have at most {_LONGEST_KEY_BYTES}.")
    return key


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _BadEntry(f"{name} is missing.")
    return value


def _needed(value: object, name: str, longest: int = _LONGEST_TEXT) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest or not is_keepable(value):
        raise _BadEntry(f"{name} is missing, or is no text of up to {longest} characters.")
    return value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and is_keepable(value) else None


def _sequencer(value: object) -> str | None:
    return value if isinstance(value, str) and _HEXADECIMAL.fullmatch(value) else None


def _size(value: object) -> int | None:
    # No object is larger than 50 TB; what is not a size is not known.
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**60 else None


def shown(value: object) -> str:
    """The beginning of a value that somebody else wrote, fit for a message."""
    # What is nested as deeply as the parser allows cannot be written out.
    text = str(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:80])
