"""The seam to the object store: S3 and everything that speaks it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO, NamedTuple, Protocol, Self


class Location(NamedTuple):
    """A bucket and a prefix without slash at its end: `s3://bucket/prefix`."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `s3://bucket/prefix`; ValueError for anything else."""
        scheme, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise ValueError(f"{url!r} is not of the form s3://bucket/prefix.")
        return cls(bucket, prefix.rstrip("/"))

    def key(self, *parts: str) -> str:
        """The key of something below this place."""
        return "/".join([self.prefix, *parts]) if self.prefix else "/".join(parts)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What a HEAD or a listing tells of an object; a listing has no version, metadata or type.

    `etag` has no quotes; `last_modified` is in whole seconds, UTC.
    """

    key: str
    etag: str
    size: int
    last_modified: datetime
    version_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


class StoredObject(NamedTuple):
    """An object and its whole content, as of one moment."""

    head: ObjectHead
    body: bytes


class ObjectStore(Protocol):
    """Objects in buckets.

    Every method raises StorageUnavailable where the store cannot be reached or has a fault of its
    own, StorageRefused where it refuses our key or right, ObjectNotFound where there is nothing.
    """

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectHead: ...

    def get(
        self,
        bucket: str,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        most_bytes: int | None = None,
    ) -> StoredObject:
        """The head and all bytes in one call: only for what is known to be small. PreconditionFailed if replaced.

        With `most_bytes` no more are read of an object that is larger after all.
        """
        ...

    def read(
        self,
        bucket: str,
        key: str,
        *,
        start: int = 0,
        length: int | None = None,
        version_id: str | None = None,
        if_match: str | None = None,
    ) -> bytes:
        """Bytes `start` to `start + length` (to the end without one); PreconditionFailed if replaced."""
        ...

    def stream(
        self, bucket: str, key: str, *, version_id: str | None = None, if_match: str | None = None
    ) -> Iterator[bytes]:
        """The bytes once through, in pieces of at most 64 KB; never all of them in memory."""
        ...

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | BinaryIO,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_none_match: bool = False,
    ) -> str:
        """Write, and return the new eTag; PreconditionFailed (on 409 and 412) where the condition fails.

        A file is read in pieces, from where it stands.
        """
        ...

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[list[ObjectHead]]:
        """The objects below a prefix, up to 1,000 at a time, after the key `start_after`.

        The order is always the same and the store's own: by the bytes of the keys on S3, but folder by folder
        on SeaweedFS ("b/c" before "b.pdf"). So go on after the last key listed, and compare no keys.
        """
        ...

    def presign(self, bucket: str, key: str, *, version_id: str | None, valid_for: timedelta) -> str:
        """A URL that lets its holder read the object for this long."""
        ...

    def delete(self, bucket: str, key: str) -> None: ...

    def create_bucket(self, bucket: str) -> None:
        """Make sure that the bucket exists."""
        ...
