"""Putting files into a bucket so that the newer one stands, whoever writes last."""

from dataclasses import dataclass
from enum import StrEnum

import structlog
from pydantic import ValidationError

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
    KEPT_NEWER = "kept newer"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Publication:
    """What one run publishes: into `bucket`, for the object `source_key` in `source_bucket`.

    Read, compare, PUT under the condition that nothing changed since, and again where it did.
    """

    store: ObjectStore
    bucket: str
    source_bucket: str
    source_key: str
    order: Order

    def put_file(self, file: OutputFile, *, expect_none: bool) -> Written:
        """Write one file, unless a newer one stands. `expect_none` saves looking first."""
        if file.optional and expect_none:
            return Written.LEFT_OUT
        standing = None if expect_none else self._head(file.facts.key)
        for _ in range(TRIES):
            if standing is None and file.optional:
                return Written.LEFT_OUT
            if standing is not None and not self._may_replace_object(standing):
                return Written.KEPT_NEWER
            try:
                self._put_file(file, standing)
            except PreconditionFailed:
                standing = self._head(file.facts.key)
            else:
                return Written.CREATED if standing is None else Written.REPLACED
        raise self._contended(file.facts.key)

    def put_manifest(self, key: str, ours: Manifest, standing: tuple[Manifest | None, str] | None) -> Manifest:
        """Write the manifest, merged with the one that stands; returns what stands afterwards.

        `standing` is what `manifest` found there a moment ago.
        """
        for _ in range(TRIES):
            there, etag = standing if standing is not None else (None, None)
            result = merged(ours, there, self.may_replace)
            if result == there:
                return result
            try:
                self._put_manifest(key, result, etag)
            except PreconditionFailed:
                standing = self.manifest(key)
            else:
                return result
        raise self._contended(key)

    def manifest(self, key: str) -> tuple[Manifest | None, str] | None:
        """The manifest that stands and its eTag; None for the manifest where it cannot be read."""
        for _ in range(TRIES):
            head = self._head(key)
            if head is None:
                return None
            try:
                body = self.store.read(self.bucket, key, if_match=head.etag)
            except (ObjectNotFound, PreconditionFailed):
                continue
            try:
                return Manifest.model_validate_json(body), head.etag
            except ValidationError:
                log.warning("damaged manifest replaced", bucket=self.bucket, key=key)
                return None, head.etag
        raise self._contended(key)

    def may_replace(self, ours: Order, theirs: Order) -> bool:
        """Whether ours is at least as new; the bucket decides where nothing else does."""
        age = ours.compare(theirs)
        if age is Age.UNDECIDED:
            age = ours.settle(theirs, self._current_etag())
        return age is not Age.OLDER

    def _may_replace_object(self, standing: ObjectHead) -> bool:
        theirs = Order.read(standing.metadata)
        if theirs is None:
            log.warning("foreign object in the output replaced", bucket=self.bucket, key=standing.key)
            return True
        return self.may_replace(self.order, theirs)

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

    def _put_manifest(self, key: str, manifest: Manifest, etag: str | None) -> None:
        body, metadata = manifest.to_bytes(), manifest.order.metadata()
        fault_point("exports.manifest.before")
        self.store.put(
            self.bucket,
            key,
            body,
            content_type="application/json",
            metadata=metadata,
            if_match=etag,
            if_none_match=etag is None,
        )
        fault_point("exports.manifest.after")

    def _contended(self, key: str) -> StorageUnavailable:
        return StorageUnavailable(f"s3://{self.bucket}/{key} changed {TRIES} times while it was written.")
