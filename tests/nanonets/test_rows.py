"""What Nanonets says comes out in the rows, column by column."""

import pytest

from headrace.flattening import CELL_COLUMNS, FIELD_COLUMNS, flatten
from headrace.labels import LabelRule
from headrace.providers.nanonets import reading
from headrace.values import with_values
from tests.exports.rows import CONTEXT
from tests.nanonets.captures import BY_FILE, PREDICT
from tests.nanonets.samples import box, cell, live, live_page, stored, stored_page, table

RULES = (LabelRule(label="invoice_number", kind="text"),)


def rows_of(*bodies, columns=()):
    found = [with_values(reading.prediction_of(body, "m"), RULES) for body in bodies]
    return [flatten(prediction, CONTEXT, columns) for prediction in found]


@pytest.mark.parametrize(("kind", "columns"), [("fields", FIELD_COLUMNS), ("cells", CELL_COLUMNS)])
def test_every_column_is_filled_where_the_vendor_says_something(kind, columns):
    rows = [row for found in rows_of(PREDICT, BY_FILE) for row in getattr(found, kind)]
    assert [column for column in columns if all(row[column] in (None, "") for row in rows)] == []


def test_rows_are_what_a_person_corrected():
    (found,) = rows_of(BY_FILE)
    first, second = found.fields
    assert (first["text"], first["original_text"], first["moderated"]) == ("INV-0008", "INV-0007\nB", True)
    assert (second["page"], second["text"], second["original_text"], second["moderated"]) == (
        (2, "INV-0007\nB", None, False)
    )
    assert [(row["text"], row["verification_status"]) for row in found.cells] == [("Oak boards", "moderated")]


def test_a_table_row_has_each_of_its_cells_once():
    cells = [
        cell(0, 0, "Oak\nboard", row_span=2, xmin=-2, ymin=0, xmax=4, ymax=5),
        cell(0, 1, "1", label="Qty"),
        cell(0, 2, "2", label="Qty"),
        cell(0, 3, "?", label=""),
        cell(1, 1, "3", label="qty "),
    ]
    (found,) = rows_of(live(live_page(), live_page(1, prediction=[table(*cells)])), columns=("Qty",))
    assert [(row["page"], row["table"], row["row"], row["Qty"], row["other"]) for row in found.table_rows] == [
        (2, 1, 1, "1", {"Description": "Oak\nboard", "Qty": "2", "column_4": "?"}),
        (2, 1, 2, "3", {}),
    ]
    assert (found.cells[0]["xmin"], found.cells[0]["row_span"], found.cells[1]["xmin"]) == (-2, 2, None)


def test_repeated_labels_are_numbered_and_blank_pages_have_no_rows():
    pages = [
        stored_page(0, predicted_boxes=[box("total", "1"), box("total", "2")]),
        stored_page(1, predicted_boxes=[]),
        stored_page(2, predicted_boxes=[box("total", "3", score=80), box("Total", "4", score=0.5)]),
    ]
    (found,) = rows_of(stored(*pages))
    assert [(row["page"], row["label"], row["occurrence"]) for row in found.fields] == [
        (1, "total", 1),
        (1, "total", 2),
        (3, "total", 3),
        (3, "Total", 1),
    ]
    assert [(row["score"], row["score_raw"]) for row in found.fields][2:] == [(None, 80), (0.5, 0.5)]
