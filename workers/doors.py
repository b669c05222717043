"""The doors that documents come in by: a watched prefix, and a queue of bucket notifications.

Each document is recorded in the ledger, then its first step is hinted. A lost hint costs only time.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from config.routes import RouteTable
from headrace import sequencer
from headrace.document import Document
from headrace.errors import LedgerUnavailable, ObjectNotFound, StorageError, StorageUnavailable, UnreadableEvent
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
    def document(self, document_id: str) -> Document | None: ...


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

    def __init__(
        self, queue: BucketQueue, ledger: ListenerLedger, store: ObjectStore, routes: RouteTable, hint: Hint
    ) -> None:
        self._queue = queue
        self._ledger = ledger
        self._store = store
        self._routes = routes
        self._hint = hint
        self._ledger_answers = False

    def look(self) -> float:
        if not self._ledger_answers:
            self._ledger.check()
            self._ledger_answers = True
        try:
            self._take(self._queue.receive())
        except LedgerUnavailable:
            self._ledger_answers = False
            raise
        return 0.0

    def _take(self, messages: Sequence[Message]) -> None:
        documents: list[Document] = []
        finished: list[Message] = []
        failure: StorageUnavailable | StorageError | None = None
        for message in messages:
            told, is_whole = self._read(message)
            try:
                documents += [self._completed(each) for each in told]
            except (StorageUnavailable, StorageError) as error:
                # It comes again; the other messages need not wait for it.
                failure = error
                continue
            if is_whole:
                finished.append(message)
        if documents:
            hint_all(self._ledger.record(documents), self._hint)
        self._queue.delete(finished)
        if failure is not None:
            raise failure

    def _completed(self, told: Document) -> Document:
        """The document with its LastModified, where it may have come back after another content of its key.

        An event tells none, and the one that the ledger knows is of an earlier drop: by that, what lies in the
        bucket now would stand behind what lay there in between. Another content, or none, is there by now?
        Then the document is recorded as it was told.
        """
        known = self._ledger.document(told.id)
        if known is None or not self._came_back(told, known):
            return told
        try:
            head = self._store.head(told.bucket, told.key)
        except ObjectNotFound:
            return told
        if head.etag != told.etag:
            return told
        return replace(told, last_modified=head.last_modified, version_id=head.version_id or told.version_id)

    def _came_back(self, told: Document, known: Document) -> bool:
        if not self._ledger.known([told.id]):
            return True
        # It is of a later drop: what lay there in between may not have been told of yet.
        now, before = sequencer.place(told.sequencer), sequencer.place(known.sequencer)
        return now is not None and before is not None and now > before

    def _read(self, message: Message) -> tuple[list[Document], bool]:
        """The documents in a message that a route takes, and whether that is all of it: else it stays for a person."""
        try:
            notification = read_notification(message.body)
        except UnreadableEvent as error:
            log.warning("message is no event", message=message.id, why=str(error))
            return [], False
        for why in notification.ignored:
            log.debug("event ignored", message=message.id, why=why)
        taken = [each for each in notification.created if self._is_taken(each)]
        if notification.unreadable:
            # What can be read is recorded all the same; it will be known when the message comes again.
            log.warning("message is partly unreadable", message=message.id, why=notification.unreadable[0])
        return taken, not notification.unreadable

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
