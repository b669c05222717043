"""A document's bytes in a temporary file that has no name: one process writes it, the child that inherits it reads."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress

from headrace.errors import StorageUnavailable


class SpooledCopy:
    """The file, empty at first. It ends with the processes that hold it, however they end.

    Raises StorageUnavailable where this machine's folder for temporary files takes none.
    """

    def __init__(self) -> None:
        try:
            self._writing, name = tempfile.mkstemp(prefix="headrace-")
            try:
                self.descriptor = os.open(name, os.O_RDONLY)
            except OSError:
                os.close(self._writing)
                raise
            finally:
                os.unlink(name)  # noqa: PTH108  it came as text
        except OSError as error:
            raise _not_taken(error) from error

    """`descriptor` is for the child: it reads, and cannot write."""

    def fill(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces in their order; StorageUnavailable where the disk does not take them."""
        for piece in pieces:
            unwritten = memoryview(piece)
            try:
                while unwritten:
                    unwritten = unwritten[os.write(self._writing, unwritten) :]
            except OSError as error:
                raise _not_taken(error) from error

    def clear(self) -> None:
        """Give the disk back what it holds."""
        os.ftruncate(self._writing, 0)
        os.lseek(self._writing, 0, os.SEEK_SET)

    def close(self) -> None:
        """The end of the file, once the child has ended too."""
        for descriptor in (self._writing, self.descriptor):
            with suppress(OSError):
                os.close(descriptor)


def _not_taken(error: OSError) -> StorageUnavailable:
    return StorageUnavailable(
        f"The folder for temporary files does not take a copy of the document: {error.strerror}. "
        "Make room in it, or set TMPDIR to a larger one."
    )
