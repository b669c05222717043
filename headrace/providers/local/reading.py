"""A document's bytes to its pages: text, words, tables and fields."""

from collections.abc import Sequence
from threading import Lock

from headrace.dates import writes_day_first
from headrace.errors import NeedsOcr, UnreadableDocument
from headrace.labels import LabelRule
from headrace.prediction import Box, Cell, Page, Table, Word
from headrace.providers.local.fields import boxes_of, find_fields
from headrace.providers.local.geometry import rounded
from headrace.providers.local.grids import Grid, as_table, heading_box, is_made_of_fields, tables_among
from headrace.providers.local.layout import lines_of, placed, reading_text
from headrace.providers.local.tables import find_grids, upright_copy
from headrace.providers.local.text_layer import PageText, PdfFile, open_document, read_page

# PDFium is not made for several threads at once.
_one_at_a_time = Lock()


def read_document(
    pdf: bytes | PdfFile, rules: Sequence[LabelRule], *, pages: tuple[int, int] | None = None
) -> tuple[Page, ...]:
    """Read the pages `first` to `last` (from 1, both included), or all; they keep their numbers.

    Of a file no more is in memory than what these pages draw.

    Raises NeedsOcr where a page is a picture, EncryptedDocument where a password is needed,
    UnreadableDocument where the document is damaged or has no such page, and StorageUnavailable where this
    machine has no room for the file that the tables are found in.
    """
    with _one_at_a_time:
        document = open_document(pdf)
        try:
            texts = [read_page(document, number) for number in _numbers(len(document), pages)]
            _refuse_pictures(texts)
            with upright_copy(document, texts) as path:
                grids = find_grids(path, texts)
        finally:
            document.close()
    day_first = writes_day_first(word.text for text in texts for word in text.words)
    return tuple(_page(text, grids.get(text.number), rules, day_first=day_first) for text in texts)


def _numbers(count: int, pages: tuple[int, int] | None) -> range:
    if count < 1:
        raise UnreadableDocument("PDFium finds no page in the document: it is damaged.")
    first, last = pages if pages is not None else (1, count)
    if not 1 <= first <= last <= count:
        raise UnreadableDocument(f"Pages {first} to {last} were asked for; the document has the pages 1 to {count}.")
    return range(first, last + 1)


def _refuse_pictures(texts: Sequence[PageText]) -> None:
    pictures = [str(text.number) for text in texts if text.is_picture]
    if pictures:
        raise NeedsOcr(
            "The local provider reads text layers only, and these pages of the document are pictures without one: "
            f"{', '.join(pictures)}. Route it to a provider that reads scans, or add a text layer and drop it again."
        )


def _page(text: PageText, grids: Sequence[Grid] | None, rules: Sequence[LabelRule], *, day_first: bool) -> Page:
    width, height = text.shown.size
    if grids is None:
        return Page(number=text.number, width=width, height=height, unit="pt", failure="Its tables cannot be read.")
    words = placed(text.words)
    lines = lines_of(words)
    grids = tables_among(grids)
    found = find_fields(lines, rules, headings=_headings(grids, ruled_only=True), day_first=day_first)
    tables = [grid for grid in grids if not is_made_of_fields(grid, words, boxes_of(found))]
    # Only now is it known which aligned text is a table, so that its headings label no field.
    found = find_fields(lines, rules, headings=_headings(tables), day_first=day_first)
    return Page(
        number=text.number,
        width=round(width, 2),
        height=round(height, 2),
        unit="pt",
        rotation=text.shown.turn,
        fields=tuple(one.field.model_copy(update={"box": _shown(text, one.field.box)}) for one in found),
        tables=tuple(_shown_table(text, as_table(table, words)) for table in tables),
        text=reading_text(lines),
        words=tuple(Word(text=word.text, box=_shown(text, word.box)) for word in text.words),
    )


def _headings(grids: Sequence[Grid], *, ruled_only: bool = False) -> list[Box]:
    boxes = (heading_box(grid) for grid in grids if grid.ruled or not ruled_only)
    return [box for box in boxes if box is not None]


def _shown_table(text: PageText, table: Table) -> Table:
    return table.model_copy(
        update={
            "box": _shown(text, table.box),
            "cells": tuple(_shown_cell(text, cell) for cell in table.cells),
        }
    )


def _shown_cell(text: PageText, cell: Cell) -> Cell:
    return cell.model_copy(update={"box": _shown(text, cell.box)})


def _shown(text: PageText, box: Box | None) -> Box | None:
    return None if box is None else rounded(text.as_shown(box))
