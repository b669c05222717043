"""Watching a prefix for new objects: it is listed again and again, and the ledger is asked only about what changed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Protocol
from zlib import crc32

import structlog

from headrace.document import Document, is_keepable
from headrace.ledger.records import Recorded
from headrace.storage import ObjectHead, ObjectStore

log = structlog.get_logger()

# A listing is cut into stretches at keys that only their own name chooses, so that a new object changes the
# one stretch that it lies in and not, as with pages of a fixed length, every stretch behind it as well.
SHORTEST_STRETCH = 250
LONGEST_STRETCH = 2000
_ONE_KEY_IN = 500

MOST_RECORDED = 1000
"""A round ends after the stretch that reaches this, so that hints go out soon and little is held in memory."""


class WatchLedger(Protocol):
    """What watching needs of the ledger; each may raise LedgerUnavailable."""

    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]: ...
    def record(self, documents: Sequence[Document]) -> list[Recorded]: ...
    def watch_cursor(self, bucket: str, prefix: str) -> str: ...
    def save_watch_cursor(self, bucket: str, prefix: str, cursor: str) -> None: ...


@dataclass(frozen=True)
class Found:
    """What a round found: what was recorded, how many objects and pages were listed, whether it came to the end."""

    recorded: tuple[Recorded, ...]
    listed: int
    requests: int
    complete: bool


class Watch:
    """Watches one prefix. `takes` says of a key whether an object of that name is a document.

    The first listing, and every stretch that changed, costs one query; what did not change costs none. The
    place after the last stretch that was dealt with is kept in the ledger while a listing is under way, so
    that after a failure, or in another process, it goes on there. Memory: one digest for a stretch.
    """

    def __init__(
        self, store: ObjectStore, ledger: WatchLedger, bucket: str, prefix: str, takes: Callable[[str], bool]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._bucket = bucket
        self._prefix = prefix
        self._takes = takes
        self._cursor: str | None = None
        self._saved = ""
        self._unchanged: set[bytes] = set()
        self._seen: set[bytes] = set()

    def round(self) -> Found:
        """List from where the last round ended, record what is new or newer, and say what was found.

        Raises StorageUnavailable, StorageRefused, ObjectNotFound (no such bucket) and LedgerUnavailable;
        what was dealt with before stays dealt with.
        """
        if self._cursor is None:
            self._cursor = self._saved = self._ledger.watch_cursor(self._bucket, self._prefix)
        pages = _Pages(self._store.list(self._bucket, self._prefix, start_after=self._cursor))
        recorded: list[Recorded] = []
        for stretch in _stretches(pages):
            # Not a key that no ledger keeps and no listing starts behind.
            place = next((head.key for head in reversed(stretch) if is_keepable(head.key)), self._cursor)
            recorded += self._deal_with(stretch, place)
            self._cursor = place
            if len(recorded) >= MOST_RECORDED:
                self._save(place)
                return Found(tuple(recorded), pages.objects, pages.requests, complete=False)
        self._begin_again()
        return Found(tuple(recorded), pages.objects, pages.requests, complete=True)

    def _deal_with(self, stretch: Sequence[ObjectHead], place: str) -> list[Recorded]:
        digest = _digest(stretch)
        recorded: list[Recorded] = []
        if digest not in self._unchanged:
            recorded = self._record_new(stretch)
            self._save(place)
        self._seen.add(digest)
        return recorded

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

    def _begin_again(self) -> None:
        self._cursor = ""
        self._save("")
        self._unchanged, self._seen = self._seen, set()

    def _save(self, cursor: str) -> None:
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


def _stretches(heads: _Pages) -> Iterator[list[ObjectHead]]:
    stretch: list[ObjectHead] = []
    for head in heads:
        stretch.append(head)
        chosen = crc32(head.key.encode("utf-8", "surrogatepass")) % _ONE_KEY_IN == 0
        if (chosen and len(stretch) >= SHORTEST_STRETCH) or len(stretch) >= LONGEST_STRETCH:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _digest(stretch: Sequence[ObjectHead]) -> bytes:
    digest = blake2b(digest_size=16)
    for head in stretch:
        facts = f"{head.key}\0{head.etag}\0{head.last_modified.timestamp()}\0"
        digest.update(facts.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _is_newer(document: Document, known: dict[str, datetime | None]) -> bool:
    """Whether the ledger does not have this content as the current one, or has it with an older LastModified."""
    if document.id not in known:
        return True
    last = known[document.id]
    return last is None or (document.last_modified is not None and document.last_modified > last)
