"""The doors that documents come in by: a watched prefix, and a queue of bucket notifications.

Each document is recorded in the ledger, then its first step is hinted. A lost hint costs only time.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from config.routes import RouteTable
from headrace.document import Document
from headrace.errors import LedgerUnavailable, UnreadableEvent
from headrace.events import read_notification
from headrace.ledger.records import Recorded
from headrace.states import State
from headrace.storage import ObjectStore
from headrace.storage.watching import Watch, WatchLedger
from workers.bucket_queue import BucketQueue, Message

log = structlog.get_logger()

Hint = Callable[[str, State], object]
"""Says that a run in this state can be looked at; what it returns does not matter, as the sweep hints again."""


class ListenerLedger(WatchLedger, Protocol):
    """What the listener needs of the ledger."""

    def check(self) -> None: ...


class Door(Protocol):
    """One way for documents to come in."""

    name: str

    def look(self) -> float:
        """Take what is there; returns the seconds until it is worth looking again."""
        ...


class WatchDoor:
    """Looks at one watched prefix."""

    def __init__(self, name: str, watch: Watch, hint: Hint, every_seconds: float) -> None:
        self.name = name
        self._watch = watch
        self._hint = hint
        self._every_seconds = every_seconds

    def look(self) -> float:
        found = self._watch.round()
        hint_all(found.recorded, self._hint)
        log.debug("prefix listed", door=self.name, listed=found.listed, requests=found.requests)
        return self._every_seconds if found.complete else 0.0


class QueueDoor:
    """Takes messages from the queue; a message is deleted once the ledger has every document in it.

    A message that cannot be read stays, for the queue's redrive policy to put aside. While the ledger is
    away nothing is received, so that no message is put aside on its account.
    """

    name = "queue"

    def __init__(self, queue: BucketQueue, ledger: ListenerLedger, routes: RouteTable, hint: Hint) -> None:
        self._queue = queue
        self._ledger = ledger
        self._routes = routes
        self._hint = hint
        self._ledger_answers = False

    def look(self) -> float:
        if not self._ledger_answers:
            self._ledger.check()
            self._ledger_answers = True
        messages = self._queue.receive()
        documents: list[Document] = []
        readable: list[Message] = []
        for message in messages:
            told = self._read(message)
            if told is not None:
                documents += told
                readable.append(message)
        self._record(documents)
        self._queue.delete(readable)
        return 0.0

    def _record(self, documents: Sequence[Document]) -> None:
        if not documents:
            return
        try:
            recorded = self._ledger.record(documents)
        except LedgerUnavailable:
            self._ledger_answers = False
            raise
        hint_all(recorded, self._hint)

    def _read(self, message: Message) -> list[Document] | None:
        """The documents in a message that a route takes; None where it must stay for a person."""
        try:
            notification = read_notification(message.body)
        except UnreadableEvent as error:
            log.warning("message is no event", message=message.id, why=str(error))
            return None
        for why in notification.ignored:
            log.debug("event ignored", message=message.id, why=why)
        taken = [each for each in notification.created if self._is_taken(each)]
        if notification.unreadable:
            # What can be read is recorded at once all the same; it will be known when the message comes again.
            self._record(taken)
            log.warning("message is partly unreadable", message=message.id, why=notification.unreadable[0])
            return None
        return taken

    def _is_taken(self, document: Document) -> bool:
        if any(route.takes(document.bucket, document.key) for route in self._routes.routes):
            return True
        log.info("no route takes the object", document=document.id, bucket=document.bucket)
        return False


def hint_all(recorded: Sequence[Recorded], hint: Hint) -> None:
    """Hint the step of each recorded document that has one."""
    for each in recorded:
        if each.new:
            log.info("document received", document=each.document.id, run=each.run_id)
        if each.hint is not None:
            hint(each.run_id, each.hint)


def watch_doors(
    routes: RouteTable, store: ObjectStore, ledger: ListenerLedger, hint: Hint, every_seconds: float
) -> list[WatchDoor]:
    """A door for each watched prefix."""

    def takes(bucket: str) -> Callable[[str], bool]:
        return lambda key: any(route.takes(bucket, key) for route in routes.routes)

    return [
        WatchDoor(f"s3://{bucket}/{prefix}", Watch(store, ledger, bucket, prefix, takes(bucket)), hint, every_seconds)
        for bucket, prefix in routes.watched()
    ]
