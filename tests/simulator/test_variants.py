"""Every way in which an answer was seen can be chosen, and the seed can choose."""

import json

import pytest

from headrace.providers.nanonets.answers import records
from headrace.providers.nanonets.reading import prediction
from simulator.variants import Variants, values_of
from tests.pdfs import make_pdf
from tests.simulator.in_process import application

TWO = make_pdf(2)
FIVE = make_pdf(5)


def boxes(pages, name="prediction"):
    return [box for page in pages for box in page[name]]


def cells(pages):
    return [cell for box in boxes(pages) for cell in box.get("cells", ())]


def test_links_come_as_a_map_as_nothing_or_as_null():
    for value, expected in (("list", []), ("null", [None])):
        with application("--signed-urls", value) as running:
            body = running.upload(TWO).json()
            assert body["signed_urls"] == expected
            assert running.stored(body["result"][0]["request_file_id"])["signed_urls"] == expected
            assert running.upload(TWO, query="?async=true", name="b.pdf").json().get("signed_urls") is None
    with application("--accept-shape", "flat") as running:
        assert running.upload(TWO, query="?async=true").json()["signed_urls"] == {}


def test_a_sync_page_says_so_or_nothing():
    with application("--processing-type", "empty") as running:
        assert {page["processing_type"] for page in running.predicted(TWO)} == {""}


@pytest.mark.parametrize(
    ("case", "words"), [("usual", ("Success", "success")), ("lower", ("success",) * 2), ("upper", ("SUCCESS",) * 2)]
)
def test_success_is_spelt_as_chosen(case, words):
    with application("--letter-case", case) as running:
        pages = running.predicted(TWO)
        stored = running.stored(pages[0]["request_file_id"])["unmoderated_images"]
        assert ({page["message"] for page in pages}, {page["status"] for page in stored}) == ({words[0]}, {words[1]})


@pytest.mark.parametrize(
    ("costs", "told"),
    [("zero", 0), ("charged", 0.2), ("waived", 0), ("some", 0.1), ("missing", None), ("odd", None)],
)
def test_stored_pages_cost_what_was_chosen(costs, told):
    with application("--costs", costs) as running:
        pages = running.predicted(TWO)
        assert prediction(records(running.stored(pages[0]["request_file_id"])), "m").cost == told
        assert not {"cost", "payable_cost"} & set(pages[0])


def test_bodies_of_2021_lack_what_came_later():
    with application("--bodies", "2021") as running:
        page = running.predicted(TWO)[0]
        assert not {"file_url", "request_metadata", "processing_type", "size"} & set(page)
        assert page["raw_ocr_api_response"] == {"results": None}
        assert page["request_file_id"]
        assert not any({"id", "type", "status"} & set(box) for box in page["prediction"])
        # Stored pages were never captured like that.
        assert running.stored(page["request_file_id"])["unmoderated_images"][0]["status"] == "success"


def test_cells_count_from_nothing_or_one():
    for first in (0, 1):
        with application("--first-cell", str(first)) as running:
            found = cells(running.predicted(TWO))
            assert {min(cell[name] for cell in found) for name in ("row", "col")} == {first}


def test_scores_go_to_one_or_a_hundred():
    for most in (1, 100):
        with application("--score-scale", str(most)) as running:
            assert most / 2 < max(box["score"] for box in boxes(running.predicted(TWO))) <= most


def test_stored_pages_are_listed_as_chosen():
    def listed(*options):
        with application(*options) as running:
            return [page["page"] for page in running.stored_after(FIVE)["unmoderated_images"]]

    assert listed() == [4, 3, 2, 1, 0]
    assert listed("--page-order", "ordered") == [0, 1, 2, 3, 4]
    shuffled = listed("--page-order", "shuffled")
    assert sorted(shuffled) == [0, 1, 2, 3, 4]
    assert shuffled == listed("--page-order", "shuffled")
    assert len({tuple(listed("--page-order", "shuffled", "--seed", str(seed))) for seed in range(4)}) > 1


def test_raw_words_come_with_their_boxes():
    with application("--raw-ocr", "words") as running:
        (page, *_) = [page for page in running.stored_after(TWO)["unmoderated_images"] if page["page"] == 0]
        words = {word["text"] for word in page["raw_ocr"]}
        assert {
            word for box in page["predicted_boxes"] if box["type"] == "field" for word in box["ocr_text"].split()
        } <= words
        assert all({"xmin", "ymin", "xmax", "ymax"} <= set(word) for word in page["raw_ocr"])
    with application() as running:
        assert running.stored_after(TWO)["unmoderated_images"][0]["raw_ocr"] == []


def read(body: bytes):
    """What headrace makes of a body, without what is another each time, or in another variant."""
    pages = prediction(records(json.loads(body)), "demo").pages
    fields = [[(field.label, field.text, score(field.score), field.box) for field in page.fields] for page in pages]
    tables = [
        [
            [(cell.row, cell.column, cell.text, score(cell.score), cell.box) for cell in table.cells]
            for table in page.tables
        ]
        for page in pages
    ]
    return [page.number for page in pages], fields, tables, [page.rotation for page in pages]


def score(raw):
    """Percent are rounded differently."""
    return None if raw is None else round(raw, 4)


@pytest.mark.parametrize(
    "name", sorted(set(Variants.model_fields) - {"accept_shape", "full_text", "model_list", "partly_bad"})
)
def test_headrace_reads_the_same_in_every_variant(name):
    with application() as running:
        file_id = running.predicted(FIVE)[0]["request_file_id"]
        usual = read(
            running.ask("GET", f"Inferences/Model/demo/InferenceRequestFiles/GetPredictions/{file_id}").content
        )
        live = read(running.upload(FIVE).content)
        for value in values_of(name):
            running.order(do="vary", variants={name: value})
            answer = running.upload(FIVE)
            assert read(answer.content) == live
            file_id = answer.json()["result"][0]["request_file_id"]
            path = f"Inferences/Model/demo/InferenceRequestFiles/GetPredictions/{file_id}"
            assert read(running.ask("GET", path).content) == usual


def shapes(running, documents):
    """What of some answers the variants decide."""
    found = []
    for document in documents:
        answer = running.upload(document).json()
        page = answer["result"][0]
        stored = running.stored(page["request_file_id"])
        listed = stored["unmoderated_images"] + stored["moderated_images"]
        found.append(
            (
                answer["message"],
                "size" in page,
                type(answer["signed_urls"]).__name__,
                page["prediction"][0]["score"] if page["prediction"] else None,
                [record["page"] for record in listed],
                stored["moderated_images_count"],
                [record["status"] for record in listed],
            )
        )
    return found


def test_the_same_seed_is_awkward_in_the_same_way():
    documents = [make_pdf(pages) for pages in range(1, 9)] * 2
    with application("--awkward") as running:
        first = shapes(running, documents)
    with application("--awkward") as running:
        assert shapes(running, documents) == first
    with application("--awkward", "--seed", "1") as running:
        assert shapes(running, documents) != first
    assert len({shape[0] for shape in first}) == 3
    assert {shape[1] for shape in first} == {True, False}
    assert {shape[5] > 0 for shape in first} == {True, False}


def test_what_is_given_stays_also_where_all_else_is_awkward():
    with application("--awkward", "--signed-urls", "list", "--moderated", "0") as running:
        for pages in range(1, 9):
            answer = running.upload(make_pdf(pages)).json()
            assert answer["signed_urls"] == []
            assert running.stored(answer["result"][0]["request_file_id"])["moderated_images_count"] == 0


def test_one_file_can_be_ordered_in_another_shape():
    with application() as running:
        running.order(do="vary", variants={"signed_urls": "null", "pending": "pages"}, file="b.pdf")
        assert running.upload(TWO).json()["signed_urls"] != [None]
        answer = running.upload(TWO, name="b.pdf").json()
        assert answer["signed_urls"] == [None]
        assert running.stored(answer["result"][0]["request_file_id"])["signed_urls"] == [None]
        for wrong in ({}, {"colour": "red"}, {"signed_urls": "none"}):
            assert running.order(do="vary", variants=wrong).status_code == 400
        assert running.order(do="lag", variants={"pending": "pages"}).status_code == 400
        for do in ("cut", "slow"):
            assert running.order(do=do, variants={"pending": "pages"}).status_code < 300


def test_metadata_comes_back_blank_where_that_was_chosen_or_ordered():
    with application("--metadata", "blank") as running:
        pages = running.predicted(TWO, request_metadata="order=7")
        assert {page["request_metadata"] for page in pages} == {""}
    with application("--awkward") as running:
        running.order(do="vary", variants={"metadata": "blank", "bodies": "full", "page_order": "ordered"})
        blank = running.predicted(TWO, request_metadata="order=7")
        echoed = [running.predicted(TWO, request_metadata="order=7") for _ in range(8)]
        stored = [running.stored(pages[0]["request_file_id"]) for pages in (blank, *echoed)]
    told = [
        {page["request_metadata"] for page in one["moderated_images"] + one["unmoderated_images"]} for one in stored
    ]
    assert told == [{""}, *[{"order=7"}] * 8]
