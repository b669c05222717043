"""A document's bytes, read from the bucket as exactly the content that the ledger knows."""

from collections.abc import Iterator

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


class StoredSource:
    """Implements headrace.providers.Source: by versionId where the object has one, else with If-Match."""

    def __init__(self, store: ObjectStore, document: Document, size: int, media_type: str, url: str | None = None):
        self.name = document.name
        self.size = size
        self.media_type = media_type
        self.url = url
        self._store = store
        self._document = document

    def chunks(self) -> Iterator[bytes]:
        document = self._document
        try:
            yield from self._store.stream(
                document.bucket, document.key, version_id=document.version_id, if_match=_condition(document)
            )
        except ObjectNotFound as error:
            raise gone(document) from error
        except PreconditionFailed as error:
            raise replaced(document) from error
        except StorageRefused as error:
            raise refused(error) from error

    def read_range(self, start: int, length: int) -> bytes:
        """Some of the bytes; raises like `chunks`."""
        document = self._document
        try:
            return self._store.read(
                document.bucket,
                document.key,
                start=start,
                length=length,
                version_id=document.version_id,
                if_match=_condition(document),
            )
        except ObjectNotFound as error:
            raise gone(document) from error
        except PreconditionFailed as error:
            raise replaced(document) from error
        except StorageRefused as error:
            raise refused(error) from error


def head_of(store: ObjectStore, document: Document) -> ObjectHead:
    """The head of exactly this content.

    Raises DocumentGone where nothing is there any more, DocumentReplaced where another content is, SourceRefused
    where the store does not let us look.
    """
    try:
        head = store.head(document.bucket, document.key, version_id=document.version_id)
    except ObjectNotFound as error:
        raise gone(document) from error
    except StorageRefused as error:
        raise refused(error) from error
    if head.etag != document.etag:
        raise replaced(document)
    return head


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
