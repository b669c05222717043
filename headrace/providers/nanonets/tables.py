"""A table's box and its flat list of cells -> a Table whose rows and columns count from 1."""

from collections.abc import Sequence
from typing import Any

from headrace.prediction import Cell, Table
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.entries import Entry, as_whole
from headrace.providers.nanonets.links import Part
from headrace.providers.nanonets.scores import Scale, score_in

# Far beyond any document; what claims more would only fill memory further on.
MOST_ROWS_OR_COLUMNS = 100_000


def read_table(entry: Entry, box: Record, scale: Scale, *, moderated: bool | None) -> Table:
    """UnreadableBody where a cell has no place: none is lost, and none is put where it may not belong."""
    cells = box.get("cells") or []
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise UnreadableBody("A table's cells are not a list of objects.")
    entry.skip("cells")
    if isinstance(kind := box.get("type"), str) and kind.lower() == "table":
        entry.skip("type")
    rows, columns = _from_one([cell.get("row") for cell in cells]), _from_one([cell.get("col") for cell in cells])
    score, score_raw = score_in(entry, scale)
    return Table(
        cells=tuple(
            _cell(cell, row, column, scale, moderated=moderated)
            for cell, row, column in zip(cells, rows, columns, strict=True)
        ),
        label=entry.text("label"),
        label_id=entry.id("label_id"),
        box_id=entry.id("id"),
        box=entry.box(),
        score=score,
        score_raw=score_raw,
        status=entry.text("status"),
        validation_status=entry.text("validation_status"),
        validation_message=entry.text("validation_message"),
        details=entry.rest(),
    )


def _cell(record: Record, row: int, column: int, scale: Scale, *, moderated: bool | None) -> Cell:
    entry = Entry(record, Part.BOX)
    entry.skip("row", "col")
    score, score_raw = score_in(entry, scale)
    return Cell(
        row=row,
        column=column,
        row_span=_span(entry, record, "row_span"),
        column_span=_span(entry, record, "col_span"),
        text=entry.text("text"),
        label=entry.text("label"),
        row_label=entry.text("row_label"),
        score=score,
        score_raw=score_raw,
        box=entry.box(),
        box_id=entry.id("id"),
        label_id=entry.id("label_id"),
        status=entry.text("status"),
        verification_status=entry.text("verification_status"),
        failed_validation=entry.word("failed_validation"),
        moderated=moderated,
        details=entry.rest(),
    )


def _from_one(places: Sequence[Any]) -> list[int]:
    """Rows or columns, counted from 1: captured bodies do, some published examples count from 0."""
    numbers = [as_whole(place) for place in places]
    whole = [number for number in numbers if number is not None and 0 <= number <= MOST_ROWS_OR_COLUMNS]
    if len(whole) != len(numbers):
        raise UnreadableBody("A table's cell has no usable row and column.")
    shift = 1 if 0 in whole else 0
    return [number + shift for number in whole]


def _span(entry: Entry, record: Record, name: str) -> int:
    """How far a cell reaches: old answers do not say, and what makes no sense is one."""
    number = as_whole(record.get(name))
    if number is None or not 1 <= number <= MOST_ROWS_OR_COLUMNS:
        return 1
    entry.skip(name)
    return number
