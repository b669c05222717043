"""Stores that only list: many keys at once, in the order of one store or another, failing where they are told to."""

import bisect
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from zlib import crc32

from headrace.errors import ObjectNotFound, StorageUnavailable
from headrace.storage import ObjectHead
from tests.memory_store import InMemoryStore

BEGINNING = datetime(2026, 11, 20, tzinfo=UTC)


def by_bytes(key: str) -> bytes:
    """As S3 lists."""
    return key.encode()


def by_folders(key: str) -> bytes:
    """As SeaweedFS lists."""
    return key.replace("/", "\0").encode()


class ListingStore(InMemoryStore):
    """Lists keys in an order. One that lists by folders does not list "a/b" behind "a", as SeaweedFS does not.

    `requests` are the pages that were asked for, as (start_after, number); `fails` says of which that they fail.
    """

    def __init__(self, keys: Iterable[str] = (), order: Callable[[str], bytes] = by_bytes) -> None:
        super().__init__()
        self.order = order
        self.requests: list[tuple[str, int]] = []
        self.fails: Callable[[str, int], bool] = lambda _after, _page: False
        self._sorted = sorted((order(key), key) for key in set(keys))

    def add(self, *keys: str) -> None:
        for key in keys:
            place = (self.order(key), key)
            at = bisect.bisect_left(self._sorted, place)
            if self._sorted[at : at + 1] != [place]:
                self._sorted.insert(at, place)

    def remove(self, *keys: str) -> None:
        for key in keys:
            self._sorted.remove((self.order(key), key))

    def all_keys(self) -> list[str]:
        return [key for _, key in self._sorted]

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectHead:
        self._note("head", key)
        place = (self.order(key), key)
        at = bisect.bisect_left(self._sorted, place)
        if self._sorted[at : at + 1] != [place]:
            raise ObjectNotFound(f"There is nothing at s3://{bucket}/{key}.")
        return _head(key)

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[list[ObjectHead]]:
        after, page = start_after, 0
        while True:
            self.requests.append((start_after, page))
            if self.fails(start_after, page):
                raise StorageUnavailable(f"The store is away behind {start_after!r}.")
            at = bisect.bisect_right(self._sorted, (self.order(after), after)) if after else 0
            keys: list[str] = []
            while at < len(self._sorted) and len(keys) < 1000:
                key = self._sorted[at][1]
                at += 1
                hidden = self.order is by_folders and start_after and key.startswith(f"{start_after}/")
                if key.startswith(prefix) and not hidden:
                    keys.append(key)
            if keys:
                yield [_head(key) for key in keys]
            if at == len(self._sorted):
                return
            after, page = keys[-1], page + 1


def _head(key: str) -> ObjectHead:
    return ObjectHead(key, f"{crc32(key.encode()):x}", 9, BEGINNING)
