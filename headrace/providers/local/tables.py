"""Finding grids on pages, by camelot's hybrid of ruled lines and aligned text."""

import errno
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import structlog

from headrace.errors import StorageUnavailable, UnreadableDocument
from headrace.prediction import Box
from headrace.providers.local.grids import Grid, Square
from headrace.providers.local.text_layer import PageText

if TYPE_CHECKING:
    from camelot.backends.base import ConversionBackend

log = structlog.get_logger()

# camelot draws each page to see its lines: fine enough for hairlines, but a poster must not fill the memory.
_FINEST_DPI = 300
_MOST_PIXELS = 16_000_000
_POINTS_PER_INCH = 72


@contextmanager
def upright_copy(document: Any, pages: Sequence[PageText]) -> Iterator[Path]:
    """A file that holds just these pages, text upright, cut to what is visible; it ends with the block or the process.

    PDFium writes it anew, so the finder meets neither passwords nor the damage that PDFium mended. Raises
    StorageUnavailable where this machine has no room for it, UnreadableDocument where it cannot be written.
    """
    import pypdfium2

    with _nameless_file() as descriptor:
        sink = _Sink(descriptor)
        copy = pypdfium2.PdfDocument.new()
        try:
            copy.import_pages(document, [page.number - 1 for page in pages])
            for index, page in enumerate(pages):
                sheet = page.sheet
                copy[index].set_mediabox(sheet.left, sheet.bottom, sheet.right, sheet.top)
                copy[index].set_cropbox(sheet.left, sheet.bottom, sheet.right, sheet.top)
                copy[index].set_rotation(sheet.turn)
            copy.save(sink)
        finally:
            copy.close()
        if sink.trouble is not None:
            raise _trouble(sink.trouble) from sink.trouble
        # The finder opens what it reads several times, by name; this is the name that only we can use.
        yield Path(f"/dev/fd/{descriptor}")


@contextmanager
def _nameless_file() -> Iterator[int]:
    """A file that a process which is killed leaves nothing of."""
    try:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed below; what the block raises is not the disk's
    except OSError as error:
        raise _trouble(error) from error
    with file:
        yield file.fileno()


class _Sink:
    """Takes what PDFium writes, and keeps why it could not be: PDFium's callbacks lose what is raised in them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.trouble: OSError | None = None

    def write(self, piece: Any) -> None:
        unwritten = memoryview(bytes(piece))
        while unwritten and self.trouble is None:
            try:
                unwritten = unwritten[os.write(self._descriptor, unwritten) :]
            except OSError as error:
                self.trouble = error


def _trouble(error: OSError) -> StorageUnavailable | UnreadableDocument:
    if error.errno == errno.EFBIG:
        return UnreadableDocument(
            "Its pages, written apart, are longer than any page should be. Open it in a viewer and save it anew."
        )
    what = errno.errorcode.get(error.errno or 0, "an unknown fault")
    return StorageUnavailable(
        f"The folder for temporary files does not take the pages that are read ({what}). "
        "Make room in it, or set TMPDIR to a larger one."
    )


def find_grids(path: Path, pages: Sequence[PageText]) -> Mapping[int, list[Grid]]:
    """The grids of each page by its number, from a file that holds these pages in order.

    A page that the finder cannot read is absent: it has a reason in the log, and no tables are made up.
    """
    found: dict[int, list[Grid]] = {}
    for position, page in enumerate(pages, start=1):
        try:
            found[page.number] = [_grid(table, page) for table in _finder_tables(path, position, page)]
        except Exception as error:  # camelot and the readers below it raise anything on hostile pages
            log.warning("tables cannot be read", page=page.number, error=type(error).__name__)
    return found


def _finder_tables(path: Path, position: int, page: PageText) -> Sequence[Any]:
    from camelot.backends.image_conversion import BACKENDS
    from camelot.io import read_pdf

    # camelot hands the hybrid neither a backend nor a resolution on, so it finds ours under its own one's name.
    backends = cast("dict[str, Callable[[], ConversionBackend]]", BACKENDS)
    backends["pdfium"] = partial(_drawing_backend(), _resolution(*page.sheet.size))
    # What they note about damaged pages quotes the document, whose text has no place in a log.
    for reader in ("camelot", "playa"):
        logging.getLogger(reader).setLevel(logging.CRITICAL)
    tables: Sequence[Any] = read_pdf(
        str(path),
        pages=str(position),
        flavor="hybrid",
        suppress_stdout=True,
    )
    return tables


@cache
def _drawing_backend() -> "Callable[[int], ConversionBackend]":
    from camelot.backends.pdfium_backend import PdfiumBackend

    class DrawingBackend(PdfiumBackend):
        """camelot's own, but that it opens the file itself: pypdfium2 resolves a path, and ours leads to no name."""

        def __init__(self, dots_an_inch: int) -> None:
            self._dots_an_inch = dots_an_inch

        def to_array(self, pdf_path: str, resolution: int | None = None, page: int = 1) -> Any:
            with Path(pdf_path).open("rb") as file:
                # pypdfium2 takes a file for a path.
                return super().to_array(cast("str", file), resolution=resolution or self._dots_an_inch, page=page)

    return DrawingBackend


def _resolution(width: float, height: float) -> int:
    """Dots per inch for a page of this size in pt."""
    square_inches = width * height / _POINTS_PER_INCH**2
    return max(1, min(_FINEST_DPI, int((_MOST_PIXELS / max(square_inches, 0.01)) ** 0.5)))


def _grid(table: Any, page: PageText) -> Grid:
    height = page.sheet.size[1]
    rows = tuple(tuple(_square(cell, height) for cell in row) for row in table.cells)
    return Grid(rows, ruled=table.flavor == "lattice", accuracy=float(table.accuracy))


def _square(cell: Any, page_height: float) -> Square:
    return Square(
        box=Box(xmin=cell.x1, ymin=page_height - cell.y2, xmax=cell.x2, ymax=page_height - cell.y1),
        text=cell.text,
        right=bool(cell.right),
        bottom=bool(cell.bottom),
    )
