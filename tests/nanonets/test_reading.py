"""Answers of Nanonets become predictions: complete, in order, with nothing made up."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import PredictionRejected
from headrace.prediction import Box
from headrace.providers.nanonets import answers, reading
from headrace.providers.nanonets.answers import Input, Standing
from headrace.providers.nanonets.envelope import seal, unseal
from headrace.providers.nanonets.links import without_signed_links
from tests.nanonets.samples import FILE_ID, KEY, always, box, cell, live, live_page, stored, stored_page, table

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
    assert field.details == ({"score": True} if raw is True else {})


def scores_of(*raw):
    cells = table(*(cell(1, 1, "x", score=one) for one in raw[1:]))
    page = read(live(live_page(prediction=[cells]), live_page(1, prediction=[box("a", "1", score=raw[0])]))).pages
    return [page[1].fields[0].score, *(found.score for found in page[0].tables[0].cells)]


def test_the_scale_is_what_most_scores_of_an_answer_speak_for():
    assert scores_of(99.9, 0.8, 100, 98) == pytest.approx([0.999, 0.008, 1, 0.98])
    assert scores_of(97, 99.9, 98, 1, 0) == pytest.approx([0.97, 0.999, 0.98, 0.01, 0])
    assert scores_of(0.8, 0.999, 1, 0) == [0.8, 0.999, 1, 0]


@pytest.mark.parametrize("odd", [99.9, 2, 1.5])
def test_an_odd_score_is_none_and_changes_no_other(odd):
    assert scores_of(0.8, odd, 1, 0) == [0.8, None, 1, 0]
    assert scores_of(odd, 0.8) == [None, 0.8]


def test_corrected_boxes_have_a_scale_of_their_own():
    corrected = stored_page(is_moderated=True, moderated_boxes=[box("total", "13.00", score=99.99)])
    first, second = read(stored(stored_page(1), moderated=[corrected])).pages
    assert first.fields[0].score == pytest.approx(0.9999)
    assert first.fields[0].score_raw == 99.99
    assert (first.predicted_fields[0].score, second.fields[0].score) == (0.97, 0.97)


def test_a_share_that_was_computed_to_a_little_more_than_one_is_one():
    assert scores_of(1.0000001, 0.5) == [1, 0.5]


def test_what_is_no_score_of_the_scale_says_nothing_of_the_others():
    assert scores_of(1000, 0.5) == [None, 0.5]


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


@pytest.mark.parametrize("boxes", [[], None])
def test_nobody_is_said_to_stand_for_boxes_of_an_approved_page_that_has_none_of_a_person(boxes):
    predicted = [box("total", "12.00"), table(cell(1, 1, "Oak"))]
    approved = stored_page(is_moderated=True, moderated_boxes=boxes, predicted_boxes=predicted)
    (page,) = read(stored(moderated=[approved])).pages
    assert (page.moderated, page.details["moderated_boxes"]) == (True, boxes)
    assert (page.fields[0].text, page.fields[0].moderated) == ("12.00", None)
    assert page.tables[0].cells[0].moderated is None


def test_boxes_of_a_page_that_waits_for_a_person_are_not_moderated():
    (page,) = read(stored(stored_page())).pages
    assert (page.fields[0].moderated, "moderated_boxes" in page.details) == (False, False)


def test_what_was_predicted_stays_beside_what_a_person_corrected():
    page = stored_page(
        is_moderated=True,
        predicted_boxes=[box("total", "12.00"), table(cell(1, 1, "Oak"))],
        moderated_boxes=[box("total", "13.00"), table(cell(1, 1, "Oaks"))],
    )
    (found,) = read(stored(moderated=[page])).pages
    assert (found.fields[0].text, found.predicted_fields[0].text) == ("13.00", "12.00")
    assert (found.tables[0].cells[0].text, found.predicted_tables[0].cells[0].text) == ("Oaks", "Oak")
    assert (found.fields[0].moderated, found.predicted_fields[0].moderated) == (True, False)
    assert read(stored(stored_page())).pages[0].predicted_fields == ()


def test_boxes_without_an_id_are_not_taken_for_each_other():
    page = stored_page(
        predicted_boxes=[box("total", "12.00", id=None), box("date", "x", id="")],
        moderated_boxes=[box("total", "13.00", id=""), box("date", "y", id=None)],
    )
    assert [field.original_text for field in fields_of(stored(page))] == [None, None]


@pytest.mark.parametrize(
    ("kind", "cells", "is_table"),
    [
        ("Table", [], True),
        ("table", None, True),
        ("field", [], False),
        ("field", None, False),
        ("field", [cell(1, 1, "a")], True),
        (None, [], True),
        ("", None, False),
    ],
)
def test_a_table_is_told_by_its_type_or_else_by_its_cells(kind, cells, is_table):
    page = read(live(live_page(prediction=[box("a", "1", type=kind, cells=cells)]))).pages[0]
    assert (len(page.tables), len(page.fields)) == ((1, 0) if is_table else (0, 1))


def test_a_record_without_a_page_stands_where_its_boxes_say_or_else_where_it_is_listed():
    pages = [
        live_page(prediction=[box("a", "1", page_no=4)], id="a"),
        live_page(prediction=[box("b", "2", page_no=0)], id="b"),
        live_page(prediction=[], id="c"),
    ]
    for page in pages:
        del page["page"]
    assert [(page.number, page.page_id) for page in read(live(*pages)).pages] == [(1, "b"), (3, "c"), (5, "a")]


def test_pages_that_alone_were_asked_for_keep_their_numbers():
    prediction = read(live(live_page(4), live_page(0)))
    assert [page.number for page in prediction.pages] == [1, 5]


@pytest.mark.parametrize("links", [[], [None], {}, None, {"a": {"original": "https://h/?s=1"}}])
def test_signed_links_may_come_in_any_shape(links):
    prediction = read(live(live_page()) | {"signed_urls": links})
    assert prediction.details == {"message": "Success"}


def test_the_lists_of_pages_count_and_not_their_counts():
    prediction = read(stored(stored_page(0), stored_page(1)) | {"unmoderated_images_count": 7})
    assert [page.number for page in prediction.pages] == [1, 2]
    assert prediction.details["unmoderated_images_count"] == 7


@pytest.mark.parametrize("word", ["Failure", "FAILURE", "failed", "Failure: it is blank"])
def test_a_page_fails_in_any_spelling(word):
    page = read(live(live_page(), live_page(1, message=word, prediction=[]))).pages[1]
    assert page.failure is not None
    assert page.failure.startswith("Nanonets could not read this page.")


@pytest.mark.parametrize(
    ("status", "message", "standing"),
    [
        ("", "Failure", Standing(failed=True)),
        ("", "Success", Standing(pending="1 of 1 pages are pending")),
        ("success", "Failure", Standing()),
        (" PENDING ", "Success", Standing(pending="1 of 1 pages are pending")),
        (None, "Success", Standing()),
        ("whatever", None, Standing()),
    ],
)
def test_beside_a_blank_status_only_a_failure_counts(status, message, standing):
    assert answers.standing([stored_page(status=status, message=message, predicted_boxes=[])], None) == standing


def test_what_the_vendor_says_of_a_failed_page_is_told_without_its_links():
    failure = read(live(live_page(message="Failure: see\nhttps://h/a?s=secret"))).pages[0].failure
    assert failure == "Nanonets could not read this page. It says: Failure: see https://h/a"


def test_boxes_of_a_failed_page_are_details():
    page = read(stored(stored_page(status="failure"))).pages[0]
    assert page.fields == ()
    assert page.details["predicted_boxes"][0]["label"] == "total"


def test_a_detail_that_is_larger_than_a_detail_is_left_to_the_stored_answer():
    page = read(live(live_page(custom_response="x" * 200_000, small="y"))).pages[0]
    assert page.details["small"] == "y"
    assert "custom_response" not in page.details


def test_raw_ocr_becomes_words_where_it_is_words():
    word = {"text": "Oak", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}
    page = read(stored(stored_page(raw_ocr=[word, word | {"confidence": 0.5}]))).pages[0]
    assert [(found.text, found.box, found.details) for found in page.words] == [
        ("Oak", Box(xmin=1, ymin=2, xmax=3, ymax=4), {}),
        ("Oak", Box(xmin=1, ymin=2, xmax=3, ymax=4), {"confidence": 0.5}),
    ]
    page = read(stored(stored_page(raw_ocr=[word, {"text": "no place"}]))).pages[0]
    assert page.words == ()
    assert page.details["raw_ocr"] == [word, {"text": "no place"}]


def test_a_url_that_could_not_be_used_is_no_page():
    refused = {"message": "Failure: 403", "input": "https://h/b.pdf?s=1"}
    body = live(live_page(), refused, live_page(1, input="invoice-8.pdf", request_file_id="other"))
    assert [page.number for page in read(body).pages] == [1, 2]
    assert answers.inputs(body) == [
        Input("invoice-7.pdf", FILE_ID, 1, ""),
        Input("https://h/b.pdf?s=1", None, 0, "Nanonets could not read this input. It says: Failure: 403"),
        Input("invoice-8.pdf", "other", 1, ""),
    ]
    assert answers.records(live(refused)) == []


def test_pages_of_one_file_are_one_input():
    assert answers.inputs(live(live_page(), live_page(1, message="failure", prediction=[]))) == [
        Input("invoice-7.pdf", FILE_ID, 2, "")
    ]


def test_inputs_in_nested_lists_are_found():
    body = {"result": [{"message": "Success", "result": [live_page(prediction=[]), {"message": "failure"}]}]}
    assert [(one.name, one.pages, bool(one.failure)) for one in answers.inputs(body)] == [
        ("invoice-7.pdf", 1, False),
        ("", 0, True),
    ]


def test_failed_pages_are_named_and_the_others_kept():
    prediction = read(stored(stored_page(0), stored_page(1, status="Failure", predicted_boxes=[])))
    assert prediction.failed_pages == (2,)
    assert prediction.pages[0].fields


def test_stored_pages_say_what_they_cost_together():
    assert read(stored(stored_page(0, payable_cost=2), stored_page(1, payable_cost=0.5))).cost == 2.5
    assert read(live(live_page())).cost is None


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ({}, 0),
        ({"payable_cost": 0, "cost": 0.3}, 0),
        ({"payable_cost": None, "cost": 0.3}, 0.3),
        ({"payable_cost": -1, "cost": 0.3}, 0.3),
        ({"payable_cost": "0.3", "cost": True}, None),
        ({"payable_cost": float("nan"), "cost": float("inf")}, None),
        ({"payable_cost": [1], "cost": -0.1}, None),
    ],
)
def test_a_cost_that_is_no_amount_is_none(said, cost):
    assert read(stored(stored_page(0, **said))).cost == cost


def test_pages_that_say_nothing_of_their_cost_are_left_out_and_a_sum_beyond_all_numbers_is_none():
    silent = {"cost": None, "payable_cost": None}
    assert read(stored(stored_page(0, payable_cost=0.5), stored_page(1, **silent))).cost == 0.5
    assert read(stored(stored_page(0, payable_cost=1e308), stored_page(1, payable_cost=1e308))).cost is None


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


@pytest.mark.parametrize("extra", [{"raw_text": None}, {"raw_text": "Oak"}, {"page_data": None}, {"page_data": []}])
@pytest.mark.parametrize("boxes", [{}, {"prediction": []}])
def test_a_key_that_is_added_beside_the_boxes_takes_no_field_away(extra, boxes):
    first, second = read(live(live_page(), live_page(1, **extra, **boxes))).pages
    assert [field.text for field in first.fields] == ["12.00"]
    assert len(second.fields) == (0 if boxes else 1)
    assert second.text == extra.get("raw_text")
    assert read(stored(stored_page()) | {"result": [{"raw_text": "x"}]}).pages[0].fields


def test_the_text_of_a_predict_call_with_boxes_stands_beside_them():
    body = live(live_page(raw_text="Oak https://pay/?token=on-paper"))
    page = reading.prediction_of_pages(body, "m").pages[0]
    assert (page.text, page.fields[0].text) == ("Oak https://pay/?token=on-paper", "12.00")
    assert "raw_text" not in page.details


@pytest.mark.parametrize("ids", [("a", "b"), ("", ""), (None, "b")])
def test_the_approved_record_of_a_page_stands_before_the_other_one(ids):
    approved = stored_page(0, is_moderated=True, moderated_boxes=[box("total", "13.00")], id=ids[0])
    other = stored_page(0, id=ids[1])
    for body in (stored(other, stored_page(1), moderated=[approved]), live(other, approved, stored_page(1))):
        assert [[field.text for field in page.fields] for page in read(body).pages] == [["13.00"], ["12.00"]]
        assert answers.standing(answers.records(body), 3).pending == "2 of 3 pages are listed"


@pytest.mark.parametrize("ids", [("a", "b"), ("", "")])
def test_a_page_that_is_there_twice_has_no_rows_twice(ids):
    pages = [stored_page(0, id=one) for one in ids]
    for body in (stored(*pages), stored(moderated=pages), live(*pages)):
        with pytest.raises(PredictionRejected, match="a page twice"):
            read(body)


def test_pages_of_several_files_are_all_records():
    pages = [stored_page(0, id="a", is_moderated=True), stored_page(0, id="b", request_file_id="other")]
    assert answers.records(stored(pages[1], moderated=pages[:1])) == pages
