"""FullText answers become pages with text and words."""

import gzip
import json

import pytest

from headrace.exports.files import files_of
from headrace.prediction import Box
from headrace.providers.nanonets import bodies, reading
from headrace.providers.nanonets.answers import UnreadableBody
from tests.exports.rows import ROUTE, run
from tests.nanonets.captures import BY_FILE, FULL_TEXT, OLD_PREDICT, as_bytes


def read(body):
    return reading.prediction_of_text(bodies.parse(as_bytes(body)), "m")


def test_text_and_words_are_read_page_by_page():
    first, second = read(FULL_TEXT).pages
    assert (first.number, first.text, first.unit) == (1, "Oak board\n12.50", "px")
    assert [word.text for word in first.words] == ["Oak", "board"]
    assert first.words[1].box == Box(xmin=5, ymin=2, xmax=8, ymax=4)
    assert (second.number, second.text, second.words, second.unit) == (2, "", (), None)


def test_what_is_said_of_the_file_is_a_detail_of_the_answer():
    assert read(FULL_TEXT).details == {"message": "Success", "result": [{"filename": "a.pdf"}]}


@pytest.mark.parametrize(
    "body",
    [
        {"results": FULL_TEXT["result"]},
        {"result": [{"page_data": [page]} for page in FULL_TEXT["result"][0]["page_data"]]},
        {"result": FULL_TEXT["result"][0]["page_data"]},
        {"result": [{"page_data": [{"raw_text": "Oak board\n12.50"}, {"raw_text": ""}]}]},
    ],
    ids=["results", "a list for each page", "flat", "no numbers"],
)
def test_other_shapes_are_read_as_well(body):
    assert [(page.number, page.text) for page in read(body).pages] == [(1, "Oak board\n12.50"), (2, "")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"result": []},
        {"result": None, "results": "x"},
        {"result": [{"filename": "a.pdf", "page_data": []}]},
        {"result": [{"page_data": {"0": "x"}}]},
        {"result": [{"page_data": [{"page": -1, "raw_text": "x"}]}]},
        {"result": FULL_TEXT["result"] * 2},
        OLD_PREDICT,
    ],
    ids=["nothing", "no file", "no list", "no page", "no records", "no number", "two files", "another answer"],
)
def test_where_there_is_no_page_the_body_is_unreadable(body):
    with pytest.raises(UnreadableBody):
        read(body)


def test_a_whole_body_is_told_by_what_it_holds():
    assert reading.prediction_of(FULL_TEXT, "m") == reading.prediction_of_text(FULL_TEXT, "m")


def test_words_that_are_none_are_details():
    (page,) = read({"result": [{"page_data": [{"page": 0, "raw_text": "x", "words": ["x"]}]}]}).pages
    assert (page.words, page.details) == ((), {"words": ["x"]})


def files(prediction):
    return {output.facts.kind: output for output in files_of(run(), ROUTE, prediction, {}) if not output.optional}


def test_text_and_words_are_exported():
    published = files(read(FULL_TEXT))
    assert published["text"].body == b"Oak board\n12.50\f\f"
    words = [json.loads(line) for line in gzip.decompress(published["words"].body).splitlines()]
    assert [(word["page"], word["text"], word["xmin"], word["unit"]) for word in words] == [
        (1, "Oak", 1, "px"),
        (1, "board", 5, "px"),
    ]


def test_words_of_a_stored_page_are_exported_without_a_text_made_up_of_them():
    published = files(reading.prediction_of(BY_FILE, "m"))
    assert "text" not in published
    assert published["words"].facts.rows == 1
