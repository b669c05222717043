"""Page records of Nanonets -> a Prediction. Whatever the vendor leaves out is None; nothing is made up."""

import json
from collections.abc import Sequence
from typing import Any

from headrace.prediction import Box, Cell, Field, Page, Prediction, Table
from headrace.providers.nanonets import answers
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.envelope import Envelope, unseal

# Far beyond any document; what claims more would only fill memory further on.
MOST_PAGES = 100_000
MOST_ROWS_OR_COLUMNS = 100_000

_ROTATIONS = frozenset({0, 90, 180, 270})


def prediction(pages: Sequence[Record], model: str) -> Prediction:
    """What these page records say, in page order; UnreadableBody where a page or cell has no place."""
    read = [_page(record, position) for position, record in enumerate(pages)]
    envelopes = (unseal(record.get("request_metadata")) for record in pages)
    envelope = next((found for found in envelopes if found.key is not None), Envelope())
    files = [page.file_id for page in read if page.file_id]
    return Prediction(
        provider="nanonets",
        model=model,
        job=files[0] if files else None,
        key=envelope.key,
        pages=tuple(sorted(read, key=lambda page: page.number)),
        metadata=envelope.metadata,
        cost=_cost(pages),
    )


def _page(record: Record, position: int) -> Page:
    size = record.get("size")
    size = size if isinstance(size, dict) else {}
    width, height = (_positive(size.get(name)) for name in ("width", "height"))
    failed = answers.is_failed(record)
    rotation = _whole(record.get("rotation"))
    moderated = record.get("is_moderated")
    fields, tables = ((), ()) if failed else _content(record)
    return Page(
        number=_page_number(record.get("page"), position),
        width=width,
        height=height,
        unit="px" if width and height else None,
        rotation=rotation if rotation in _ROTATIONS else None,
        fields=fields,
        tables=tables,
        failure="Nanonets could not read this page." if failed else None,
        page_id=_text(record.get("id")) or None,
        file_id=_text(record.get("request_file_id")) or None,
        moderated=moderated if isinstance(moderated, bool) else None,
    )


def _content(record: Record) -> tuple[tuple[Field, ...], tuple[Table, ...]]:
    corrected = answers.moderated_boxes(record)
    predicted = {_text(box.get("id")): box for box in answers.predicted_boxes(record)}
    # A live answer says nothing about moderation; a stored one tells corrected boxes from predicted ones.
    moderated = True if corrected else (False if "moderated_boxes" in record else None)
    fields: list[Field] = []
    tables: list[Table] = []
    for box in answers.boxes(record):
        if box.get("type") == "table" or isinstance(box.get("cells"), list):
            tables.append(_table(box, moderated))
        else:
            original = predicted.get(_text(box.get("id")), {}) if corrected else {}
            fields.append(_field(box, original, moderated))
    return tuple(fields), tuple(tables)


def _field(box: Record, original: Record, moderated: bool | None) -> Field:
    text, original_text = _text(box.get("ocr_text")), _text(original.get("ocr_text"))
    score, score_raw = _score(box.get("score"))
    return Field(
        label=_text(box.get("label")) or "",
        text=text,
        type=_text(box.get("type")) or None,
        score=score,
        score_raw=score_raw,
        box=_box(box),
        box_id=_text(box.get("id")) or None,
        label_id=_text(box.get("label_id")) or None,
        status=_text(box.get("status")),
        validation_status=_text(box.get("validation_status")),
        validation_message=_text(box.get("validation_message")),
        moderated=moderated,
        original_text=original_text if original_text != text else None,
    )


def _table(box: Record, moderated: bool | None) -> Table:
    cells = box.get("cells") or []
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise UnreadableBody("A table's cells are not a list of objects.")
    rows, columns = _from_one([cell.get("row") for cell in cells]), _from_one([cell.get("col") for cell in cells])
    score, score_raw = _score(box.get("score"))
    return Table(
        cells=tuple(
            _cell(cell, row, column, moderated) for cell, row, column in zip(cells, rows, columns, strict=True)
        ),
        label=_text(box.get("label")),
        label_id=_text(box.get("label_id")) or None,
        box_id=_text(box.get("id")) or None,
        box=_box(box),
        score=score,
        score_raw=score_raw,
        status=_text(box.get("status")),
    )


def _cell(cell: Record, row: int, column: int, moderated: bool | None) -> Cell:
    score, score_raw = _score(cell.get("score"))
    return Cell(
        row=row,
        column=column,
        row_span=_span(cell.get("row_span")),
        column_span=_span(cell.get("col_span")),
        text=_text(cell.get("text")),
        label=_text(cell.get("label")),
        row_label=_text(cell.get("row_label")),
        score=score,
        score_raw=score_raw,
        box=_box(cell),
        box_id=_text(cell.get("id")) or None,
        label_id=_text(cell.get("label_id")) or None,
        status=_text(cell.get("status")),
        verification_status=_text(cell.get("verification_status")),
        failed_validation=_text(cell.get("failed_validation")),
        moderated=moderated,
    )


def _page_number(page: Any, position: int) -> int:
    """From 1; the vendor counts from 0. A record that names no page stands where it was listed."""
    if page is None:
        return position + 1
    number = _whole(page)
    if number is None or not 0 <= number < MOST_PAGES:
        raise UnreadableBody("A page's number is no number from 0.")
    return number + 1


def _from_one(places: Sequence[Any]) -> list[int]:
    """Rows or columns, counted from 1: captured bodies do, some published examples count from 0."""
    numbers = [_whole(place) for place in places]
    whole = [number for number in numbers if number is not None and 0 <= number <= MOST_ROWS_OR_COLUMNS]
    if len(whole) != len(numbers):
        raise UnreadableBody("A table's cell has no usable row and column.")
    shift = 1 if 0 in whole else 0
    return [number + shift for number in whole]


def _span(value: Any) -> int:
    number = _whole(value)
    return number if number is not None and 1 <= number <= MOST_ROWS_OR_COLUMNS else 1


def _box(value: Record) -> Box | None:
    """Edges in pixels; four zeros mean that the vendor knows no place."""
    edges = [_number(value.get(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
    known = [edge for edge in edges if edge is not None]
    if len(known) < len(edges) or not any(known):
        return None
    xmin, ymin, xmax, ymax = known
    return Box(xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)


def _score(value: Any) -> tuple[float | None, float | str | None]:
    """The score from 0 to 1, and as it came: above 1 it is in percent."""
    number = _number(value)
    if number is None:
        return None, value if isinstance(value, str) else None
    if not 0 <= number <= 100:
        return None, number
    return (number / 100 if number > 1 else number), number


def _cost(pages: Sequence[Record]) -> float | None:
    """What the stored pages say they cost together; live ones say nothing."""
    costs = [_number(page.get("payable_cost", page.get("cost"))) for page in pages]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == int(value) else None


def _text(value: Any) -> str | None:
    """A text as it stands; anything else that is not null, as its JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
