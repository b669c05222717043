"""Comparing a whole prefix with the ledger: what is missing there is recorded, what is gone from here is marked.

Both come in the order in which the store lists, a page and what the ledger has between its first key and its last,
so that neither is ever held whole.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Protocol, Self

import structlog

from headrace.document import Document, is_keepable
from headrace.errors import ObjectNotFound, StorageRefused
from headrace.ledger.records import Lying, Recorded
from headrace.storage import ObjectHead, ObjectStore
from headrace.storage.sections import by_bytes, by_folders
from headrace.storage.spans import Span, below, between_by_bytes, between_by_folders, within

log = structlog.get_logger()

MOST_LYING = 1000
"""So many keys are asked of the ledger at once."""

HEADS_AT_ONCE = 8

_ORDERS: Mapping[str, tuple[Callable[[str], str], Callable[[str, str | None], list[Span]]]] = {
    "bytes": (by_bytes, between_by_bytes),
    "folders": (by_folders, between_by_folders),
}


class ScanLedger(Protocol):
    """What a scan needs of the ledger; each may raise LedgerUnavailable."""

    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]: ...
    def record(self, documents: Sequence[Document]) -> list[Recorded]: ...
    def lying(self, bucket: str, start: str, stop: str | None, limit: int) -> list[Lying]: ...
    def mark_gone(self, missing: Sequence[Lying]) -> int: ...


@dataclass(frozen=True)
class Found:
    """What a scan found so far.

    `listed` objects are in the bucket, and `no_documents` of them no route takes. `new` were recorded, `again` of
    those known are looked at again (other content, or back), `gone` were marked. `unconfirmed` were not listed, and
    the store does not say whether they are there. `requests` are pages of listings, `heads` single questions.
    """

    listed: int = 0
    no_documents: int = 0
    new: int = 0
    again: int = 0
    gone: int = 0
    unconfirmed: int = 0
    requests: int = 0
    heads: int = 0

    def plus(self, other: "Found") -> "Found":
        return Found(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Progress:
    """How far a scan has come: all up to `cursor` was dealt with.

    Behind it, what the ledger has was asked for up to `asked`, in the order of the keys' bytes: so much may be gone
    at one place of the listing that it takes several sittings. `orders` are those in which the store may list, the
    likely one first. Without any, what is gone is not found.
    """

    cursor: str = ""
    found: Found = Found()
    orders: tuple[str, ...] = tuple(_ORDERS)
    finished: bool = False
    asked: str = ""

    @classmethod
    def read(cls, cursor: str, facts: Mapping[str, Any], *, finished: bool = False) -> Self:
        """What `facts` gave, as it was kept."""
        found = Found(**{name: int(facts.get(name, 0)) for name in vars(Found())})
        kept = facts.get("orders", list(_ORDERS))
        orders = tuple(order for order in kept if order in _ORDERS)
        return cls(cursor, found, orders, finished, facts.get("asked", ""))

    @property
    def facts(self) -> dict[str, Any]:
        """What is kept beside the cursor: JSON's values."""
        return {**vars(self.found), "orders": list(self.orders), "asked": self.asked}

    def anew(self) -> Self:
        """The beginning of the next scan; it is told of the order that this one has learnt."""
        return type(self)(orders=(*self.orders, *(order for order in _ORDERS if order not in self.orders)))


@dataclass(frozen=True)
class Step:
    """A page that was dealt with, or a piece of it: how far the scan has come with it, and what was recorded."""

    progress: Progress
    recorded: tuple[Recorded, ...] = ()


@dataclass
class _Page:
    """What was found on one page."""

    found: Found = field(default_factory=Found)
    recorded: list[Recorded] = field(default_factory=list)

    def count(self, **more: int) -> None:
        self.found = self.found.plus(Found(**more))

    def record(self, recorded: Sequence[Recorded]) -> None:
        self.recorded += recorded
        new = sum(one.new for one in recorded)
        self.count(new=new, again=sum(one.hint is not None for one in recorded) - new)


class Scan:
    """Scans one prefix. `takes` says of a key whether an object of that name is a document: no other is touched."""

    def __init__(
        self, store: ObjectStore, ledger: ScanLedger, bucket: str, prefix: str, takes: Callable[[str], bool]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._bucket = bucket
        self._prefix = prefix
        self._takes = takes

    def steps(self, progress: Progress) -> Iterator[Step]:
        """Go on from there, a page at a time, to the end; where much of the ledger lies at one page, in pieces.

        Whoever stops after a step, or dies, goes on from the last progress that was kept: what was dealt with twice
        is the same as once. Raises StorageUnavailable, StorageRefused, ObjectNotFound (no such bucket) and
        LedgerUnavailable.
        """
        while not progress.finished:
            for step in self._listed(progress):
                progress = step.progress
                yield step

    def _listed(self, progress: Progress) -> Iterator[Step]:
        """The steps of one listing, to its end or until it turns out to be in another order."""
        for heads in self._store.list(self._bucket, self._prefix, start_after=progress.cursor):
            keepable = [head for head in heads if is_keepable(head.key)]
            orders = self._orders(progress, keepable)
            if orders != progress.orders:
                log.info("prefix is listed in another order", bucket=self._bucket, prefix=self._prefix, orders=orders)
                if orders:
                    # What is behind a key was another thing until now.
                    found = replace(progress.found, listed=0, no_documents=0)
                    yield Step(Progress(found=found, orders=orders))
                    return
                progress = replace(progress, orders=orders)
            page = _Page()
            page.count(requests=1, listed=len(heads), no_documents=len(heads) - len(keepable))
            until = keepable[-1].key if keepable else progress.cursor
            if keepable:
                for progress in self._compared(progress, page, keepable, self._spans(progress, until)):  # noqa: B020
                    yield Step(progress)
            progress = replace(progress, cursor=until, asked="", found=progress.found.plus(page.found))
            yield Step(progress, tuple(page.recorded))
        page = _Page()
        for progress in self._compared(progress, page, [], self._spans(progress, None)):  # noqa: B020
            yield Step(progress)
        found = progress.found.plus(page.found)
        yield Step(replace(progress, found=found, asked="", finished=True), tuple(page.recorded))

    def _orders(self, progress: Progress, heads: Sequence[ObjectHead]) -> tuple[str, ...]:
        """Those of the orders that are possible in which this page comes, behind the cursor."""
        keys = [progress.cursor, *(head.key for head in heads)]

        def is_kept(order: str) -> bool:
            place = _ORDERS[order][0]
            return all(earlier <= later for earlier, later in pairwise(map(place, keys)))

        # The others only matter once this one is wrong.
        if progress.orders and is_kept(progress.orders[0]):
            return progress.orders
        return tuple(order for order in progress.orders[1:] if is_kept(order))

    def _spans(self, progress: Progress, until: str | None) -> list[Span] | None:
        """What of the ledger belongs to what is listed behind the cursor; None where nobody knows."""
        if not progress.orders:
            return None
        between = _ORDERS[progress.orders[0]][1]
        return within(between(progress.cursor, until), below(self._prefix))

    def _compared(
        self, progress: Progress, page: _Page, heads: Sequence[ObjectHead], spans: Sequence[Span] | None
    ) -> Iterator[Progress]:
        """Compare a page with what the ledger has there; how far that came, after each piece of the ledger's."""
        listed = {}
        for head in heads:
            document = self._document(head)
            if document is not None:
                listed[head.key] = document
        page.count(no_documents=len(heads) - len(listed))
        if spans is None:
            known = self._ledger.known([document.id for document in listed.values()]) if listed else {}
            missing = [one for one in listed.values() if one.id not in known or _is_newer(one, known[one.id])]
        else:
            unknown = dict(listed)
            missing = []
            for lying in self._lying(spans, progress.asked):
                gone = self._mark_gone([one for one in lying if one.key not in listed and one.gone_at is None])
                for one in lying:
                    there = unknown.pop(one.key, None)
                    if there is not None and _is_news(there, one):
                        missing.append(there)
                progress = replace(progress, found=progress.found.plus(gone), asked=lying[-1].key)
                yield progress
            # What was compared in an earlier sitting is among them: recording it again changes nothing.
            missing += unknown.values()
        if missing:
            page.record(self._ledger.record(missing))

    def _document(self, head: ObjectHead) -> Document | None:
        if head.key.endswith("/") or not self._takes(head.key):
            return None
        document = Document(self._bucket, head.key, head.etag, size=head.size, last_modified=head.last_modified)
        return document if document.is_keepable else None

    def _lying(self, spans: Sequence[Span], asked: str) -> Iterator[list[Lying]]:
        """What the ledger has there behind `asked`, piece by piece, in the order of the bytes, as the spans are."""
        for span in spans:
            start = max(span.start, f"{asked}\x01") if asked else span.start
            while span.stop is None or start < span.stop:
                lying = self._ledger.lying(self._bucket, start, span.stop, MOST_LYING)
                if lying:
                    yield lying
                if len(lying) < MOST_LYING:
                    break
                start = f"{lying[-1].key}\x01"

    def _mark_gone(self, unlisted: Sequence[Lying]) -> Found:
        """Ask for each object that was not listed, and mark those that are not there."""
        asked = [one for one in unlisted if not one.key.endswith("/") and self._takes(one.key)]
        if not asked:
            return Found()
        with ThreadPoolExecutor(HEADS_AT_ONCE, thread_name_prefix="scan-head") as pool:
            there = list(pool.map(self._is_there, asked))
        missing = [one for one, is_there in zip(asked, there, strict=True) if is_there is False]
        return Found(heads=len(asked), unconfirmed=there.count(None), gone=self._ledger.mark_gone(missing))

    def _is_there(self, one: Lying) -> bool | None:
        """Whether something lies under the key; None where the store does not say."""
        try:
            self._store.head(self._bucket, one.key)
        except ObjectNotFound:
            return False
        except StorageRefused as error:
            log.warning("object cannot be asked for", document=one.document_id, why=str(error))
            return None
        return True


def _is_news(document: Document, lying: Lying) -> bool:
    """Whether the ledger has another content there, nothing any more, or the same with an older LastModified."""
    if document.id != lying.document_id or lying.gone_at is not None:
        return True
    return _is_newer(document, lying.last_modified)


def _is_newer(document: Document, last: datetime | None) -> bool:
    return last is None or (document.last_modified is not None and document.last_modified > last)
