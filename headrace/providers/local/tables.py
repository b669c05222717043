"""Finding grids on pages, by camelot's hybrid of ruled lines and aligned text."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from headrace.prediction import Box
from headrace.providers.local.grids import Grid, Square
from headrace.providers.local.text_layer import PageText

log = structlog.get_logger()

# camelot draws each page to see its lines: fine enough for hairlines, but a poster must not fill the memory.
_FINEST_DPI = 300
_MOST_PIXELS = 16_000_000
_POINTS_PER_INCH = 72


@contextmanager
def upright_copy(document: Any, pages: Sequence[PageText]) -> Iterator[Path]:
    """A file that holds just these pages, text upright, cut to what is visible; gone afterwards.

    PDFium writes it anew, so the finder meets neither passwords nor the damage that PDFium mended.
    """
    import pypdfium2

    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        path = Path(folder) / "pages.pdf"
        copy = pypdfium2.PdfDocument.new()
        try:
            copy.import_pages(document, [page.number - 1 for page in pages])
            for index, page in enumerate(pages):
                sheet = page.sheet
                copy[index].set_mediabox(sheet.left, sheet.bottom, sheet.right, sheet.top)
                copy[index].set_cropbox(sheet.left, sheet.bottom, sheet.right, sheet.top)
                copy[index].set_rotation(sheet.turn)
            copy.save(path)
        finally:
            copy.close()
        yield path


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
    from camelot.io import read_pdf

    # What they note about damaged pages quotes the document, whose text has no place in a log.
    for reader in ("camelot", "playa"):
        logging.getLogger(reader).setLevel(logging.CRITICAL)
    tables: Sequence[Any] = read_pdf(
        str(path),
        pages=str(position),
        flavor="hybrid",
        suppress_stdout=True,
        resolution=_resolution(*page.sheet.size),
    )
    return tables


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
