"""The boxes of a page as Nanonets writes them: fields, tables with their cells, and words."""

from collections.abc import Iterator
from hashlib import sha256
from uuid import UUID, uuid5

from headrace.prediction import Box, Cell, Field, Page, Table, Word
from simulator.journal import File
from simulator.streaming import Json
from simulator.variants import Variants

# Pages measured in points are shown as pictures of 150 dots per inch.
_PIXELS_PER_UNIT = {"pt": 150 / 72, "px": 1.0}
# What bodies of 2021 lack in a box.
_LATER_KEYS = ("id", "type", "status")


def boxes(file: File, page: Page, place_name: str, variants: Variants) -> list[Json]:
    """Every field and table of the page, in order; `place_name` is what the page's number is called in a box."""
    number = page.number - 1
    made = _Boxes(scale(page), variants)
    found = [made.field(field) for field in page.fields]
    found += [made.table(table, position) for position, table in enumerate(page.tables, start=1)]
    for position, box in enumerate(found):
        box |= {"id": _box_id(file, number, position), place_name: number, "label_id": _label_id(file, box["label"])}
        for place, cell in enumerate(box.get("cells", ())):
            cell |= {"id": _box_id(file, number, position, place), "label_id": _label_id(file, cell["label"])}
    return found


def as_of_2021(box: Json) -> Json:
    """The same box without what came later."""
    return {name: value for name, value in box.items() if name not in _LATER_KEYS}


def corrected(found: list[Json]) -> list[Json]:
    """What a person made of these boxes: one text corrected, and what was not found left out."""
    kept = [dict(box) for box in found if box["type"] == "table" or box["ocr_text"]]
    for box in kept:
        box["status"] = "moderated"
    fields = [box for box in kept if box["type"] == "field"]
    if fields:
        fields[0] |= {"ocr_text": f"{fields[0]['ocr_text']} (corrected)", "validation_status": "success"}
    return kept


def words(page: Page) -> list[Json]:
    """Every word of the page, with its place; where only fields and cells are known, those of their texts."""
    known = page.words or tuple(_words_of(page))
    return [{"text": word.text, **_edges(word.box, scale(page))} for word in known]


def text(page: Page) -> str:
    """The text of the page."""
    if page.text is not None:
        return page.text
    return "\n".join(label_and_text for label_and_text, _ in _texts_of(page))


def scale(page: Page) -> float:
    """How many pixels the page's unit is."""
    return _PIXELS_PER_UNIT.get(page.unit or "px", 1.0)


class _Boxes:
    def __init__(self, pixels: float, variants: Variants) -> None:
        self._pixels = pixels
        self._score_scale = variants.score_scale
        self._first_cell = variants.first_cell

    def field(self, field: Field) -> Json:
        validation = {
            name: value
            for name in ("validation_status", "validation_message")
            if (value := getattr(field, name)) is not None
        }
        return {
            "label": field.label,
            **_edges(field.box, self._pixels),
            "score": self._score(field.score),
            "ocr_text": field.text or "",
            "type": "field",
            "status": "correctly_predicted",
            **validation,
        }

    def table(self, table: Table, position: int) -> Json:
        return {
            "label": table.label or "table",
            **_edges(table.box, self._pixels),
            "score": self._score(table.score),
            "ocr_text": f"table {position}",
            "type": "table",
            "status": "correctly_predicted",
            "cells": [self._cell(cell) for cell in table.cells],
        }

    def _cell(self, cell: Cell) -> Json:
        return {
            "row": cell.row - 1 + self._first_cell,
            "col": cell.column - 1 + self._first_cell,
            "row_span": cell.row_span,
            "col_span": cell.column_span,
            "label": cell.label or "",
            **_edges(cell.box, self._pixels),
            "score": self._score(cell.score),
            "text": cell.text or "",
            "row_label": cell.row_label or "",
            "verification_status": "correctly_predicted",
            "status": "",
            "failed_validation": cell.failed_validation or "",
        }

    def _score(self, score: float | None) -> float:
        return round((score if score is not None else 1.0) * self._score_scale, 4)


def _texts_of(page: Page) -> Iterator[tuple[str, Box | None]]:
    parts: list[Field | Cell] = [*page.fields, *(cell for table in page.tables for cell in table.cells)]
    return ((part.text, part.box) for part in parts if part.text)


def _words_of(page: Page) -> Iterator[Word]:
    """Each word gets an equal share of its text's box."""
    for found, box in _texts_of(page):
        parts = found.split()
        for place, part in enumerate(parts):
            if box is None:
                yield Word(text=part)
            else:
                width = (box.xmax - box.xmin) / len(parts)
                left = box.xmin + place * width
                yield Word(text=part, box=Box(xmin=left, ymin=box.ymin, xmax=left + width, ymax=box.ymax))


def _edges(box: Box | None, pixels: float) -> Json:
    """Whole pixels; four zeros where the place is not known."""
    if box is None:
        return {"xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0}
    return {name: round(getattr(box, name) * pixels) for name in ("xmin", "ymin", "xmax", "ymax")}


def _box_id(file: File, *places: int) -> str:
    return str(uuid5(UUID(file.id), "/".join(map(str, places))))


def _label_id(file: File, label: str) -> str:
    return str(UUID(sha256(f"{file.model}/{label}".encode()).hexdigest()[:32]))
