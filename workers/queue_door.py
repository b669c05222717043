"""The door at a queue of bucket notifications."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from config.routes import RouteTable
from headrace import sequencer
from headrace.document import Document
from headrace.errors import LedgerUnavailable, ObjectNotFound, StorageError, StorageUnavailable, UnreadableEvent
from headrace.events import read_notification
from headrace.storage import ObjectStore
from workers.bucket_queue import BucketQueue, Message
from workers.doors import Hint, ListenerLedger, hint_all

log = structlog.get_logger()


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
