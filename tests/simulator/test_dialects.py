"""The other published ways to the same calls answer where they were chosen."""

import time

import pytest

from simulator.dialects import BadWindow, window_days
from tests.pdfs import make_pdf
from tests.simulator.in_process import application
from tests.simulator.process import base64_of, served_folder

TWO = make_pdf(2)
TODAY = int(time.time() // 86_400)


@pytest.fixture(scope="module")
def openapi():
    with application("--dialect", "openapi") as started:
        yield started


@pytest.fixture(scope="module")
def guide():
    with application("--dialect", "guide") as started:
        yield started


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "OCR/Model/demo/LabelFile/Async/"),
        ("POST", "OCR/Model/demo/LabelUrls/Async/"),
        ("GET", "Inferences/Model/demo/InferenceRequest/{file}"),
        ("GET", "Inferences/Model/demo/InferenceRequest/{file}/page/{page}"),
        ("GET", f"Inferences/Model/demo/InferenceRequest/?start_day_interval=1&current_batch_day={TODAY}"),
        ("GET", "OCR/Model/demo/getFile/{file}/"),
        ("GET", "OCR/Model/demo/ImageLevelInferences/{page}/"),
        ("GET", "OCR/Model/demo/getModelImages/?start_day_interval=30&current_batch_day=0"),
    ],
)
def test_other_dialects_do_not_exist_unless_chosen(running, method, path):
    page = running.upload(TWO).json()["result"][0]
    asked = path.format(file=page["request_file_id"], page=page["id"])
    files = {"file": ("a.pdf", TWO)} if method == "POST" else None
    assert running.ask(method, asked, files=files).status_code == 404


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_openapi_file_has_async_paths_of_its_own(openapi, slash):
    for form in ({}, {"async": "true"}):
        answer = openapi.ask("POST", f"OCR/Model/demo/LabelFile/Async{slash}", files={"file": TWO}, data=form)
        pages = answer.json()["result"][0]["result"]
        assert [page["processing_type"] for page in pages] == ["async", "async"]
        openapi.stored_at_last(pages[0]["request_file_id"])
        by_file = f"Inferences/Model/demo/InferenceRequest/{pages[0]['request_file_id']}"
        assert openapi.ask("GET", by_file + slash).json()["unmoderated_images_count"] == 2
        by_page = openapi.ask("GET", f"{by_file}/page/{pages[1]['id']}{slash}").json()
        assert [page["page"] for page in by_page["unmoderated_images"]] == [1]
        assert openapi.ask("GET", f"{by_file}/page/nothing").status_code == 404


def test_links_go_async_by_their_own_path(openapi, tmp_path):
    (tmp_path / "a.pdf").write_bytes(TWO)
    with served_folder(tmp_path) as served:
        answer = openapi.ask("POST", "OCR/Model/demo/LabelUrls/Async/", data={"urls": f"{served}/a.pdf"})
    assert len(answer.json()["result"][0]["result"]) == 2


def listed(running, path, **days):
    return running.ask("GET", path, params=days).json().get("unmoderated_images_count")


def test_the_openapi_window_counts_back_from_its_last_day(openapi):
    openapi.upload(TWO, model="windowed")
    path = "Inferences/Model/windowed/InferenceRequest/"
    assert listed(openapi, path, start_day_interval=3, current_batch_day=TODAY + 1) == 2
    assert listed(openapi, path, start_day_interval=3, current_batch_day=TODAY - 1) == 0
    assert openapi.ask("GET", path).status_code == 400


def test_the_guide_sends_links_as_json(guide, tmp_path):
    (tmp_path / "a.pdf").write_bytes(TWO)
    with served_folder(tmp_path) as served:
        body = {"urls": [f"{served}/a.pdf", f"{served}/a.pdf"], "request_metadata": "order=7", "pages_to_process": "2"}
        answer = guide.ask("POST", "OCR/Model/demo/LabelUrls/", json=body).json()
        later = guide.ask("POST", "OCR/Model/demo/LabelUrls/?async=true", json=body).json()
    assert [(page["page"], page["request_metadata"]) for page in answer["result"]] == [(1, "order=7")] * 2
    assert len({page["request_file_id"] for page in later["result"][0]["result"]}) == 2
    for wrong in (b"[]", b"nothing", b'{"urls": 1}'):
        headers = {"Content-Type": "application/json"}
        assert guide.ask("POST", "OCR/Model/demo/LabelUrls/", content=wrong, headers=headers).status_code == 400


def test_json_is_no_form_unless_the_guide_was_chosen(running):
    body = {"base64_data": base64_of(TWO)}
    assert running.ask("POST", "OCR/Model/demo/LabelUrls/", json=body).status_code == 400


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_guide_has_paths_of_its_own_for_stored_pages(guide, slash):
    page = guide.upload(TWO, model=f"guided{len(slash)}").json()["result"][1]
    model = f"OCR/Model/guided{len(slash)}"
    assert guide.ask("GET", f"{model}/getFile/{page['request_file_id']}{slash}").json()["unmoderated_images_count"] == 2
    assert guide.ask("GET", f"{model}/ImageLevelInferences/{page['id']}{slash}").json()["result"][0]["page"] == 1
    assert listed(guide, f"{model}/getModelImages{slash}", start_day_interval=30, current_batch_day=0) == 2
    assert listed(guide, f"{model}/getModelImages{slash}", start_day_interval=30, current_batch_day=5) == 0


@pytest.mark.parametrize("form", [{}, {"async": "true"}, {"async": "false"}])
@pytest.mark.parametrize("query", ["", "?async=true", "?async=false", "?async=TRUE"])
def test_async_is_said_by_query_or_form(running, query, form):
    pages = running.upload(TWO, query=query, **form).json()["result"]
    is_later = "true" in {query.lower().removeprefix("?async="), form.get("async")}
    assert ("result" in pages[0]) == is_later


@pytest.mark.parametrize(
    ("call", "query", "days"),
    [
        ("window_of_days", {}, (70, 100)),
        ("window_of_days", {"start_day_interval": "90", "current_batch_day": "95"}, (90, 95)),
        ("window_back_from_day", {"start_day_interval": "30", "current_batch_day": "95"}, (65, 95)),
        ("window_back_from_day", {"start_day_interval": "0", "current_batch_day": "95"}, (95, 95)),
        ("window_back_from_today", {"start_day_interval": "30", "current_batch_day": "0"}, (70, 100)),
        ("window_back_from_today", {"start_day_interval": "7", "current_batch_day": "5"}, (93, 95)),
    ],
)
def test_each_window_counts_days_its_own_way(call, query, days):
    assert window_days(call, query, today=100) == days


@pytest.mark.parametrize(
    ("call", "query"),
    [
        ("window_of_days", {"start_day_interval": "95", "current_batch_day": "95"}),
        ("window_of_days", {"start_day_interval": "x"}),
        ("window_back_from_day", {"start_day_interval": "-1", "current_batch_day": "95"}),
        ("window_back_from_day", {"start_day_interval": "3"}),
        ("window_back_from_today", {"start_day_interval": "0", "current_batch_day": "30"}),
    ],
)
def test_days_that_make_no_window_are_refused(call, query):
    with pytest.raises(BadWindow):
        window_days(call, query, today=100)
