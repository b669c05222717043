"""A document that lies elsewhere, read in blocks and within a budget, as a seekable file."""

import io
from collections.abc import Callable
from typing import NamedTuple

from headrace.errors import StorageUnavailable

RangeReader = Callable[[int, int], bytes]
"""(start, length) -> exactly these bytes of the document; start + length is never past its end."""

BLOCK_BYTES = 64 * 1024


def read_exactly(read: RangeReader, start: int, length: int) -> bytes:
    """These bytes; StorageUnavailable where there come more or fewer, for then the store did not keep its word."""
    data = read(start, length)
    if len(data) != length:
        raise StorageUnavailable(
            f"The object store gave {len(data)} bytes where {length} were asked for and should be."
        )
    return data


class Budget(NamedTuple):
    """How much may be read of one document, in all."""

    requests: int
    bytes: int


class BudgetSpent(BaseException):
    """Reading on would break the budget.

    Not an Exception: a library that repairs damaged files catches every Exception, and would take this for damage.
    """


class RangedFile:
    """The reading half of a binary file. Blocks once read are kept, so going back costs nothing.

    `budget` may be raised while reading; what was read before counts against it.
    """

    def __init__(self, read: RangeReader, size: int, budget: Budget) -> None:
        self.budget = budget
        self._read = read
        self._size = size
        self._position = 0
        self._blocks: dict[int, bytes] = {}
        self._requests = 0
        self._bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Like a file's; BudgetSpent, with nothing read at all, where the budget does not reach."""
        end = self._size if size is None or size < 0 else min(self._position + size, self._size)
        start = self._position
        if end <= start:
            return b""
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        self._fetch(first, last)
        offset = start - first * BLOCK_BYTES
        self._position = end
        if first == last:
            return self._blocks[first][offset : offset + end - start]
        return b"".join(self._blocks[block] for block in range(first, last + 1))[offset : offset + end - start]

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Like a file's; ValueError for a place before its start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def _fetch(self, first: int, last: int) -> None:
        gaps = self._gaps(first, last)
        wanted = sum(length for _, length in gaps)
        if self._requests + len(gaps) > self.budget.requests or self._bytes + wanted > self.budget.bytes:
            raise BudgetSpent
        for start, length in gaps:
            self._requests += 1
            self._bytes += length
            data = self._read(start, length)
            for offset in range(0, length, BLOCK_BYTES):
                self._blocks[(start + offset) // BLOCK_BYTES] = data[offset : offset + BLOCK_BYTES]

    def _gaps(self, first: int, last: int) -> list[tuple[int, int]]:
        """What is not kept yet, as (start, length); neighbours are one request."""
        gaps: list[tuple[int, int]] = []
        for block in range(first, last + 1):
            if block in self._blocks:
                continue
            start = block * BLOCK_BYTES
            length = min(BLOCK_BYTES, self._size - start)
            if gaps and sum(gaps[-1]) == start:
                gaps[-1] = (gaps[-1][0], gaps[-1][1] + length)
            else:
                gaps.append((start, length))
        return gaps
