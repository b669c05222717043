"""What every column of the published rows holds: its types in JSON, and a sentence for people."""

from collections.abc import Mapping
from typing import NamedTuple


class Column(NamedTuple):
    """`types` are JSON Schema's; none for any value."""

    types: tuple[str, ...]
    meaning: str


_TEXT = ("string", "null")
_NUMBER = ("number", "null")

COLUMNS: Mapping[str, Column] = {
    "document": Column(("string",), "The document's id: 32 hex digits from bucket, key and eTag."),
    "run": Column(("integer",), "The number of the run that gave this row, from 1 for each document."),
    "bucket": Column(("string",), "The bucket that the document lies in."),
    "key": Column(("string",), "The document's key in that bucket."),
    "route": Column(("string",), "The route that it took."),
    "provider": Column(("string",), "Who read it."),
    "model": Column(("string",), "The provider's model; empty where it has none."),
    "page": Column(("integer",), "The page, from 1."),
    "metadata": Column(("object",), "The user's own metadata, as one JSON object."),
    "schema_version": Column(("integer",), "The version of these columns; it rises when one changes its meaning."),
    "page_width": Column(_NUMBER, "The page's width, in `unit`."),
    "page_height": Column(_NUMBER, "The page's height, in `unit`."),
    "unit": Column(_TEXT, "What box edges and page sizes are measured in: px, pt (1/72 inch) or fraction (0 to 1)."),
    "rotation": Column(("integer", "null"), "How the page lay, in degrees; boxes are in the unrotated picture."),
    "box_id": Column(_TEXT, "The provider's id of this box."),
    "label": Column(_TEXT, "What the field is called; of a cell, the heading of its column."),
    "label_id": Column(_TEXT, "The provider's id of the label."),
    "type": Column(_TEXT, "The provider's word for what kind of field it is."),
    "occurrence": Column(("integer",), "1, 2 … for a label that the document has several times."),
    "text": Column(_TEXT, "What stands on the page (after a correction: the corrected text)."),
    "value": Column((), "What the text means: a date as 2026-11-20, an amount as 1234.50, else text."),
    "kind": Column(_TEXT, "What `value` is: text, date or amount."),
    "score": Column(_NUMBER, "The provider's confidence, from 0 to 1."),
    "score_raw": Column(("number", "string", "null"), "The confidence as the provider gave it."),
    "xmin": Column(_NUMBER, "The box's left edge, from the left of the page."),
    "ymin": Column(_NUMBER, "The box's upper edge, from the top of the page."),
    "xmax": Column(_NUMBER, "The box's right edge."),
    "ymax": Column(_NUMBER, "The box's lower edge."),
    "status": Column(_TEXT, "The provider's word on whether the box was checked."),
    "validation_status": Column(_TEXT, 'The provider\'s own check of the value: "failed" where it did not hold.'),
    "validation_message": Column(_TEXT, "What that check said."),
    "moderated": Column(("boolean", "null"), "Whether a person has approved or corrected it at the provider."),
    "original_text": Column(_TEXT, "What was read before a person corrected it."),
    "table": Column(("integer",), "The table, from 1 through the whole document."),
    "row": Column(("integer",), "The row of the table, from 1; headings are no row."),
    "column": Column(("integer",), "The column of the table, from 1."),
    "row_span": Column(("integer",), "How many rows the cell covers; it stands in the first of them."),
    "column_span": Column(("integer",), "How many columns the cell covers; it stands in the first of them."),
    "row_label": Column(_TEXT, "The provider's label of the row."),
    "verification_status": Column(_TEXT, "The provider's word on whether the cell was checked."),
    "failed_validation": Column(_TEXT, "Which of the provider's checks the cell failed."),
    "other": Column(
        ("object",),
        "Label to text of every cell that no declared column takes, as one JSON object; a repeated label holds "
        "a list, and a cell without label is called column_1, column_2 …",
    ),
}
