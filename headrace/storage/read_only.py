"""An object store that is only looked at."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import BinaryIO, NoReturn

from headrace.storage import ObjectHead, ObjectStore, StoredObject


class ReadOnlyStore:
    """Implements ObjectStore on another one: what reads goes through, what would write is a fault of the caller."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectHead:
        return self._store.head(bucket, key, version_id=version_id)

    def get(
        self,
        bucket: str,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        most_bytes: int | None = None,
    ) -> StoredObject:
        return self._store.get(bucket, key, version_id=version_id, if_match=if_match, most_bytes=most_bytes)

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
        return self._store.read(bucket, key, start=start, length=length, version_id=version_id, if_match=if_match)

    def stream(
        self, bucket: str, key: str, *, version_id: str | None = None, if_match: str | None = None
    ) -> Iterator[bytes]:
        return self._store.stream(bucket, key, version_id=version_id, if_match=if_match)

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[list[ObjectHead]]:
        return self._store.list(bucket, prefix, start_after=start_after)

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | BinaryIO,  # noqa: ARG002  the seam's
        *,
        content_type: str = "application/octet-stream",  # noqa: ARG002
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002
        if_match: str | None = None,  # noqa: ARG002
        if_none_match: bool = False,  # noqa: ARG002
    ) -> str:
        _refuse("write", bucket, key)

    def presign(self, bucket: str, key: str, *, version_id: str | None, valid_for: timedelta) -> str:
        return self._store.presign(bucket, key, version_id=version_id, valid_for=valid_for)

    def delete(self, bucket: str, key: str) -> None:
        _refuse("delete", bucket, key)

    def create_bucket(self, bucket: str) -> None:
        _refuse("create", bucket, "")


def _refuse(deed: str, bucket: str, key: str) -> NoReturn:
    raise PermissionError(f"Nothing here may {deed} s3://{bucket}/{key}: the store is only looked at.")
