"""What a predict call may hold, and what becomes of each part of it."""

import json

import pytest

from tests.pdfs import make_pdf, make_picture, scattered_pdf
from tests.simulator.in_process import application
from tests.simulator.process import base64_of, served_folder

ONE, TWO, THREE = make_pdf(1), make_pdf(2), make_pdf(3)
LABEL_FILE, LABEL_URLS = "OCR/Model/demo/LabelFile/", "OCR/Model/demo/LabelUrls/"


@pytest.fixture(scope="module")
def running():
    with application() as started:
        yield started


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "a.pdf").write_bytes(TWO)
    with served_folder(folder) as address:
        yield address


def places(pages):
    return [(page["input"], page["page"]) for page in pages]


def test_several_files_are_several_ids_with_an_element_for_each_page(running):
    files = [("file", (f"{pages}.pdf", content)) for pages, content in ((1, ONE), (2, TWO), (3, THREE))]
    for query in ("", "?async=true"):
        result = running.ask("POST", LABEL_FILE + query, files=files).json()["result"]
        pages = result[0]["result"] if query else result
        assert places(pages) == [("1.pdf", 0), ("2.pdf", 0), ("2.pdf", 1), ("3.pdf", 0), ("3.pdf", 1), ("3.pdf", 2)]
        assert len({page["request_file_id"] for page in pages}) == 3
        assert len({page["id"] for page in pages}) == 6
        assert running.stored_at_last(pages[-1]["request_file_id"])["unmoderated_images_count"] == 3


def test_one_unreadable_file_of_several_refuses_the_call_and_costs_nothing(running):
    before = running.bill()["requests"]
    answer = running.ask("POST", LABEL_FILE, files=[("file", ("a.pdf", ONE)), ("file", ("b.pdf", b"no"))])
    assert (answer.status_code, running.bill()["requests"]) == (400, before)
    assert not list(running.folder.glob("upload-*"))


def test_more_files_than_a_client_ever_sent_are_refused(running):
    answer = running.ask("POST", LABEL_FILE, files=[("file", ("a.pdf", ONE))] * 21)
    assert answer.status_code == 400


@pytest.mark.parametrize("prefix", ["", "data:application/pdf;base64,"])
@pytest.mark.parametrize("path", [LABEL_FILE, LABEL_URLS])
@pytest.mark.parametrize("multipart", [True, False])
def test_base64_stands_in_place_of_a_file(running, path, prefix, multipart):
    data = {"base64_data": prefix + base64_of(TWO)}
    answer = running.ask("POST", path, data=data, **({"files": {"unused": b""}} if multipart else {}))
    assert [page["page"] for page in answer.json()["result"]] == [0, 1]


def test_base64_stands_beside_a_file(running):
    data = {"base64_data": base64_of(ONE)}
    pages = running.ask("POST", LABEL_FILE, files={"file": ("a.pdf", TWO)}, data=data).json()["result"]
    assert places(pages) == [("a.pdf", 0), ("a.pdf", 1), ("document", 0)]


def test_a_large_file_that_is_damaged_is_mended_to_count_it_as_the_pipeline_does(running):
    whole = scattered_pdf(160)
    damaged = whole[: len(whole) * 9 // 10]
    pages = running.upload(damaged, query="?async=true").json()["result"][0]["result"]
    assert len(pages) == damaged.count(b"/Type /Page /Parent")


def test_a_protected_file_is_refused_in_words_of_somebody_who_knows_no_routes(running):
    refused = running.upload(make_pdf(1, password="word"))
    assert refused.status_code == 400
    assert "The file cannot be read: encrypted." in refused.text
    assert "route" not in refused.text


@pytest.mark.parametrize(("kind", "status"), [("PNG", 200), ("JPEG", 200), ("TIFF", 200), ("WEBP", 400)])
def test_pictures_are_taken_in_the_types_that_the_vendor_takes(running, kind, status):
    assert running.upload(make_picture(kind), name="a.png").status_code == status


def test_what_is_no_base64_is_refused(running):
    assert running.ask("POST", LABEL_FILE, data={"base64_data": "###"}).status_code == 400


@pytest.mark.parametrize("multipart", [True, False])
def test_links_come_form_encoded_or_as_multipart(running, served, multipart):
    urls = [f"{served}/a.pdf?x=1&y=a+b", f"{served}/a.pdf"]
    parts = {"files": [("urls", (None, url)) for url in urls]} if multipart else {"data": {"urls": urls}}
    pages = running.ask("POST", LABEL_URLS, **parts).json()["result"]
    assert places(pages) == [(urls[0], 0), (urls[0], 1), (urls[1], 0), (urls[1], 1)]


@pytest.mark.parametrize("status", [202, 206])
@pytest.mark.parametrize(("query", "shape"), [("", "nested"), ("?async=true", "nested"), ("?async=true", "flat")])
def test_bad_links_among_good_ones_are_told_one_by_one(served, status, query, shape):
    urls = [f"{served}/missing.pdf", f"{served}/a.pdf", "http://example.invalid/b.pdf"]
    with application("--partly-bad", str(status), "--accept-shape", shape) as running:
        answer = running.ask("POST", LABEL_URLS + query, data={"urls": urls})
        good, bad = answer.json()["result"][:-2], answer.json()["result"][-2:]
        assert answer.status_code == status
        assert len(good[0].get("result", good)) == 2
        assert [element["input"] for element in bad] == [urls[0], urls[2]]
        assert all(element["message"].startswith("Failure") for element in bad)
        assert running.bill()["pages"] == 2


@pytest.mark.parametrize(
    ("wanted", "pages"),
    [("1", [0]), ("1,3", [0, 2]), ("3, 1", [0, 2]), ("2,99", [1]), ("", [0, 1, 2]), ("0,1", [0])],
)
def test_chosen_pages_keep_their_numbers_and_only_they_are_billed(running, wanted, pages):
    before = running.bill()["pages"]
    for content_type in ({"files": {"file": ("a.pdf", THREE)}}, {}):
        data = {"pages_to_process": wanted} | ({} if content_type else {"base64_data": base64_of(THREE)})
        answer = running.ask("POST", LABEL_FILE, data=data, **content_type).json()
        assert [page["page"] for page in answer["result"]] == pages
    assert running.bill()["pages"] - before == 2 * len(pages)


@pytest.mark.parametrize("wanted", ["99", "0", "1:2", "one", ","])
def test_pages_that_are_not_there_or_no_numbers_are_refused(running, wanted):
    assert running.upload(THREE, pages_to_process=wanted).status_code == 400


def test_metadata_comes_back_everywhere(running):
    metadata = "ümlaut & order=7\n" + "x" * 5_000
    page = running.predicted(TWO, request_metadata=metadata)[0]
    later = running.upload(TWO, query="?async=true", request_metadata=metadata).json()["result"][0]["result"][0]
    record = running.stored(page["request_file_id"])["unmoderated_images"][0]
    by_page = running.ask("GET", f"Inferences/Model/demo/ImageLevelInferences/{page['id']}").json()["result"][0]
    assert {each["request_metadata"] for each in (page, later, record, by_page)} == {metadata}


def test_a_language_is_kept_for_the_bill_and_else_refused(running):
    metadata = json.dumps({"headrace": "one"})
    running.upload(ONE, query="?l=de", request_metadata=metadata)
    assert running.upload(ONE, query="?l=pt-BR&async=true", request_metadata=metadata).status_code == 200
    assert running.bill()["submissions"]["one"]["languages"] == ["de", "pt-BR"]
    assert running.upload(ONE, query="?l=../x").status_code == 400


def test_an_order_of_a_page_to_be_blank_or_to_fail_counts_pages_of_the_document(running):
    for do, message, word in (("blank", "Success", "success"), ("fail", "Failure", "failure")):
        running.order(do=do, pages=[3])
        pages = running.predicted(THREE, pages_to_process="1,3")
        assert [(page["message"], bool(page["prediction"])) for page in pages] == [("Success", True), (message, False)]
        stored = running.stored(pages[0]["request_file_id"])["unmoderated_images"]
        assert [(page["status"], bool(page["predicted_boxes"])) for page in stored] == [
            (word, False),
            ("success", True),
        ]
