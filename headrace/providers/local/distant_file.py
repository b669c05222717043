"""A document that lies elsewhere, as a file of which only a small part is ever in memory."""

import io
from collections import OrderedDict

from headrace.ranges import RangeReader

BLOCK_BYTES = 1024 * 1024
MOST_BLOCKS = 16


class DistantFile(io.RawIOBase):
    """A seekable file that reads what is asked for in blocks of 1 MiB, and keeps the 16 that were used last."""

    def __init__(self, read: RangeReader, size: int) -> None:
        self._read_range = read
        self._size = size
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "io.BufferedIOBase | memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Fill the whole buffer, but for what lies behind the end; the number of bytes."""
        # mypy: typeshed's WriteableBuffer has no name at run time.
        unfilled = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        wanted = len(unfilled)
        while len(unfilled) and self._position < self._size:
            number, offset = divmod(self._position, BLOCK_BYTES)
            piece = memoryview(self._block(number))[offset : offset + len(unfilled)]
            unfilled[: len(piece)] = piece
            unfilled = unfilled[len(piece) :]
            self._position += len(piece)
        return wanted - len(unfilled)

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            start = number * BLOCK_BYTES
            block = self._read_range(start, min(BLOCK_BYTES, self._size - start))
            self._blocks[number] = block
            if len(self._blocks) > MOST_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return block
