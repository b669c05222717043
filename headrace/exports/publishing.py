"""Putting files into a bucket so that the newer one stands, whoever writes last."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog
from pydantic import ValidationError

from headrace.document import Document
from headrace.errors import ObjectNotFound, PreconditionFailed, StorageUnavailable
from headrace.exports.files import OutputFile
from headrace.exports.manifest import Manifest, merged
from headrace.exports.order import Age, Order
from headrace.faults import fault_point
from headrace.storage import ObjectHead, ObjectStore

log = structlog.get_logger()

TRIES = 10


class Written(StrEnum):
    """What became of one file."""

    CREATED = "created"
    REPLACED = "replaced"
    LEFT_OUT = "left out"


class Overtaken(Exception):
    """A newer file stands; `order` is its place."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.order = order


class KnownContents(Protocol):
    """What the ledger knows now of the contents of a key. Each may raise LedgerUnavailable."""

    def documents_by_id(self, document_ids: Collection[str]) -> dict[str, Document]: ...
    def told_last(self, bucket: str, key: str) -> str | None: ...


class NothingKnown:
    """Where there is no ledger: only what publications say of themselves counts."""

    def documents_by_id(self, document_ids: Collection[str]) -> dict[str, Document]:  # noqa: ARG002  as the ledger
        return {}

    def told_last(self, bucket: str, key: str) -> str | None:  # noqa: ARG002  as the ledger
        return None


@dataclass(frozen=True)
class Publication:
    """What one run publishes: into `bucket`, for the object `source_key` in `source_bucket`.

    Read, compare, PUT under the condition that nothing changed since, and again where it did.
    """

    store: ObjectStore
    contents: KnownContents
    bucket: str
    source_bucket: str
    source_key: str
    order: Order
    manifest_key: str

    def put_file(self, file: OutputFile, *, expect_none: bool) -> Written:
        """Write one file; Overtaken where a newer one stands. `expect_none` saves looking first."""
        if file.optional and expect_none:
            return Written.LEFT_OUT
        standing = None if expect_none else self._head(file.facts.key)
        for _ in range(TRIES):
            if standing is None and file.optional:
                return Written.LEFT_OUT
            if standing is not None:
                self._refuse_newer(standing)
            try:
                self._put_file(file, standing)
            except PreconditionFailed:
                standing = self._head(file.facts.key)
            else:
                return Written.CREATED if standing is None else Written.REPLACED
        raise self.contended(file.facts.key)

    def put_manifest(self, ours: Manifest, standing: tuple[Manifest | None, str] | None) -> Manifest:
        """Write the manifest, merged with the one that stands; returns what stands afterwards.

        `standing` is what `manifest` found there before the files were written; PreconditionFailed where another one
        stands now.
        """
        there, etag = standing if standing is not None else (None, None)
        result = merged(ours, there, self.may_replace)
        if result != there:
            self._put_manifest(result, etag)
        return result

    def manifest(self) -> tuple[Manifest | None, str] | None:
        """The manifest that stands and its eTag; None for the manifest where it cannot be read."""
        try:
            head, body = self.store.get(self.bucket, self.manifest_key)
        except ObjectNotFound:
            return None
        try:
            return Manifest.model_validate_json(body), head.etag
        except ValidationError:
            log.warning("damaged manifest replaced", bucket=self.bucket, key=self.manifest_key)
            return None, head.etag

    def may_replace(self, ours: Order, theirs: Order) -> bool:
        """Whether ours is at least as new; the bucket decides where LastModified does not.

        A content that was dropped once more stands where its last drop is, whatever was known when it was published.
        """
        known = self.contents.documents_by_id({ours.document, theirs.document})
        ours, theirs = (order.as_known(known.get(order.document)) for order in (ours, theirs))
        age = ours.compare(theirs)
        if ours.may_be_of_one_moment(theirs):
            told_last = self.contents.told_last(self.source_bucket, self.source_key)
            age = ours.settle(theirs, self._current_etag(), told_last)
        return age is not Age.OLDER

    def contended(self, key: str) -> StorageUnavailable:
        """What to raise where others write again and again what we were about to."""
        return StorageUnavailable(f"s3://{self.bucket}/{key} changed {TRIES} times while it was written.")

    def _refuse_newer(self, standing: ObjectHead) -> None:
        theirs = Order.read(standing.metadata)
        if theirs is None:
            log.warning("foreign object in the output replaced", bucket=self.bucket, key=standing.key)
        elif not self.may_replace(self.order, theirs):
            raise Overtaken(theirs)

    def _current_etag(self) -> str | None:
        try:
            return self.store.head(self.source_bucket, self.source_key).etag
        except ObjectNotFound:
            return None

    def _head(self, key: str) -> ObjectHead | None:
        try:
            return self.store.head(self.bucket, key)
        except ObjectNotFound:
            return None

    def _put_file(self, file: OutputFile, standing: ObjectHead | None) -> None:
        fault_point("exports.file.before")
        self.store.put(
            self.bucket,
            file.facts.key,
            file.body,
            content_type=file.content_type,
            metadata=self.order.metadata(),
            if_match=standing.etag if standing is not None else None,
            if_none_match=standing is None,
        )
        fault_point("exports.file.after")

    def _put_manifest(self, manifest: Manifest, etag: str | None) -> None:
        body, metadata = manifest.to_bytes(), manifest.order.metadata()
        fault_point("exports.manifest.before")
        self.store.put(
            self.bucket,
            self.manifest_key,
            body,
            content_type="application/json",
            metadata=metadata,
            if_match=etag,
            if_none_match=etag is None,
        )
        fault_point("exports.manifest.after")
