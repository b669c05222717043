"""Rows from predictions: nothing lost, nothing invented, always in the same order."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.flattening import (
    CELL_COLUMNS,
    FIELD_COLUMNS,
    flatten,
    merge,
    storable,
    table_row_columns,
    text_of,
    words_of,
)
from headrace.prediction import Cell, Field, Page, Prediction, Table
from tests.exports.rows import CONTEXT, ROUTE, any_text, prediction, predictions

COLUMNS = ROUTE.columns


def of_pages(*pages: Page) -> Prediction:
    return Prediction(provider="p", model="m", pages=pages)


def table_rows_of(*cells: Cell, columns=COLUMNS):
    table = Table(cells=cells)
    rows = flatten(of_pages(Page(number=1, tables=(table,))), CONTEXT, columns).table_rows
    return [{name: row[name] for name in (*columns, "other")} for row in rows]


@settings(max_examples=60, deadline=None)
@given(predictions)
def test_no_cell_is_lost_or_invented(found):
    rows = flatten(found, CONTEXT, COLUMNS)
    cells = [cell for page in found.pages for table in page.tables for cell in table.cells]
    expected = Counter((cell.row, cell.column, storable(cell.text), storable(cell.label)) for cell in cells)
    assert Counter((row["row"], row["column"], row["text"], row["label"]) for row in rows.cells) == expected

    texts = Counter()
    for row in rows.table_rows:
        for value in row["other"].values():
            texts.update(value if isinstance(value, list) else [value])
        texts.update(row[column] for column in COLUMNS if row[column] is not None)
    declared_nulls = sum(expected.values()) - sum(texts.values())
    # A null in a declared column looks like no cell at all there; the `cells` have it.
    assert 0 <= declared_nulls <= sum(cell.text is None for cell in cells)
    wanted = Counter(storable(cell.text) for cell in cells)
    wanted[None] -= declared_nulls
    assert +texts == +wanted


@settings(max_examples=25, deadline=None)
@given(predictions)
def test_rows_have_the_published_columns_in_one_order(found):
    rows = flatten(found, CONTEXT, COLUMNS)
    assert all(tuple(row) == FIELD_COLUMNS for row in rows.fields)
    assert all(tuple(row) == CELL_COLUMNS for row in rows.cells)
    assert all(tuple(row) == table_row_columns(COLUMNS) for row in rows.table_rows)
    places = [(row["page"], row["table"], row["row"], row["column"]) for row in rows.cells]
    assert places == sorted(places)
    assert [row["page"] for row in rows.fields] == sorted(row["page"] for row in rows.fields)


@settings(max_examples=25, deadline=None)
@given(predictions, st.randoms())
def test_the_order_in_which_pages_come_does_not_matter(found, chance):
    shuffled = list(found.pages)
    chance.shuffle(shuffled)
    again = found.model_copy(update={"pages": tuple(shuffled)})
    assert repr(flatten(again, CONTEXT, COLUMNS)) == repr(flatten(found, CONTEXT, COLUMNS))


def test_a_field_row_says_what_was_found_and_where():
    row = flatten(prediction(), CONTEXT).fields[0]
    assert {name: row[name] for name in ("document", "run", "page", "label", "text", "xmin", "page_width", "unit")} == {
        "document": "d" * 32,
        "run": 1,
        "page": 1,
        "label": "total",
        "text": "12.50",
        "xmin": -2.0,
        "page_width": 1240.0,
        "unit": "px",
    }
    assert row["metadata"] == {"vendor": "acme"}


def test_the_occurrences_of_a_label_are_counted_through_the_document():
    page_1 = Page(number=1, fields=(Field(label="a"), Field(label="b"), Field(label="a")))
    page_2 = Page(number=2, fields=(Field(label="a"),))
    rows = flatten(of_pages(page_2, page_1), CONTEXT).fields
    assert [(row["label"], row["occurrence"]) for row in rows] == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]


def test_tables_are_numbered_through_the_document():
    table = Table(cells=(Cell(row=1, column=1, text="x"),))
    rows = flatten(of_pages(Page(number=2, tables=(table,)), Page(number=1, tables=(table, table))), CONTEXT)
    assert [(row["page"], row["table"]) for row in rows.table_rows] == [(1, 1), (1, 2), (2, 3)]


def test_declared_headings_have_columns_and_the_rest_is_in_other():
    row = table_rows_of(
        Cell(row=1, column=1, text="Oak", label="Description"),
        Cell(row=1, column=2, text="9", label="AMOUNT "),
        Cell(row=1, column=3, text="2", label="Qty"),
        Cell(row=1, column=4, text="?", label=""),
        Cell(row=1, column=5, text=None),
    )
    assert row == [{"Description": "Oak", "Amount": "9", "other": {"Qty": "2", "column_4": "?", "column_5": None}}]


def test_a_repeated_label_holds_a_list_and_a_declared_column_its_first_cell():
    row = table_rows_of(
        Cell(row=1, column=3, text="c", label="Amount"),
        Cell(row=1, column=1, text="a", label="Amount"),
        Cell(row=1, column=2, text="b", label="Amount"),
        Cell(row=1, column=4, text="x", label="column_5"),
        Cell(row=1, column=5, text="y"),
    )
    assert row == [{"Description": None, "Amount": "a", "other": {"Amount": ["b", "c"], "column_5": ["x", "y"]}}]


def test_a_cell_over_several_rows_stands_in_its_first():
    rows = table_rows_of(
        Cell(row=1, column=1, row_span=2, text="both", label="Description"),
        Cell(row=2, column=2, text="9", label="Amount"),
    )
    assert rows == [
        {"Description": "both", "Amount": None, "other": {}},
        {"Description": None, "Amount": "9", "other": {}},
    ]


def test_where_the_route_declares_nothing_all_is_in_other():
    assert table_rows_of(Cell(row=1, column=1, text="x", label="Qty"), columns=()) == [{"other": {"Qty": "x"}}]


def test_parts_are_merged_in_page_order():
    first = of_pages(Page(number=1, text="one"), Page(number=2, text="two"))
    second = of_pages(Page(number=3, text="three"))
    assert [page.number for page in merge([second, first]).pages] == [1, 2, 3]


def test_a_page_that_was_read_again_replaces_its_failure_and_never_the_other_way_round():
    failed, good = Page(number=1, failure="no"), Page(number=1, text="yes")
    assert merge([of_pages(failed), of_pages(good)]).pages == (good,)
    assert merge([of_pages(good), of_pages(failed)]).pages == (good,)


def test_a_page_that_one_answer_holds_twice_is_kept_twice():
    pages = (Page(number=1, text="a"), Page(number=1, text="b"))
    assert merge([of_pages(*pages)]).pages == pages


def test_costs_and_metadata_of_parts_are_put_together():
    parts = [
        Prediction(provider="p", model="m", cost=cost, metadata=metadata)
        for cost, metadata in [(0.5, {"a": "1"}), (None, {}), (0.25, {"b": "2"})]
    ]
    assert (merge(parts).cost, merge(parts).metadata) == (0.75, {"a": "1", "b": "2"})


def test_no_prediction_cannot_be_merged():
    with pytest.raises(ValueError, match="no prediction"):
        merge([])


def test_text_ends_each_page_with_a_form_feed():
    pages = (Page(number=3, text="three"), Page(number=1, text="one\fmore"))
    assert text_of(of_pages(*pages)) == "one\nmore\f\fthree\f"
    assert text_of(of_pages(Page(number=1))) is None


def test_words_have_a_row_each():
    rows = words_of(prediction(text="Oak board"), CONTEXT)
    assert [(row["text"], row["xmin"]) for row in rows] == [("Oak", -2.0), ("board", None)]


@given(any_text, st.floats())
def test_storable_values_are_json(text, number):
    value = storable({text: [text, number, {"a": (number,)}]})
    assert json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) == value
