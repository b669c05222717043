"""The simulator answers like the real API, call by call."""

import base64
import json
import time
from uuid import UUID

import httpx
import pytest

from headrace.document import SubmissionKey
from tests.pdfs import make_pdf
from tests.simulator.process import API_KEY, base64_of, served_folder, simulator

TWO = make_pdf(2)


@pytest.fixture(scope="module")
def slow():
    with simulator("--async-seconds", "60", "--pending", "pages", "--accept-shape", "flat") as started:
        yield started


def eventually(ask, until):
    """Ask again until the answer fits, for at most ten seconds."""
    end = time.monotonic() + 10
    while not until(found := ask()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize(
    "authorization", [None, "Basic !", "Bearer x", "Basic " + base64.b64encode(b"other:").decode()]
)
def test_a_wrong_key_is_refused(running, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.post(f"{running.base_url}/OCR/Model/demo/LabelFile/", headers=headers, files={"file": TWO})
    assert answer.status_code == 401
    assert answer.json()["code"] == 401


@pytest.mark.parametrize("content", [b"", b"just text", b"<html>", make_pdf(1, password="secret"), TWO[:300]])
def test_what_is_no_readable_document_is_refused(running, content):
    assert running.upload(content).status_code == 400


def test_a_call_without_a_file_is_refused(running):
    assert running.ask("POST", "OCR/Model/demo/LabelFile/").status_code == 400
    assert running.ask("POST", "OCR/Model/demo/LabelUrls/", data={"x": "y"}).status_code == 400


@pytest.mark.parametrize("path", ["OCR/Model/demo/LabelFile/Async/", "nothing", "OCR/Model/demo"])
def test_other_calls_do_not_exist(running, path):
    assert running.ask("POST", path, files={"file": TWO}).status_code in {404, 405}


@pytest.mark.parametrize("path", ["OCR/Model/demo/LabelFile", "OCR/Model/demo/LabelFile/?async=false"])
def test_a_sync_answer_has_one_element_a_page(running, path):
    body = running.ask("POST", path, files={"file": ("a.pdf", TWO)}, data={"request_metadata": "order=7"}).json()
    first, second = body["result"]
    assert [first["page"], second["page"]] == [0, 1]
    assert first["request_file_id"] == second["request_file_id"]
    assert UUID(first["id"]).version == 1
    assert first["processing_type"] == "sync"
    assert first["request_metadata"] == "order=7"
    assert {box["page_no"] for box in second["prediction"]} <= {1}
    assert "original_with_long_expiry" in body["signed_urls"][first["filepath"]]
    assert body["simulated"] is True


def test_invented_pages_depend_on_the_content_alone(running):
    def texts(content):
        return [box["ocr_text"] for page in running.upload(content).json()["result"] for box in page["prediction"]]

    assert texts(TWO) == texts(TWO)
    assert texts(TWO) != texts(make_pdf(3))


def test_invented_pages_are_as_awkward_as_real_ones(running):
    boxes = running.upload(TWO).json()["result"][0]["prediction"]
    labels = [box["label"] for box in boxes]
    cells = next(box["cells"] for box in boxes if box["type"] == "table")
    assert len(labels) > len(set(labels))
    assert any("\n" in box["ocr_text"] for box in boxes)
    assert any(box["xmax"] == 0 == box["ymax"] for box in boxes)
    assert any(cell["xmin"] < 0 for cell in cells)
    assert any(cell["label"] == "" for cell in cells)
    assert min(cell["row"] for cell in cells) == min(cell["col"] for cell in cells) == 1


def test_an_async_call_is_accepted_nested_and_later_stored(running):
    body = running.upload(TWO, query="?async=true").json()
    pages = body["result"][0]["result"]
    assert [page["prediction"] for page in pages] == [[], []]
    stored = eventually(lambda: running.stored(pages[0]["request_file_id"]), lambda found: found["unmoderated_images"])
    assert stored["unmoderated_images_count"] == 2
    assert {page["status"].lower() for page in stored["unmoderated_images"]} == {"success"}
    assert {page["id"] for page in stored["unmoderated_images"]} == {page["id"] for page in pages}
    assert {box["page"] for page in stored["unmoderated_images"] for box in page["predicted_boxes"]} <= {0, 1}
    assert "simulated" in stored["unmoderated_images"][0]["uploaded_by"]


def test_a_flat_accept_and_pages_that_are_pending(slow):
    pages = slow.upload(TWO, query="?async=true").json()["result"]
    stored = slow.stored(pages[0]["request_file_id"])["unmoderated_images"]
    assert [(page["status"], page["predicted_boxes"]) for page in stored] == [("pending", [])] * 2
    page = slow.ask("GET", f"Inferences/Model/demo/ImageLevelInferences/{pages[0]['id']}").json()
    assert page["message"] == "Pending"


def test_an_unknown_file_is_not_found(running):
    answer = running.ask("GET", "Inferences/Model/demo/InferenceRequestFiles/GetPredictions/nothing")
    assert answer.status_code == 404


def test_a_page_can_be_asked_for_alone(running):
    page_id = running.upload(TWO).json()["result"][1]["id"]
    body = running.ask("GET", f"Inferences/Model/demo/ImageLevelInferences/{page_id}").json()
    assert (body["message"].lower(), body["result"][0]["page"]) == ("success", 1)


def test_a_window_lists_the_days_asked_for(running):
    file_id = running.upload(TWO, model="windowed").json()["result"][0]["request_file_id"]
    today = int(time.time() // 86_400)
    path = "Inferences/Model/windowed/ImageLevelInferences"

    def listed(first, last):
        return running.ask("GET", path, params={"start_day_interval": first, "current_batch_day": last})

    assert {page["request_file_id"] for page in listed(today - 1, today + 1).json()["unmoderated_images"]} == {file_id}
    assert listed(today - 9, today - 5).json()["unmoderated_images"] == []
    assert listed(today, today).status_code == 400
    assert running.ask("GET", path).json()["unmoderated_images_count"] == 2


def test_several_files_base64_and_chosen_pages(running):
    path = "OCR/Model/demo/LabelFile/"
    several = running.ask("POST", path, files=[("file", ("a.pdf", TWO)), ("file", ("b.pdf", make_pdf(1)))]).json()
    assert [page["input"] for page in several["result"]] == ["a.pdf", "a.pdf", "b.pdf"]
    assert len({page["request_file_id"] for page in several["result"]}) == 2
    encoded = running.ask("POST", path, data={"base64_data": base64_of(TWO), "pages_to_process": "2"}).json()
    assert [page["page"] for page in encoded["result"]] == [1]


@pytest.fixture
def served(tmp_path):
    """A web server on loopback with one document."""
    (tmp_path / "a.pdf").write_bytes(TWO)
    with served_folder(tmp_path) as address:
        yield address


def test_links_are_downloaded_and_bad_ones_reported(running, served):
    def label(*urls):
        return running.ask("POST", "OCR/Model/demo/LabelUrls/", data={"urls": list(urls)})

    assert len(label(f"{served}/a.pdf?X-Amz-Signature=1").json()["result"]) == 2
    assert label(f"{served}/missing.pdf").status_code == 400
    partly = label(f"{served}/a.pdf", f"{served}/missing.pdf")
    assert partly.status_code == 202
    assert partly.json()["result"][-1]["message"].startswith("Failure")


@pytest.mark.parametrize(
    "url", ["http://example.invalid/a", "file:///etc/passwd", "http://10.0.0.1/", "http://[::1", "x"]
)
def test_links_off_this_machine_are_never_followed(running, url):
    assert running.ask("POST", "OCR/Model/demo/LabelUrls/", data={"urls": url}).status_code == 400


def test_the_bill_counts_requests_pages_and_submissions(running):
    before = running.bill()
    key = str(SubmissionKey("b" * 32, 1, "nanonets", "all", 1))
    for _ in range(2):
        running.upload(TWO, request_metadata=json.dumps({"headrace": key}))
    running.upload(b"not billed")
    bill = running.bill()
    assert (bill["requests"] - before["requests"], bill["pages"] - before["pages"]) == (2, 4)
    assert bill["billed_twice"] == [key]
    assert bill["keys"]["key-1"] == {"requests": bill["requests"], "pages": bill["pages"]}
    submission = bill["submissions"][key]
    assert (submission["billed"], submission["pages"], len(set(submission["jobs"]))) == (2, 4, 2)
    assert API_KEY not in json.dumps(bill)


def test_only_models_of_the_file_exist(tmp_path):
    models = tmp_path / "models.toml"
    models.write_text('[[models]]\nid = "mine"\n[[models.fields]]\nlabel = "po"\nsynonyms = ["PO"]\n')
    with simulator("--models", str(models), "--score-scale", "100") as running:
        assert running.upload(TWO).status_code == 404
        boxes = running.upload(TWO, model="mine").json()["result"][0]["prediction"]
    assert [box["label"] for box in boxes][:2] == ["po", "po"]
    assert any(box["score"] > 1 for box in boxes)


def test_pages_per_minute_refuse_sync_and_slow_async_down():
    with simulator("--pages-per-minute", "3", "--async-seconds", "0") as running:
        assert running.upload(make_pdf(3)).status_code == 200
        assert running.upload(TWO).status_code == 429
        file_id = running.upload(TWO, query="?async=true").json()["result"][0]["result"][0]["request_file_id"]
        assert running.stored(file_id)["unmoderated_images_count"] == 0
        assert running.upload(TWO, model="another").status_code == 200


def test_bill_and_jobs_outlast_a_kill(tmp_path):
    state = ("--state", str(tmp_path / "state.jsonl"))
    with simulator(*state, "--async-seconds", "60") as running:
        accepted = running.upload(TWO, query="?async=true").json()["result"][0]["result"][0]["request_file_id"]
        sync = running.upload(make_pdf(1)).json()["result"][0]["request_file_id"]
        before = running.bill()
        running.process.kill()
        running.process.wait(timeout=10)
    with (tmp_path / "state.jsonl").open("ab") as journal:
        journal.write(b'{"account": "half a li')
    with simulator(*state) as running:
        assert running.bill() == before
        assert running.stored(accepted)["unmoderated_images_count"] == 0
        assert eventually(lambda: running.stored(sync), lambda found: found["unmoderated_images_count"] == 1)
        assert running.upload(TWO).status_code == 200
    with simulator(*state) as running:
        assert running.bill()["requests"] == before["requests"] + 1
