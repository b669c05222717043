"""Answers of Nanonets become predictions: complete, in order, with nothing made up."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import PredictionRejected
from headrace.prediction import Box
from headrace.providers.nanonets import answers, reading
from headrace.providers.nanonets.answers import UnreadableBody
from headrace.providers.nanonets.envelope import seal, unseal
from headrace.providers.nanonets.links import without_signed_links
from tests.nanonets.samples import KEY, always, box, cell, live, live_page, stored, stored_page, table

PROVIDER = always(500)


def read(body):
    return PROVIDER.read(json.dumps(body).encode(), "invoices")


def fields_of(body):
    return read(body).pages[0].fields


def test_pages_count_from_one_and_come_in_order():
    prediction = read(stored(stored_page(2), stored_page(0), moderated=[stored_page(1, is_moderated=True)]))
    assert [page.number for page in prediction.pages] == [1, 2, 3]
    assert [page.moderated for page in prediction.pages] == [False, True, False]


def test_a_page_listed_twice_counts_once_and_the_approved_one_stands():
    approved = stored_page(0, is_moderated=True, moderated_boxes=[box("total", "13.00")])
    prediction = read(stored(stored_page(0), moderated=[approved]))
    assert [field.text for page in prediction.pages for field in page.fields] == ["13.00"]


def test_a_field_keeps_all_that_came():
    (field,) = fields_of(live(live_page(prediction=[box("total", "12\n00", validation_status="failed")])))
    assert (field.label, field.text, field.type, field.status) == ("total", "12\n00", "field", "correctly_predicted")
    assert (field.box_id, field.label_id, field.validation_status) == ("total-12\n00", "9f1e", "failed")
    assert field.box == Box(xmin=431, ymin=118, xmax=540, ymax=141)
    assert (field.score, field.score_raw, field.moderated) == (0.97, 0.97, None)


def test_repeated_and_empty_labels_are_kept():
    fields = fields_of(live(live_page(prediction=[box("a", "1"), box("a", "2"), box("", "3"), box(None, "4")])))
    assert [(field.label, field.text) for field in fields] == [("a", "1"), ("a", "2"), ("", "3"), ("", "4")]


def test_four_zeros_are_no_place():
    (field,) = fields_of(live(live_page(prediction=[box("a", "1", xmin=0, ymin=0, xmax=0, ymax=0)])))
    assert field.box is None


@pytest.mark.parametrize(
    ("raw", "score"),
    [(0.5, 0.5), (1, 1.0), (99.99, 0.9999), (0, 0.0), (101, None), (-1, None), (True, None), ("x", None)],
)
def test_scores_above_one_are_percent(raw, score):
    (field,) = fields_of(live(live_page(prediction=[box("a", "1", score=raw)])))
    assert field.score == pytest.approx(score) if score is not None else field.score is None
    assert field.score_raw == (None if raw is True else raw)


def test_old_answers_without_most_keys_are_read():
    body = {"result": [{"prediction": [{"label": "total", "ocr_text": "1"}], "page": 0}]}
    page = read(body).pages[0]
    assert page.fields[0].text == "1"
    assert (page.width, page.unit, page.page_id, page.fields[0].box) == (None, None, None, None)


def test_a_blank_page_is_a_page():
    prediction = read(stored(stored_page(0, predicted_boxes=[])))
    assert len(prediction.pages) == 1
    assert prediction.pages[0].failure is None


def test_tables_keep_spans_edges_and_labels():
    body = live(
        live_page(
            prediction=[table(cell(1, 2, "Oak", xmin=-2, ymin=0, xmax=4, ymax=5), cell(2, 1, "", label="", row_span=2))]
        )
    )
    first, second = read(body).pages[0].tables[0].cells
    assert (first.row, first.column, first.row_span, first.column_span, first.text) == (1, 2, 1, 1, "Oak")
    assert first.box is not None
    assert first.box.xmin == -2
    assert (second.label, second.row_span) == ("", 2)


def test_tables_that_count_from_zero_are_counted_from_one():
    cells = read(live(live_page(prediction=[table(cell(0, 0, "a"), cell(1, 1, "b"))]))).pages[0].tables[0].cells
    assert [(found.row, found.column) for found in cells] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("span", [0, -1, 10**9, "2", None, 1.5, True])
def test_a_senseless_span_is_one(span):
    cells = read(live(live_page(prediction=[table(cell(1, 1, "a", col_span=span))]))).pages[0].tables[0].cells
    assert cells[0].column_span == 1


def test_corrected_boxes_come_before_predicted_ones():
    page = stored_page(
        is_moderated=True,
        predicted_boxes=[box("total", "12.00", id="1"), box("date", "today", id="2"), box("wrong", "x", id="3")],
        moderated_boxes=[box("total", "13.00", id="1"), box("date", "today", id="2")],
    )
    fields = fields_of(stored(moderated=[page]))
    assert [(field.text, field.original_text, field.moderated) for field in fields] == [
        ("13.00", "12.00", True),
        ("today", None, True),
    ]


def test_failed_pages_are_named_and_the_others_kept():
    prediction = read(stored(stored_page(0), stored_page(1, status="Failure", predicted_boxes=[])))
    assert prediction.failed_pages == (2,)
    assert prediction.pages[0].fields


def test_stored_pages_say_what_they_cost_together():
    assert read(stored(stored_page(0, payable_cost=2), stored_page(1, payable_cost=0.5))).cost == 2.5
    assert read(live(live_page())).cost is None


@pytest.mark.parametrize(
    "text", [None, "", "order=7", "{", "[]", "7", '{"metadata": {}}', '{"headrace": 7}', {"a": 1}, "[" * 9999]
)
def test_foreign_metadata_is_nobodys(text):
    prediction = read(live(live_page(request_metadata=text)))
    assert prediction.key is None
    assert prediction.metadata == {}


@given(st.dictionaries(st.text(), st.text()))
@settings(max_examples=30)
def test_an_envelope_comes_back_as_it_went(metadata):
    opened = unseal(seal(KEY, metadata))
    assert (opened.key, opened.metadata) == (str(KEY), metadata)


def test_numbers_that_are_none_are_null_and_half_characters_are_replaced():
    body = b'{"result": [{"page": 0, "prediction": [{"label": "\\ud800x", "score": NaN, "xmin": 1e999}]}]}'
    field = PROVIDER.read(body, "m").pages[0].fields[0]
    assert (field.label, field.score, field.box) == ("\ufffdx", None, None)


def test_a_stored_answer_that_is_damaged_says_so():
    with pytest.raises(PredictionRejected, match="cannot be read"):
        PROVIDER.read(b"{", "m")


def test_signed_links_are_taken_out_wherever_they_are_but_not_the_text_of_the_page():
    body = live(
        live_page(input="https://h/k?X-Amz-Signature=secret", prediction=[box("link", "https://pay/?token=on-paper")])
    )
    body |= {"signed_urls": {"p": {"original": "https://h/?s=secret"}}, "extra": [{"signed_urls": ["secret"]}]}
    body |= {"message": 'see https://u:secret@h/a and "https://h/b?page=2" or https://h/c?Expires=1&Signature=secret.'}
    cleaned = without_signed_links(body)
    assert "secret" not in json.dumps(cleaned)
    assert cleaned["result"][0]["prediction"][0]["ocr_text"] == "https://pay/?token=on-paper"
    assert "https://h/b?page=2" in cleaned["message"]
    assert cleaned["result"][0]["input"] == "https://h/k"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BOX_KEYS = (
    "label",
    "xmin",
    "ymin",
    "xmax",
    "ymax",
    "score",
    "ocr_text",
    "type",
    "cells",
    "row",
    "col",
    "row_span",
    "id",
)
RECORD_KEYS = (
    "page",
    "status",
    "message",
    "id",
    "size",
    "rotation",
    "is_moderated",
    "request_metadata",
    "payable_cost",
)
BOXES = st.lists(st.dictionaries(st.sampled_from(BOX_KEYS), JSON), max_size=3)
HOSTILE = st.builds(
    lambda record, boxes, name: record | {name: boxes},
    st.dictionaries(st.sampled_from(RECORD_KEYS), JSON),
    BOXES,
    st.sampled_from(["prediction", "predicted_boxes", "moderated_boxes"]),
)


@given(st.lists(HOSTILE | JSON, max_size=3), st.sampled_from(["result", "moderated_images", "unmoderated_images"]))
@settings(max_examples=100)
def test_whatever_comes_is_read_or_said_to_be_unreadable(pages, name):
    try:
        found = answers.records(answers.parse(json.dumps({name: pages}).encode()))
        answers.standing(found, 2)
        prediction = reading.prediction(found, "m")
    except UnreadableBody:
        return
    assert prediction.model_validate_json(prediction.model_dump_json()) == prediction
    assert all(page.number >= 1 for page in prediction.pages)
