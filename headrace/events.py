"""A bucket notification, in any of its shapes -> the documents it tells of. Pure; nothing is ever invented.

What S3 sends to SQS, SNS and EventBridge, what MinIO sends to a webhook and to Redis, and what lies around it: an
SNS notification, or a Lambda function's event with the messages of a queue or a topic. Another shape is one more
reader in `_READERS`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from headrace.document import Document
from headrace.errors import UnreadableEvent
from headrace.event_records import (
    Ignored,
    Outcome,
    Removal,
    Unreadable,
    is_from_eventbridge,
    is_from_s3,
    read_eventbridge,
    read_record,
    shown,
)

__all__ = ["MOST_ENVELOPES", "Notification", "Removal", "read_notification"]

MOST_ENVELOPES = 3
"""How deep an event may lie: in a topic's notification, in a queue's message, in a function's event."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What one message tells. `ignored` says why a record counts for nothing, `unreadable` what could not be read.

    A message with something unreadable must be kept for a person: a document may be in it, or a topic has
    something to say to whoever looks after the queue.
    """

    created: tuple[Document, ...] = ()
    removed: tuple[Removal, ...] = ()
    ignored: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def read_notification(body: str | bytes) -> Notification:
    """What a message's body tells; UnreadableEvent where it is no bucket notification at all."""
    return _gathered(_opened(body, MOST_ENVELOPES))


def _gathered(outcomes: list[Outcome]) -> Notification:
    return Notification(
        created=tuple(each for each in outcomes if isinstance(each, Document)),
        removed=tuple(each for each in outcomes if isinstance(each, Removal)),
        ignored=tuple(each.why for each in outcomes if isinstance(each, Ignored)),
        unreadable=tuple(each.why for each in outcomes if isinstance(each, Unreadable)),
    )


def _opened(body: str | bytes, envelopes: int) -> list[Outcome]:
    """What a text tells that may hold an event in so many envelopes."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableEvent("The message is not JSON; a bucket notification is expected.") from error
    return _read(event, envelopes)


def _read(event: object, envelopes: int) -> list[Outcome]:
    for reads in _READERS:
        outcomes = reads(event, envelopes)
        if outcomes is not None:
            return outcomes
    raise UnreadableEvent(
        "The message is JSON, and no bucket notification: it is neither an event of S3, EventBridge or MinIO, "
        "nor such an event in a notification of SNS or in the event of a Lambda function."
    )


def _read_test_event(event: object, _envelopes: int) -> list[Outcome] | None:
    """What S3 sends whenever a notification configuration is saved."""
    if not isinstance(event, dict) or event.get("Event") != "s3:TestEvent" or "Records" in event:
        return None
    return [Ignored("s3:TestEvent: the notification configuration was saved.")]


def _read_records(event: object, envelopes: int) -> list[Outcome] | None:
    """`Records`: what S3 sends to SQS and SNS, MinIO to a webhook and a Redis hash, and Lambda to a function."""
    records = event.get("Records") if isinstance(event, dict) else None
    return _read_entries(records, envelopes) if isinstance(records, list) else None


def _read_minio_log(event: object, envelopes: int) -> list[Outcome] | None:
    """An entry of the Redis list that MinIO writes in its access format: `[{"Event": [record], "EventTime": …}]`."""
    if not isinstance(event, list) or not event:
        return None
    if not all(isinstance(entry, dict) and isinstance(entry.get("Event"), list) for entry in event):
        return None
    return _read_entries([record for entry in event for record in entry["Event"]], envelopes)


def _read_eventbridge(event: object, _envelopes: int) -> list[Outcome] | None:
    return [read_eventbridge(event)] if isinstance(event, dict) and is_from_eventbridge(event) else None


def _read_sns(event: object, envelopes: int) -> list[Outcome] | None:
    """A notification of SNS: the event is a text in `Message`; or what SNS says about the subscription itself."""
    if not isinstance(event, dict) or not isinstance(event.get("Message"), str):
        return None
    topic = shown(event.get("TopicArn"))
    match event.get("Type"):
        case "Notification":
            return _unwrapped(event["Message"], envelopes)
        case "SubscriptionConfirmation":
            # Its link is not shown: whoever can write to the queue could have put any address there.
            return [
                Unreadable(
                    f"The topic {topic} asks to confirm its subscription to this queue, and sends nothing before. "
                    "If it is yours, subscribe the queue as the queue's owner, which needs no confirmation, or ask for "
                    "the confirmation again in the SNS console."
                )
            ]
        case "UnsubscribeConfirmation":
            return [Unreadable(f"The topic {topic} no longer sends to this queue; subscribe it again if it should.")]
    return None


_Reader = Callable[[object, int], list[Outcome] | None]
_READERS: tuple[_Reader, ...] = (_read_test_event, _read_records, _read_minio_log, _read_eventbridge, _read_sns)


def _read_entries(records: Iterable[object], envelopes: int) -> list[Outcome]:
    """What entries tell; one that cannot be read does not hide the others. UnreadableEvent where none can."""
    outcomes: list[Outcome] = []
    failure: UnreadableEvent | None = None
    found_any = False
    for record in records:
        try:
            outcomes += _read_entry(record, envelopes)
            found_any = True
        except UnreadableEvent as error:
            outcomes.append(Unreadable(str(error)))
            failure = failure or error
    if failure is not None and not found_any:
        raise failure
    return outcomes


def _read_entry(record: object, envelopes: int) -> list[Outcome]:
    if isinstance(record, dict):
        if is_from_s3(record):
            return [read_record(record)]
        if (message := _message_in(record)) is not None:
            return _unwrapped(message, envelopes)
    raise UnreadableEvent("An entry is neither of a bucket, nor of a queue or a topic that an event lies in.")


def _message_in(record: Mapping[str, object]) -> str | None:
    """The message that an entry of a Lambda function's event holds: of a queue, or of a topic."""
    message: object = None
    if record.get("eventSource") == "aws:sqs":
        message = record.get("body")
    elif record.get("EventSource") == "aws:sns":
        notification = record.get("Sns")
        message = notification.get("Message") if isinstance(notification, dict) else None
    return message if isinstance(message, str) else None


def _unwrapped(message: str, envelopes: int) -> list[Outcome]:
    if envelopes == 0:
        raise UnreadableEvent(f"The event lies in more than {MOST_ENVELOPES} envelopes, which no service makes.")
    return _opened(message, envelopes - 1)
