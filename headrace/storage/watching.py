"""Watching a prefix for new objects: it is listed again and again, and the ledger is asked only about what changed."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Protocol

import structlog

from headrace.document import Document, is_keepable
from headrace.errors import LedgerError, StorageError, TransientError
from headrace.ledger.records import Recorded
from headrace.storage import ObjectHead, ObjectStore
from headrace.storage.sections import SECTION_KEYS, KeyOrder, Section, begun_again, whole
from headrace.storage.stretches import digest, stretches

log = structlog.get_logger()

MOST_RECORDED = 1000
"""A round ends after the stretch that reaches this, so that hints go out soon and little is held in memory."""

MOST_SIDE_BY_SIDE = 8
"""So many sections of a prefix are listed at once: a store takes about 0.1 s for a page, and we 0.01 s."""

_Failure = TransientError | LedgerError | StorageError


class WatchLedger(Protocol):
    """What watching needs of the ledger; each may raise LedgerUnavailable."""

    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]: ...
    def record(self, documents: Sequence[Document]) -> list[Recorded]: ...
    def watch_cursor(self, bucket: str, prefix: str) -> str: ...
    def save_watch_cursor(self, bucket: str, prefix: str, cursor: str) -> None: ...


@dataclass(frozen=True)
class Found:
    """What a round found: what was recorded, how many objects and pages were listed, whether it came to the end.

    `failures` are of the sections that could not be listed to their ends while others could.
    """

    recorded: tuple[Recorded, ...]
    listed: int
    requests: int
    complete: bool
    failures: tuple[Exception, ...] = ()


@dataclass
class _Tally:
    """What the sections of a round found together."""

    recorded: list[Recorded] = field(default_factory=list)
    listed: int = 0
    requests: int = 0
    failures: dict[Section, _Failure] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Watch:
    """Watches one prefix. `takes` says of a key whether an object of that name is a document.

    The first listing, and every stretch that changed, costs one query; what did not change costs none. A long
    listing is cut into sections, which are listed side by side from the second time on. The place up to which
    all was dealt with is kept in the ledger while a listing is under way, so that after a failure, or in another
    process, it goes on there. Memory: a digest and a key for a stretch, a page and a stretch for each thread.
    """

    def __init__(
        self,
        store: ObjectStore,
        ledger: WatchLedger,
        bucket: str,
        prefix: str,
        takes: Callable[[str], bool],
        *,
        section_keys: int = SECTION_KEYS,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._bucket = bucket
        self._prefix = prefix
        self._takes = takes
        self._section_keys = section_keys
        self._order = KeyOrder()
        self._sections: list[Section] = []
        self._saved = ""
        self._saving = threading.Lock()

    def round(self) -> Found:
        """List from where the last round ended, record what is new or newer, and say what was found.

        Raises StorageUnavailable, StorageRefused, ObjectNotFound (no such bucket) and LedgerUnavailable where no
        section could be listed, or many could not; what was dealt with before stays dealt with.
        """
        if not self._sections:
            self._saved = self._ledger.watch_cursor(self._bucket, self._prefix)
            self._sections = [Section(cursor=self._saved)]
        tally = _Tally()
        due = [section for section in self._sections if not section.is_done]
        _side_by_side(lambda section: self._take_turn(section, tally), due)
        failures = list(tally.failures.values())
        if failures and len(failures) >= min(len(due), MOST_SIDE_BY_SIDE):
            raise failures[0]
        complete = all(section.is_done or section in tally.failures for section in self._sections)
        if len(self._sections) > 1 and not self._order.is_known:
            log.warning("prefix is listed in no known order", bucket=self._bucket, prefix=self._prefix)
            complete = False
            self._begin([whole(self._sections)])
        elif complete:
            known = self._order.is_known
            self._begin(begun_again(self._sections, self._section_keys) if known else [whole(self._sections)])
        return Found(tuple(tally.recorded), tally.listed, tally.requests, complete, tuple(failures))

    def _begin(self, sections: list[Section]) -> None:
        self._sections = sections
        self._save()

    def _take_turn(self, section: Section, tally: _Tally) -> None:
        """Go on with a section; where that fails the others have their turns all the same."""
        if len(tally.recorded) >= MOST_RECORDED or len(tally.failures) >= MOST_SIDE_BY_SIDE:
            return
        pages = _Pages(self._store.list(self._bucket, self._prefix, start_after=section.cursor))
        try:
            self._go_on(section, pages, tally)
        except (TransientError, LedgerError, StorageError) as error:
            tally.failures[section] = error
        with tally.lock:
            tally.listed += pages.objects
            tally.requests += pages.requests

    def _go_on(self, section: Section, pages: "_Pages", tally: _Tally) -> None:
        for stretch in stretches(self._within(section, pages)):
            # Not a key that no ledger keeps and no listing starts behind.
            place = next((head.key for head in reversed(stretch) if is_keepable(head.key)), section.cursor)
            facts = digest(stretch)
            changed = facts not in section.unchanged
            if changed:
                tally.recorded += self._record_new(stretch)
            section.deal_with(facts, place, len(stretch))
            is_enough = len(tally.recorded) >= MOST_RECORDED
            if changed or is_enough:
                self._save()
            if is_enough:
                return
        section.is_done = True

    def _within(self, section: Section, heads: "_Pages") -> Iterator[ObjectHead]:
        """What of a listing belongs to the section."""
        before = section.cursor
        for head in heads:
            self._order.notice(before, head.key)
            if section.until is not None and self._order.is_behind(head.key, section.until):
                return
            yield head
            before = head.key

    def _record_new(self, stretch: Sequence[ObjectHead]) -> list[Recorded]:
        documents = [document for head in stretch if (document := self._document(head)) is not None]
        known = self._ledger.known([document.id for document in documents]) if documents else {}
        new = [document for document in documents if _is_newer(document, known)]
        return self._ledger.record(new) if new else []

    def _document(self, head: ObjectHead) -> Document | None:
        if head.key.endswith("/") or not self._takes(head.key):
            return None
        document = Document(self._bucket, head.key, head.etag, size=head.size, last_modified=head.last_modified)
        if not document.is_keepable:
            log.warning("object cannot be recorded", document=document.id, bucket=self._bucket, prefix=self._prefix)
            return None
        return document

    def _save(self) -> None:
        """Keep the place up to which all was dealt with."""
        with self._saving:
            cursor = next((section.cursor for section in self._sections if not section.is_done), "")
            if cursor != self._saved:
                self._ledger.save_watch_cursor(self._bucket, self._prefix, cursor)
                self._saved = cursor


class _Pages:
    """The objects of a listing one after the other, counted."""

    def __init__(self, pages: Iterator[list[ObjectHead]]) -> None:
        self._pages = pages
        self.requests = 0
        self.objects = 0

    def __iter__(self) -> Iterator[ObjectHead]:
        for page in self._pages:
            self.requests += 1
            self.objects += len(page)
            yield from page


def _side_by_side(work: Callable[[Section], None], sections: Sequence[Section]) -> None:
    """Do the work of every section, up to eight at once, in threads that do not keep the process from ending."""
    if len(sections) == 1:
        work(sections[0])
        return
    waiting: SimpleQueue[Section] = SimpleQueue()
    for section in sections:
        waiting.put(section)
    unforeseen: list[BaseException] = []

    def run() -> None:
        try:
            while True:
                work(waiting.get_nowait())
        except Empty:
            return
        except BaseException as error:
            unforeseen.append(error)

    threads = [
        threading.Thread(target=run, name=f"section-{number}", daemon=True)
        for number in range(min(MOST_SIDE_BY_SIDE, len(sections)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if unforeseen:
        raise unforeseen[0]


def _is_newer(document: Document, known: dict[str, datetime | None]) -> bool:
    """Whether the ledger does not have this content as the current one, or has it with an older LastModified."""
    if document.id not in known:
        return True
    last = known[document.id]
    return last is None or (document.last_modified is not None and document.last_modified > last)
