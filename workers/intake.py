"""What is done with received messages: their documents are recorded and hinted, what cannot be read is parked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from config.routes import RouteTable
from headrace.clock import Clock
from headrace.document import Document
from headrace.errors import LedgerError, LedgerUnavailable, StorageError, StorageUnavailable
from headrace.ledger.parked import MOST_BODY_BYTES, body_bytes, parked_event
from headrace.ledger.records import ParkedEvent, Recorded
from headrace.storage import ObjectStore
from workers.bucket_queue import Message
from workers.comebacks import Comebacks
from workers.doors import Hint, hint_all
from workers.reading import read_message

log = structlog.get_logger()


class IntakeLedger(Protocol):
    """What taking messages in needs of the ledger."""

    def check(self) -> None: ...
    def record(self, documents: Sequence[Document]) -> list[Recorded]: ...
    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]: ...
    def documents_by_id(self, document_ids: Collection[str]) -> dict[str, Document]: ...
    def park(self, events: Sequence[ParkedEvent]) -> set[str]: ...
    def parked_whole(self, events: Sequence[ParkedEvent]) -> set[str]: ...


@dataclass
class Taken:
    """What became of some messages. The ledger has all that is in the `finished` ones, and the `parked` ones whole.

    Those in neither are to come again: an object of theirs could not be asked for, or they are parked in part only.
    """

    finished: list[Message] = field(default_factory=list)
    parked: list[Message] = field(default_factory=list)


@dataclass
class _Opened:
    """A message that was read: its documents that can be recorded now, and what is in the way of the others."""

    message: Message
    documents: list[Document]
    why: str | None
    waits: bool = False


class Intake:
    """Takes messages in, of whatever queue. A process has one: what one door sees of the ledger, all doors know."""

    def __init__(self, ledger: IntakeLedger, store: ObjectStore, routes: RouteTable, hint: Hint, clock: Clock) -> None:
        self._ledger = ledger
        self._store = store
        self._routes = routes
        self._hint = hint
        self._clock = clock
        self._ledger_answers = False

    def check(self) -> None:
        """Raise LedgerUnavailable where the ledger could not take anything: then nothing should be received."""
        if not self._ledger_answers:
            self._ledger.check()
            self._ledger_answers = True

    def take(self, queue: str, messages: Sequence[Message]) -> Taken:
        """Record, hint and park; `queue` is the name that people are shown.

        One bad message or object keeps no other from being taken. Raises LedgerUnavailable where the ledger fails:
        then nothing is certain to be recorded, and `check` asks the ledger before it lets anybody go on.
        """
        try:
            return self._take(queue, messages)
        except LedgerError:
            self._ledger_answers = False
            raise

    def _take(self, queue: str, messages: Sequence[Message]) -> Taken:
        opened = self._open(messages)
        self._record(opened)
        parked = self._park(queue, [one for one in opened if one.why is not None])
        taken = Taken()
        for one in opened:
            if one.why is None and not one.waits:
                taken.finished.append(one.message)
            elif one.message.id in parked and not one.waits:
                taken.parked.append(one.message)
        return taken

    def _open(self, messages: Sequence[Message]) -> list[_Opened]:
        readings = [(message, read_message(message.body, self._routes)) for message in messages]
        told = {document.id for _, reading in readings for document in reading.documents}
        comebacks = Comebacks(self._ledger, self._store, told)
        opened = []
        for message, reading in readings:
            for why in reading.ignored:
                log.debug("event ignored", message=message.id, why=why)
            for document in reading.untaken:
                log.info("no route takes the object", document=document.id, bucket=document.bucket)
            one = _Opened(message, [], reading.why)
            for document in reading.documents:
                try:
                    one.documents.append(comebacks.completed(document))
                except (StorageUnavailable, StorageError) as error:
                    # The message comes again for this one; the others need not wait for it.
                    log.warning("object cannot be looked at", message=message.id, document=document.id, why=str(error))
                    one.waits = True
            opened.append(one)
        return opened

    def _record(self, opened: Sequence[_Opened]) -> None:
        try:
            hint_all(self._ledger.record([each for one in opened for each in one.documents]), self._hint)
        except LedgerUnavailable:
            raise
        except LedgerError:
            for one in opened:
                self._record_each(one)

    def _record_each(self, one: _Opened) -> None:
        """Record a message's documents alone: a value that the ledger cannot keep spoils its own document only."""
        for document in one.documents:
            try:
                hint_all(self._ledger.record([document]), self._hint)
            except LedgerUnavailable:
                raise
            except LedgerError as error:
                one.why = f"{one.why} {error}" if one.why is not None else str(error)

    def _park(self, queue: str, unreadable: Sequence[_Opened]) -> set[str]:
        """Park these messages; the ids of those that are kept whole."""
        if not unreadable:
            return set()
        now = self._clock.now()
        events = [
            parked_event(queue, one.message.id, body_bytes(one.message.body), one.why or "", now) for one in unreadable
        ]
        new = self._ledger.park(events)
        for event in events:
            if event.id in new:
                log.warning("message parked", queue=queue, message=event.message, parked=event.id, why=event.why)
            else:
                # Where the queue puts messages aside, it comes again until that is done.
                log.debug("message is parked already", queue=queue, message=event.message, parked=event.id)
        whole = self._ledger.parked_whole(events)
        return {
            one.message.id
            for one, event in zip(unreadable, events, strict=True)
            if event.id in whole and len(body_bytes(one.message.body)) <= MOST_BODY_BYTES
        }
