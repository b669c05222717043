"""A prepared copy as a provider gets it: bytes in a file that has no name, and a name of its own."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

from headrace.errors import StorageUnavailable
from headrace.routing import DEFAULT_SUFFIXES

PIECE_BYTES = 64 * 1024
_PICTURES = tuple(suffix for suffix in DEFAULT_SUFFIXES if suffix != ".pdf")


class PreparedCopy:
    """Implements headrace.providers.Source; its bytes are there as long as the file is open."""

    url: str | None = None
    media_type: str = "application/pdf"

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self.size = os.fstat(file.fileno()).st_size
        self._descriptor = file.fileno()

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, self.size, PIECE_BYTES):
            yield self.read_range(start, PIECE_BYTES)

    def read_range(self, start: int, length: int) -> bytes:
        """So many of the bytes, never past the end; StorageUnavailable where they cannot be read back."""
        with disk_troubles():
            return os.pread(self._descriptor, min(length, max(self.size - start, 0)), start)


def pdf_name(name: str) -> str:
    """The name of a PDF made of a picture of this name.

    >>> pdf_name("photo.HEIC"), pdf_name("scan.0042"), pdf_name(".png")
    ('photo.pdf', 'scan.0042.pdf', '.png.pdf')
    """
    stem, dot, ending = name.rpartition(".")
    is_picture = stem and f"{dot}{ending}".lower() in _PICTURES
    return f"{stem if is_picture else name}.pdf"


@contextmanager
def nameless_file() -> Iterator[IO[bytes]]:
    """A file that nobody else can open and that ends with the block; StorageUnavailable where there is no room."""
    with disk_troubles():
        # Unbuffered, so that closing it has nothing left to write, and to fail at.
        file = TemporaryFile(buffering=0)  # noqa: SIM115  closed below; what the block raises is not the disk's
    with file:
        yield file


def write_all(file: IO[bytes], piece: bytes) -> None:
    """Write these bytes to a file without a buffer; StorageUnavailable where there is no room for them."""
    unwritten = memoryview(piece)
    with disk_troubles():
        while unwritten:
            unwritten = unwritten[os.write(file.fileno(), unwritten) :]


@contextmanager
def disk_troubles() -> Iterator[None]:
    """StorageUnavailable for what goes wrong with the temporary files of this machine."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(disk_trouble(errno.errorcode.get(error.errno or 0, "an unknown fault"))) from error


def disk_trouble(what: str) -> str:
    """What to tell of it, and what mends it."""
    return (
        f"The prepared copy cannot be kept in this machine's folder of temporary files ({what}). "
        "It takes the document's size a few times over: make room there, or name another folder in TMPDIR."
    )
