"""CSV and JSON Lines: what is written is read again."""

import csv
import io
import json

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.exports.csv import exact_text, inert, write_csv
from headrace.exports.jsonl import write_jsonl
from headrace.flattening import CELL_COLUMNS, FIELD_COLUMNS, flatten, storable, table_row_columns
from tests.exports.rows import CONTEXT, ROUTE, any_text, predictions


def read_csv(body: bytes) -> list[dict[str, str]]:
    return pd.read_csv(io.BytesIO(body), dtype=str, keep_default_na=False).to_dict("records")


def as_text(value) -> str:
    """What a CSV cell is to say."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            return value
        case int() | float():
            return repr(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def kinds_of(rows):
    return [
        (FIELD_COLUMNS, rows.fields),
        (CELL_COLUMNS, rows.cells),
        (table_row_columns(ROUTE.columns), rows.table_rows),
    ]


@settings(max_examples=60, deadline=None)
@given(predictions)
def test_exact_csv_reads_back_to_the_same_text(found):
    for columns, rows in kinds_of(flatten(found, CONTEXT, ROUTE.columns)):
        expected = [{column: as_text(row[column]) for column in columns} for row in rows]
        assert read_csv(write_csv(columns, rows, "exact")) == expected


@settings(max_examples=60, deadline=None)
@given(predictions)
def test_safe_csv_reads_back_to_the_same_text_but_for_the_apostrophe(found):
    for columns, rows in kinds_of(flatten(found, CONTEXT, ROUTE.columns)):
        for row, read in zip(rows, read_csv(write_csv(columns, rows, "safe")), strict=True):
            for column in columns:
                text, cell = as_text(row[column]), read[column]
                assert cell in {text, "'" + text}
                assert cell == text or isinstance(row[column], str)
                assert (exact_text(cell) if isinstance(row[column], str) else cell) == text


@settings(max_examples=60, deadline=None)
@given(predictions)
def test_json_lines_are_exact_and_null_stays_null(found):
    for _, rows in kinds_of(flatten(found, CONTEXT, ROUTE.columns)):
        body = write_jsonl(rows)
        assert [json.loads(line) for line in body.decode().split("\n")[:-1]] == rows


@given(st.text())
@example("'=1")
@example("''")
@example("'")
def test_every_text_is_found_again_behind_its_apostrophe(text):
    assert exact_text(inert(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+SUM(A1)",
        "-1+1",
        "@cmd",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\ufeff=1",
        "\u200b@x",
        "＝1",
        "＠x",
        "－x",
        "+49 30 1234",
        "--1",
        "-A",
        "=",
        "\0=1",
        "-٣",
        "\ttext",
    ],
)
def test_what_a_spreadsheet_would_run_is_made_inert(text):
    assert inert(text) == "'" + text


@pytest.mark.parametrize(
    "text",
    ["-12.50", "+3", "-1,234.50", "-1.234,50", "-.5", "-1e-7", "-3%", "12", "-", "", "a=1", "2026-11-20", "it's", "'a"],
)
def test_numbers_and_plain_text_stay_as_they_are(text):
    assert inert(text) == text


def test_typed_numbers_and_truths_are_spelled_plainly():
    body = write_csv(("a", "b", "c", "d"), [{"a": -12.5, "b": -3, "c": True, "d": None}], "safe")
    assert body == b"a,b,c,d\r\n-12.5,-3,true,\r\n"


def test_csv_is_rfc_4180_without_a_byte_order_mark():
    body = write_csv(("é", "b"), [{"é": 'say "x", y', "b": "one\ntwo"}], "safe")
    assert body == 'é,b\r\n"say ""x"", y","one\ntwo"\r\n'.encode()
    assert list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))[1] == ['say "x", y', "one\ntwo"]


def test_without_rows_there_is_the_header():
    assert write_csv(("a", "=b"), [], "safe") == b"a,'=b\r\n"
    assert write_jsonl([]) == b""


@given(any_text, any_text)
def test_any_row_is_one_record(text, other):
    rows = storable([{"a": text, "b": other}])
    assert len(read_csv(write_csv(("a", "b"), rows, "safe"))) == 1
