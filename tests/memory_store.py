"""An object store in memory that keeps what the real ones promise: conditions, eTags, versions, order of keys."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import BinaryIO

from headrace.errors import ObjectNotFound, PreconditionFailed
from headrace.storage import ObjectHead, StoredObject

PIECE_BYTES = 64 * 1024


@dataclass
class InMemoryStore:
    """Implements headrace.storage.ObjectStore. `before` is called ahead of every call, with its name and key.

    Buckets in `versioned` keep every version; a bucket comes into being when it is first written to.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    versioned: set[str] = field(default_factory=set)
    before: Callable[[str, str], None] = lambda _call, _key: None

    def __post_init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.RLock()
        self._buckets: dict[str, dict[str, list[StoredObject]]] = {}
        self._writes = 0

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectHead:
        return self._get("head", bucket, key, version_id).head

    def get(
        self,
        bucket: str,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        most_bytes: int | None = None,
    ) -> StoredObject:
        stored = self._get("read", bucket, key, version_id)
        if if_match is not None and stored.head.etag != if_match:
            raise PreconditionFailed(f"s3://{bucket}/{key} changed meanwhile.")
        return StoredObject(stored.head, stored.body[:most_bytes])

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
        stored = self._get("read", bucket, key, version_id)
        if if_match is not None and stored.head.etag != if_match:
            raise PreconditionFailed(f"s3://{bucket}/{key} changed meanwhile.")
        return stored.body[start : None if length is None else start + length]

    def stream(
        self, bucket: str, key: str, *, version_id: str | None = None, if_match: str | None = None
    ) -> Iterator[bytes]:
        body = self.read(bucket, key, version_id=version_id, if_match=if_match)
        for start in range(0, len(body), PIECE_BYTES):
            yield body[start : start + PIECE_BYTES]

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
        self._note("put", key)
        content = body if isinstance(body, bytes) else body.read()
        with self._lock:
            versions = self._buckets.setdefault(bucket, {}).get(key, [])
            if if_none_match and versions:
                raise PreconditionFailed(f"s3://{bucket}/{key} exists.")
            if if_match is not None and (not versions or versions[-1].head.etag != if_match):
                raise PreconditionFailed(f"s3://{bucket}/{key} changed meanwhile.")
            self._writes += 1
            head = ObjectHead(
                key=key,
                etag=md5(content).hexdigest(),
                size=len(content),
                last_modified=self.now().astimezone(UTC).replace(microsecond=0),
                version_id=f"v{self._writes:08}" if bucket in self.versioned else None,
                metadata={name.lower(): value for name, value in (metadata or {}).items()},
                content_type=content_type,
            )
            kept = versions if bucket in self.versioned else []
            self._buckets[bucket][key] = [*kept, StoredObject(head, content)]
            return head.etag

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[list[ObjectHead]]:
        self._note("list", prefix)
        with self._lock:
            if bucket not in self._buckets:
                raise ObjectNotFound(f"There is no bucket {bucket}.")
            # A hostile store may list a key that is no text; to begin behind one, a client cannot ask.
            encoded = {key: key.encode("utf-8", "surrogatepass") for key in self._buckets[bucket]}
            keys = sorted((key for key in encoded if key.startswith(prefix)), key=lambda key: encoded[key])
            heads = [self._buckets[bucket][key][-1].head for key in keys if encoded[key] > start_after.encode()]
        for start in range(0, len(heads), 1000):
            yield [
                ObjectHead(head.key, head.etag, head.size, head.last_modified) for head in heads[start : start + 1000]
            ]

    def presign(self, bucket: str, key: str, *, version_id: str | None, valid_for: timedelta) -> str:
        return f"memory://{bucket}/{key}?version={version_id or ''}&seconds={int(valid_for.total_seconds())}"

    def delete(self, bucket: str, key: str) -> None:
        self._note("delete", key)
        with self._lock:
            self._buckets.get(bucket, {}).pop(key, None)

    def create_bucket(self, bucket: str) -> None:
        with self._lock:
            self._buckets.setdefault(bucket, {})

    def keys(self, bucket: str) -> tuple[str, ...]:
        """What lies in a bucket, for tests to look at."""
        return tuple(sorted(self._buckets.get(bucket, {})))

    def _get(self, call: str, bucket: str, key: str, version_id: str | None) -> StoredObject:
        self._note(call, key)
        with self._lock:
            versions = self._buckets.get(bucket, {}).get(key, [])
            found = [stored for stored in versions if version_id in {None, stored.head.version_id}]
        if not found:
            raise ObjectNotFound(f"There is nothing at s3://{bucket}/{key}.")
        return found[-1]

    def _note(self, call: str, key: str) -> None:
        self.calls.append((call, key))
        self.before(call, key)
