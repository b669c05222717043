"""The schemas and docs/outputs.md say what really comes out."""

import json
import re
from functools import cache
from pathlib import Path

import duckdb
import jsonschema
import pytest
from hypothesis import given, settings

from headrace.explanations import EXPLANATIONS
from headrace.exports import Exporter
from headrace.exports.columns import COLUMNS
from headrace.exports.jsonl import write_jsonl
from headrace.exports.manifest import Manifest, PublishedRows
from headrace.exports.schemas import schemas, write_schemas
from headrace.flattening import CELL_COLUMNS, FIELD_COLUMNS, OTHER, TABLE_ROW_COLUMNS, WORD_COLUMNS, flatten, words_of
from headrace.prediction import Page, Prediction
from headrace.states import END_STATES, Mark, Reason, State
from tests.exports.rows import CONTEXT, ROUTE, document, prediction, predictions, run
from tests.memory_store import InMemoryStore

DOCS = Path(__file__).parents[2] / "docs"
OUTPUTS = (DOCS / "outputs.md").read_text(encoding="utf-8")


def valid(kind: str, instance) -> None:
    assert [error.message for error in validator_of(kind).iter_errors(instance)] == []


@cache
def validator_of(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        schemas()[kind], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def test_the_schemas_in_docs_are_current(tmp_path):
    write_schemas(tmp_path)
    expected = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    published = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "schemas").glob("*.schema.json")}
    assert published == expected, "run: python -m headrace.exports.schemas docs/schemas"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


@settings(max_examples=25, deadline=None)
@given(predictions)
def test_all_rows_fit_their_schemas(found):
    rows = flatten(found, CONTEXT, ROUTE.columns)
    for kind in ("fields", "table_rows", "cells"):
        for line in write_jsonl(getattr(rows, kind)).decode().split("\n")[:-1]:
            valid(kind, json.loads(line))
    for row in words_of(found, CONTEXT):
        valid("words", row)


def test_the_schemas_notice_what_does_not_fit():
    row = flatten(prediction(), CONTEXT).fields[0]
    for broken in (row | {"page": "1"}, row | {"more": 1}, {"page": 1}, row | {"schema_version": 99}):
        with pytest.raises(AssertionError):
            valid("fields", broken)


@pytest.mark.parametrize("state", sorted(END_STATES))
def test_every_manifest_fits_its_schema(state):
    exported = state is State.EXPORTED
    store = InMemoryStore()
    published = Exporter(store).publish(
        run(state=state, reason=None if exported else Reason.POISON, marks=(Mark.PARTIAL,)),
        ROUTE,
        prediction(text="x") if exported else None,
    )
    valid("manifest", json.loads(store.read("outbox", published.manifest_key)))


def test_every_column_is_explained():
    used = {*FIELD_COLUMNS, *CELL_COLUMNS, *TABLE_ROW_COLUMNS, OTHER, *WORD_COLUMNS}
    assert used == set(COLUMNS)
    for name, column in COLUMNS.items():
        assert f"| `{name}` | {column.meaning} |" in OUTPUTS


def test_every_reason_state_and_mark_is_explained():
    for reason in Reason:
        explanation = EXPLANATIONS[reason]
        assert f"| `{reason}` | {explanation.meaning} | {explanation.remedy} |" in OUTPUTS
    for state in END_STATES:
        assert re.search(rf"^\| `{state}` \| \S.*\|$", OUTPUTS, re.MULTILINE), state
    for mark in Mark:
        assert f"`{mark}`" in OUTPUTS


def test_every_fact_of_the_manifest_is_named():
    section = OUTPUTS.split("## The manifest")[1].split("## Reasons")[0]
    for name in (*Manifest.model_fields, *PublishedRows.model_fields):
        assert f"`{name}`" in section, name


@pytest.fixture
def exported_files(tmp_path, monkeypatch) -> Path:
    """A folder `rows` with what four documents became: plain, empty, hostile, failed."""
    store = InMemoryStore()
    exporter = Exporter(store)
    exporter.publish(run(), ROUTE, prediction(text="Oak board"))
    empty = Prediction(provider="nanonets", model="m", pages=(Page(number=1),))
    hostile = prediction('=1\0"\r\n,\u2028;').model_copy(update={"metadata": {"vendor": 'a"b', "deep": {"x": [1]}}})
    keep = ROUTE.model_copy(update={"versions": "keep"})
    exporter.publish(run(document("empty")), keep, empty)
    exporter.publish(run(document("hostile"), received_on="2026-11-21"), keep, hostile)
    exporter.publish(run(document("failed"), state=State.FAILED, reason=Reason.ENCRYPTED), keep, None)
    for key in store.keys("outbox"):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read("outbox", key))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", OUTPUTS, re.MULTILINE | re.DOTALL)


def test_the_queries_for_duckdb_work(exported_files):
    totals, items, as_text, states = (duckdb.sql(query).fetchall() for query in blocks("sql"))
    assert [(row[2], row[4], row[5], str(row[6])) for row in sorted(totals, key=str)] == [
        ("12.50", 0.98, None, "2026-11-20"),
        ('=1\0"\r\n,\u2028;', 0.98, 'a"b', "2026-11-21"),
    ]
    assert [row[1:] for row in items] == [(1, 1, "-12.50", None)] * 2 + [(1, 2, None, None)] * 2
    assert ("in/a.pdf", "total", "'=1\0\"\r\n,\u2028;") in as_text
    assert [row[:4] for row in states] == [("exported", None, 3, 3), ("failed", "encrypted", 1, 1)]


def test_the_lines_for_pandas_work(exported_files):
    (source,) = blocks("python")
    names: dict = {}
    exec(source, names)
    assert sorted(names["totals"]["text"]) == ["'=1\0\"\r\n,\u2028;", "12.50"]
    assert len(names["cells"]) == 8
    assert list(names["cells"]["metadata"])[-1] == {"vendor": 'a"b', "deep": {"x": [1]}}
    assert list(names["words"]["text"]) == ["Oak", "board"]
