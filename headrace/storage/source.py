"""A document's bytes, read from the bucket as exactly the content that the ledger knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from headrace.document import Document
from headrace.errors import (
    DocumentGone,
    DocumentReplaced,
    ObjectNotFound,
    PreconditionFailed,
    SourceRefused,
    StorageRefused,
)
from headrace.storage import ObjectHead, ObjectStore

# So few bytes may be in memory as a whole, in each thread that sends.
SMALL_BYTES = 256 * 1024


class Opened(NamedTuple):
    """An object's head, and its content where that was read with it."""

    head: ObjectHead
    body: bytes | None


class StoredSource:
    """Implements headrace.providers.Source: by versionId where the object has one, else with If-Match."""

    def __init__(
        self,
        store: ObjectStore,
        document: Document,
        size: int,
        media_type: str,
        *,
        url: str | None = None,
        body: bytes | None = None,
    ) -> None:
        """`body` is its whole content, where that was read already."""
        self.name = document.name
        self.size = size
        self.media_type = media_type
        self.url = url
        self._store = store
        self._document = document
        self._body = body

    def chunks(self) -> Iterator[bytes]:
        document = self._document
        if self._body is not None:
            yield self._body
            return
        with _told_of(document):
            yield from self._store.stream(
                document.bucket, document.key, version_id=document.version_id, if_match=_condition(document)
            )

    def read_range(self, start: int, length: int) -> bytes:
        """Some of the bytes; raises like `chunks`."""
        document = self._document
        if self._body is not None:
            return self._body[start : start + length]
        with _told_of(document):
            return self._store.read(
                document.bucket,
                document.key,
                start=start,
                length=length,
                version_id=document.version_id,
                if_match=_condition(document),
            )


def head_of(store: ObjectStore, document: Document) -> ObjectHead:
    """The head of exactly this content.

    Raises DocumentGone where nothing is there any more, DocumentReplaced where another content is, SourceRefused
    where the store does not let us look.
    """
    with _told_of(document):
        return _expected(store.head(document.bucket, document.key, version_id=document.version_id), document)


def opened(store: ObjectStore, document: Document) -> Opened:
    """The head of exactly this content, with its bytes where they are few: both come in one call then.

    The document's size is believed only so far: of what is larger after all no more is read. Raises like `head_of`.
    """
    if document.size is None or document.size > SMALL_BYTES:
        return Opened(head_of(store, document), None)
    with _told_of(document):
        head, body = store.get(
            document.bucket,
            document.key,
            version_id=document.version_id,
            if_match=document.etag,
            most_bytes=SMALL_BYTES,
        )
    # There are stores that give another content in spite of the condition.
    return Opened(_expected(head, document), body if head.size <= SMALL_BYTES else None)


def _expected(head: ObjectHead, document: Document) -> ObjectHead:
    if head.etag != document.etag:
        raise replaced(document)
    return head


@contextmanager
def _told_of(document: Document) -> Iterator[None]:
    """What the store refuses is told as what became of the document."""
    try:
        yield
    except ObjectNotFound as error:
        raise gone(document) from error
    except PreconditionFailed as error:
        raise replaced(document) from error
    except StorageRefused as error:
        raise refused(error) from error


def _condition(document: Document) -> str | None:
    return document.etag if document.version_id is None else None


def gone(document: Document) -> DocumentGone:
    return DocumentGone(f"{document.url} was removed before it was read.")


def replaced(document: Document) -> DocumentReplaced:
    return DocumentReplaced(
        f"{document.url} holds another content now (it was {document.etag}); the new content has a run of its own."
    )


def refused(error: StorageRefused) -> SourceRefused:
    return SourceRefused(str(error))
