"""Stored answers: created once, and the stored one counts."""

import gzip
import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.document import Document, SubmissionKey
from headrace.errors import AnswerLost, StorageUnavailable
from headrace.ledger.records import Run
from headrace.prediction import Box, Cell, Field, Page, Prediction, Table
from headrace.routing import Lane
from headrace.states import State
from headrace.storage import Location
from headrace.storage.answers import Answers
from tests.memory_store import InMemoryStore

PRIVATE = Location("private", "headrace")
KEY = SubmissionKey("d" * 32, 2, "nanonets", "1_10", 1)
FOLDER = f"headrace/runs/{'d' * 32}/2/nanonets-1_10-1"


def prediction(text: str = "one") -> Prediction:
    return Prediction(
        provider="nanonets", model="m", pages=(Page(number=1, fields=(Field(label="total", text=text),)),)
    )


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def answers(store) -> Answers:
    return Answers(store)


def test_an_answer_is_kept_raw_and_read(store, answers):
    assert answers.prediction(PRIVATE, KEY) is None
    assert answers.raw(PRIVATE, KEY) is None
    assert answers.keep(PRIVATE, KEY, b'{"raw": 1}', prediction()) == prediction()
    assert answers.prediction(PRIVATE, KEY) == prediction()
    assert answers.raw(PRIVATE, KEY) == b'{"raw": 1}'
    assert store.keys("private") == (f"{FOLDER}/prediction.json.gz", f"{FOLDER}/raw.json.gz")


def test_the_first_answer_counts(answers):
    answers.keep(PRIVATE, KEY, b"first", prediction("first"))
    assert answers.keep(PRIVATE, KEY, b"second", prediction("second")) == prediction("first")
    assert answers.raw(PRIVATE, KEY) == b"first"


def test_raw_bytes_are_only_stored_beside_what_was_read_out_of_them(store, answers):
    def fail_raw(call: str, key: str) -> None:
        if call == "put" and key.endswith("raw.json.gz"):
            raise StorageUnavailable("The store went away.")

    store.before = fail_raw
    with pytest.raises(StorageUnavailable):
        answers.keep(PRIVATE, KEY, b"first", prediction("first"))
    store.before = lambda _call, _key: None
    assert answers.keep(PRIVATE, KEY, b"second", prediction("second")) == prediction("first")
    assert answers.raw(PRIVATE, KEY) is None
    answers.keep(PRIVATE, KEY, b"first", prediction("first"))
    assert answers.raw(PRIVATE, KEY) == b"first"


def test_the_same_answer_is_the_same_bytes(store, answers):
    answers.keep(PRIVATE, KEY, b"x" * 1000, prediction())
    answers.keep(Location("other", ""), KEY, b"x" * 1000, prediction())
    for name in ("raw.json.gz", "prediction.json.gz"):
        path = f"{FOLDER}/{name}"
        assert store.read("private", path) == store.read("other", path.removeprefix("headrace/"))


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}"), gzip.compress(b"[" * 100_000)],
    ids=["empty", "other bytes", "cut", "another thing", "deep"],
)
def test_a_damaged_answer_is_said_to_be_damaged(store, answers, body):
    store.put("private", f"{FOLDER}/prediction.json.gz", body)
    with pytest.raises(AnswerLost, match="is damaged"):
        answers.prediction(PRIVATE, KEY)


def test_an_answer_that_unpacks_without_end_is_not_unpacked(store):
    packing = zlib.compressobj(wbits=31)
    store.put("private", f"{FOLDER}/raw.json.gz", packing.compress(bytes(5_000_000)) + packing.flush())
    with pytest.raises(AnswerLost, match="unpacks to more than"):
        Answers(store, most_unpacked_bytes=1_000_000).raw(PRIVATE, KEY)


def test_a_prediction_that_an_earlier_version_stored_is_read(store, answers):
    cell = {
        "row": 1, "column": 2, "row_span": 1, "column_span": 1, "text": "Oak", "label": None, "row_label": None,
        "score": 0.5, "score_raw": 50, "box": None, "box_id": None, "label_id": None, "status": None,
        "verification_status": None, "failed_validation": None, "moderated": None,
    }  # fmt: skip
    page = {
        "number": 1, "width": 10.0, "height": 20.0, "unit": "px", "rotation": 0, "text": None, "words": [],
        "failure": None, "page_id": None, "file_id": None, "moderated": None,
        "fields": [{"label": "total", "text": "7", "box": {"xmin": 1.0, "ymin": 2.0, "xmax": 3.0, "ymax": 4.0}}],
        "tables": [{"cells": [cell], "label": None, "label_id": None, "box_id": None, "box": None, "status": None}],
    }  # fmt: skip
    old = {"provider": "p", "model": "m", "job": None, "key": None, "pages": [page], "metadata": {}, "cost": None}
    store.put("private", f"{FOLDER}/prediction.json.gz", gzip.compress(json.dumps(old).encode()))
    read = answers.prediction(PRIVATE, KEY)
    assert read.pages[0].tables[0].cells[0] == Cell(row=1, column=2, text="Oak", score=0.5, score_raw=50)
    assert (read.details, read.pages[0].predicted_fields) == ({}, ())


def test_what_says_nothing_takes_no_room(store, answers):
    table = Table(cells=tuple(Cell(row=row, column=1) for row in range(1, 1001)))
    answers.keep(PRIVATE, KEY, b"", Prediction(provider="p", model="m", pages=(Page(number=1, tables=(table,)),)))
    assert len(gzip.decompress(store.read("private", f"{FOLDER}/prediction.json.gz"))) < 30_000


texts = st.text(st.characters(exclude_categories=()), max_size=12)


@settings(max_examples=60, deadline=None)
@given(texts, texts, st.floats(allow_nan=False))
def test_whatever_was_predicted_comes_back_exactly(label, text, edge):
    kept = Prediction(
        provider="p",
        model="m",
        pages=(
            Page(
                number=1,
                text=text,
                fields=(Field(label=label, text=text, box=Box(xmin=edge, ymin=0, xmax=1, ymax=2)),),
            ),
        ),
        metadata={label: text},
    )
    store = Answers(InMemoryStore())
    store.keep(PRIVATE, KEY, b"", kept)
    assert store.prediction(PRIVATE, KEY) == kept


def test_run_facts_of_a_later_claim_stay(store, answers):
    document = Document("inbox", "in/a \ud800.pdf", "abc", 10, datetime(2026, 11, 20, tzinfo=UTC))
    run = Run("r-1", document, 1, State.FAILED, token=3, lane=Lane("nanonets", "a", "m"))
    answers.keep_run_facts(PRIVATE, run)
    answers.keep_run_facts(PRIVATE, replace(run, token=2, state=State.WAITING))
    facts = json.loads(store.read("private", f"headrace/runs/{document.id}/1/run.json"))
    assert (facts["state"], facts["token"], facts["document_id"]) == ("failed", 3, document.id)
    assert facts["document"]["etag"] == "abc"
    assert facts["lane"] == {"provider": "nanonets", "account": "a", "model": "m"}
    answers.keep_run_facts(PRIVATE, replace(run, token=4, state=State.EXPORTED))
    facts = json.loads(store.read("private", f"headrace/runs/{document.id}/1/run.json"))
    assert facts["state"] == "exported"
