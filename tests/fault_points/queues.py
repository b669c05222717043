"""Lives of documents that a queue tells of, beside messages that nobody can read."""

import json
import sqlite3
import time
from urllib.parse import quote_plus

from tests.fault_points import person
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import World
from tests.pdfs import make_pdf
from workers.cli.exits import Exit

_QUEUE = frozenset({"queue"})


def _told_and_unreadable(world: World) -> None:
    document = world.put("paid/short.pdf", make_pdf(2))
    told = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-11-20T12:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": document.bucket},
            "object": {"key": quote_plus(document.key), "eTag": document.etag, "sequencer": "0055AED6DCD90281E5"},
        },
    }
    for body in (json.dumps({"Records": [told]}), '{"Records": ['):
        world.queues.send_message(QueueUrl=world.queue_url, MessageBody=body)


def _forget(world: World) -> None:
    """Read what is parked once more, and forget it; a message that was not deleted is parked again."""
    for event in world.services.ledger.parked(limit=10):
        person.headrace(world, "events", "replay", event.id, may_end_with=(Exit.OK, Exit.FAILED))
        person.headrace(world, "events", "forget", event.id, "--yes", may_end_with=(Exit.OK, Exit.FAILED))


def _is_done(world: World) -> bool:
    """Whether no message is left, there or here."""
    return not world.messages_in_queue() and not world.services.ledger.parked(limit=1)


def _slow(_world: World) -> None:
    time.sleep(2.0)


def _away(_world: World) -> None:
    raise sqlite3.OperationalError("disk I/O error")


SCENARIOS = (
    Scenario(
        "queue",
        "a queue tells of a document, slowly; another message is parked",
        _told_and_unreadable,
        meanwhile=_forget,
        also=_is_done,
        disturbances={"queue:ledger.record.before_commit#1": _slow},
        has_queue=True,
        focus=_QUEUE,
        may_end_as=("sync", "cut"),
    ),
    Scenario(
        "queue-ledger-away",
        "the ledger fails while messages are taken in, and they are given back",
        _told_and_unreadable,
        meanwhile=_forget,
        also=_is_done,
        disturbances={"queue:ledger.record.before_commit#1": _away},
        has_queue=True,
        focus=_QUEUE,
        may_end_as=("sync", "cut"),
    ),
)
