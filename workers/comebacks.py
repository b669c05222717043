"""Documents that are told of once more: which of them may have come back after another content of their key."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from headrace import sequencer
from headrace.document import Document
from headrace.errors import ObjectNotFound
from headrace.storage import ObjectStore


class KnownDocuments(Protocol):
    """What the ledger knows of documents."""

    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]: ...
    def documents_by_id(self, document_ids: Collection[str]) -> dict[str, Document]: ...


class Comebacks:
    """What the ledger knew of these documents before they were told of now."""

    def __init__(self, ledger: KnownDocuments, store: ObjectStore, document_ids: Collection[str]) -> None:
        self._store = store
        self._known = ledger.documents_by_id(document_ids)
        self._current = ledger.known(self._known) if self._known else {}

    def completed(self, told: Document) -> Document:
        """The document with its LastModified, where it may have come back after another content of its key.

        An event tells none, and the one that the ledger knows is of an earlier drop: by that, what lies in the
        bucket now would stand behind what lay there in between. Another content, or none, is there by now?
        Then the document is recorded as it was told. Raises StorageUnavailable or StorageError.
        """
        known = self._known.get(told.id)
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
        if told.id not in self._current:
            return True
        # It is of another drop: what lay there in between may not have been told of yet.
        if told.version_id is not None and told.version_id != known.version_id:
            return True
        now, before = sequencer.place(told.sequencer), sequencer.place(known.sequencer)
        return now is not None and before is not None and now > before
