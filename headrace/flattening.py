"""A prediction -> rows: one for each field, each table row, each cell, each word.

No cell is lost and none invented: every cell is one row of `cells`, and stands once in `table_rows`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pydantic import JsonValue

from headrace.prediction import Box, Cell, Page, Prediction, Table

Row = dict[str, Any]

SCHEMA_VERSION = 1

COMMON_COLUMNS = (
    "document", "run", "bucket", "key", "route", "provider", "model", "page", "metadata", "schema_version",
)  # fmt: skip
_PAGE_COLUMNS = ("page_width", "page_height", "unit", "rotation")
_BOX_COLUMNS = ("xmin", "ymin", "xmax", "ymax")
FIELD_COLUMNS = (
    *COMMON_COLUMNS, *_PAGE_COLUMNS,
    "box_id", "label", "label_id", "type", "occurrence", "text", "value", "kind", "score", "score_raw", *_BOX_COLUMNS,
    "status", "validation_status", "validation_message", "moderated", "original_text",
)  # fmt: skip
CELL_COLUMNS = (
    *COMMON_COLUMNS, *_PAGE_COLUMNS, "table", "row", "column", "row_span", "column_span", "row_label",
    "box_id", "label", "label_id", "text", "score", "score_raw", *_BOX_COLUMNS,
    "status", "verification_status", "failed_validation", "moderated",
)  # fmt: skip
TABLE_ROW_COLUMNS = (*COMMON_COLUMNS, "table", "row")
OTHER = "other"
WORD_COLUMNS = (*COMMON_COLUMNS, *_PAGE_COLUMNS, "text", *_BOX_COLUMNS)
# A box has four columns; details stay in the stored prediction.
_NO_COLUMNS = {"box", "details"}

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class RowContext:
    """What every row of a run says. `run` is the run's number, `metadata` the user's own."""

    document: str
    run: int
    bucket: str
    key: str
    route: str
    provider: str
    model: str
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """The rows of one run, in page order; each has its columns in the published order."""

    fields: list[Row]
    table_rows: list[Row]
    cells: list[Row]


def table_row_columns(declared: Sequence[str]) -> tuple[str, ...]:
    """The columns of table_rows where the route declares these."""
    return (*TABLE_ROW_COLUMNS, *declared, OTHER)


def merge(predictions: Sequence[Prediction]) -> Prediction:
    """One prediction out of those of a run's parts, its pages in order. ValueError for none at all.

    A page that a later submission answered again replaces the earlier one, unless only the earlier one
    has content.
    """
    if not predictions:
        raise ValueError("There is no prediction to merge.")
    chosen: dict[int, list[Page]] = {}
    for prediction in predictions:
        for number, pages in _by_number(prediction.pages).items():
            if number not in chosen or _has_content(pages) or not _has_content(chosen[number]):
                chosen[number] = pages
    costs = [prediction.cost for prediction in predictions if prediction.cost is not None]
    metadata: dict[str, JsonValue] = {}
    for prediction in predictions:
        metadata |= prediction.metadata
    return predictions[0].model_copy(
        update={
            "pages": tuple(page for number in sorted(chosen) for page in chosen[number]),
            "metadata": metadata,
            "cost": sum(costs) if costs else None,
        }
    )


def flatten(prediction: Prediction, context: RowContext, columns: Sequence[str] = ()) -> Rows:
    """All rows of a prediction; `columns` are the table headings that have a column of their own.

    Tables are numbered from 1 through the whole document, the occurrences of a field's label likewise.
    Text holds no lone surrogate and numbers are finite: neither has a place in JSON (see `storable`).
    """
    pages = sorted(prediction.pages, key=lambda page: page.number)
    tables = list(enumerate(((page, table) for page in pages for table in page.tables), start=1))
    rows = Rows(
        fields=list(_field_rows(pages, context)),
        table_rows=[
            row for number, (page, table) in tables for row in _table_rows(number, page, table, context, columns)
        ],
        cells=[_cell_row(number, page, cell, context) for number, (page, table) in tables for cell in _in_order(table)],
    )
    return Rows(*(storable(part) for part in (rows.fields, rows.table_rows, rows.cells)))


def words_of(prediction: Prediction, context: RowContext) -> list[Row]:
    """One row for each word of the pages' text, in the provider's order."""
    rows = [
        _common(page, context) | _page_facts(page) | {"text": word.text} | _box_facts(word.box)
        for page in sorted(prediction.pages, key=lambda page: page.number)
        for word in page.words
    ]
    cleaned: list[Row] = storable(rows)
    return cleaned


def text_of(prediction: Prediction) -> str | None:
    """The text of all pages, None where the provider gives none.

    A form feed ends each page, so that the n-th piece is page n; inside a page it is a newline.
    """
    texts = {page.number: page.text for page in prediction.pages if page.text is not None}
    if not texts:
        return None
    pages = (texts.get(number, "").replace("\f", "\n") for number in range(1, max(texts) + 1))
    whole: str = storable("".join(page + "\f" for page in pages))
    return whole


def storable(value: Any) -> Any:
    """The same value with U+FFFD for each lone surrogate and null for each number that is not finite."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(name): storable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [storable(part) for part in value]
    return value


def _by_number(pages: Sequence[Page]) -> dict[int, list[Page]]:
    numbered: dict[int, list[Page]] = {}
    for page in pages:
        numbered.setdefault(page.number, []).append(page)
    return numbered


def _has_content(pages: Sequence[Page]) -> bool:
    return any(page.failure is None for page in pages)


def _common(page: Page, context: RowContext) -> Row:
    return {
        "document": context.document,
        "run": context.run,
        "bucket": context.bucket,
        "key": context.key,
        "route": context.route,
        "provider": context.provider,
        "model": context.model,
        "page": page.number,
        "metadata": dict(context.metadata),
        "schema_version": SCHEMA_VERSION,
    }


def _page_facts(page: Page) -> Row:
    return {"page_width": page.width, "page_height": page.height, "unit": page.unit, "rotation": page.rotation}


def _box_facts(box: Box | None) -> Row:
    return {edge: getattr(box, edge, None) for edge in _BOX_COLUMNS}


def _field_rows(pages: Sequence[Page], context: RowContext) -> Iterator[Row]:
    seen: Counter[str] = Counter()
    for page in pages:
        for found in page.fields:
            seen[found.label] += 1
            facts = found.model_dump(exclude=_NO_COLUMNS) | _box_facts(found.box) | {"occurrence": seen[found.label]}
            yield _row(FIELD_COLUMNS, _common(page, context) | _page_facts(page) | facts)


def _cell_row(number: int, page: Page, cell: Cell, context: RowContext) -> Row:
    facts = cell.model_dump(exclude=_NO_COLUMNS) | _box_facts(cell.box) | {"table": number}
    return _row(CELL_COLUMNS, _common(page, context) | _page_facts(page) | facts)


def _row(columns: Sequence[str], facts: Row) -> Row:
    return {column: facts[column] for column in columns}


def _in_order(table: Table) -> list[Cell]:
    """Row by row, from the left; cells that claim the same place stay in the provider's order."""
    return sorted(table.cells, key=lambda cell: (cell.row, cell.column))


def _table_rows(number: int, page: Page, table: Table, context: RowContext, columns: Sequence[str]) -> Iterator[Row]:
    for row, cells in groupby(_in_order(table), key=lambda cell: cell.row):
        declared, other = _spread(list(cells), columns)
        yield _common(page, context) | {"table": number, "row": row} | declared | {OTHER: other}


def _spread(cells: Sequence[Cell], columns: Sequence[str]) -> tuple[dict[str, str | None], dict[str, JsonValue]]:
    """The texts of one row: the first cell of each declared heading in its column, every other one in `other`."""
    declared: dict[str, str | None] = dict.fromkeys(columns)
    taken: set[str] = set()
    rest: dict[str, list[str | None]] = {}
    for cell in cells:
        column = _column_of(cell, columns)
        if column is not None and column not in taken:
            declared[column] = cell.text
            taken.add(column)
        else:
            rest.setdefault(cell.label or f"column_{cell.column}", []).append(cell.text)
    return declared, {label: _one_or_list(texts) for label, texts in rest.items()}


def _one_or_list(texts: Sequence[str | None]) -> JsonValue:
    return texts[0] if len(texts) == 1 else list(texts)


def _column_of(cell: Cell, columns: Sequence[str]) -> str | None:
    """The declared column of a cell's heading: spelled alike, or else alike but for case and spacing."""
    if not cell.label:
        return None
    if cell.label in columns:
        return cell.label
    heading = _loosely(cell.label)
    return next((column for column in columns if _loosely(column) == heading), None)


def _loosely(heading: str) -> str:
    return " ".join(heading.split()).casefold()
