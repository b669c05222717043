"""Full text: paid like any other call, and what comes back is text without key or metadata."""

from dataclasses import replace

import pytest

from headrace.errors import InDoubt, PredictionRejected, RateLimited
from headrace.providers import Answer
from headrace.states import Mode, Reason
from tests.clocks import ManualClock
from tests.nanonets.samples import KEY, BytesSource, a_request, always, live, live_page
from tests.nanonets.wire import Wire

WORDS = [{"text": "Hello", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}]
FILE = {
    "filename": "a.pdf",
    "page_data": [{"page": 1, "raw_text": "Two"}, {"page": 0, "raw_text": "Hello", "words": WORDS}],
}
LINK = "https://bucket.example/a.pdf?X-Amz-Signature=open-sesame"


def request(clock, *, mode=Mode.SYNC):
    return replace(a_request(clock, mode=mode, model=""), text_only=True)


def submitted(status=200, *, url=None, mode=Mode.SYNC, **body):
    return always(status, **body).submit(BytesSource(url=url), request(ManualClock(), mode=mode))


@pytest.mark.parametrize("name", ["result", "results"])
@pytest.mark.parametrize("mode", Mode)
def test_the_text_comes_at_once_page_by_page(name, mode):
    answer = submitted(json={"message": "Success", name: [FILE]}, mode=mode)
    assert isinstance(answer, Answer)
    first, second = answer.prediction.pages
    assert (first.number, first.text, [word.text for word in first.words]) == (1, "Hello", ["Hello"])
    assert (second.number, second.text) == (2, "Two")


def test_key_and_metadata_are_those_of_the_request():
    prediction = submitted(json={"result": [FILE]}).prediction
    assert (prediction.key, prediction.metadata) == (str(KEY), {"po": "4711"})
    assert (prediction.job, prediction.model) == (None, "")


def test_a_file_id_in_a_full_text_is_no_job_that_could_be_asked_for():
    page = {"page": 0, "raw_text": "Hello", "request_file_id": "f-1"}
    provider = always(200, json={"result": [{"filename": "a.pdf", "page_data": [page]}]})
    answer = provider.submit(BytesSource(), request(ManualClock()))
    assert answer.prediction.job is None
    assert provider.read(answer.raw, "").job is None
    assert answer.prediction.pages[0].file_id == "f-1"


def test_a_full_text_of_which_every_page_failed_is_a_failure():
    failed = [{"page": number, "status": "failure", "raw_text": ""} for number in (0, 1)]
    with pytest.raises(PredictionRejected) as caught:
        submitted(json={"result": [{"filename": "a.pdf", "page_data": failed}]})
    assert caught.value.reason is Reason.PREDICTION_FAILED


def test_a_full_text_of_which_one_page_failed_is_an_answer():
    pages = [{"page": 0, "status": "failure"}, {"page": 1, "raw_text": "Hello"}]
    answer = submitted(json={"result": [{"filename": "a.pdf", "page_data": pages}]})
    assert answer.prediction.failed_pages == (1,)


def test_nothing_but_the_file_goes_out():
    wire = Wire({"result": [FILE]})
    wire.provider().submit(BytesSource(b"xyz"), request(wire.clock))
    wire.provider().submit(BytesSource(url=LINK), request(wire.clock))
    file, link = wire.sent
    assert (file.said, file.fields, file.files) == ("POST /OCR/FullText", {}, [("invoice-7.pdf", b"xyz")])
    assert (link.said, link.fields) == ("POST /OCR/FullText", {"urls": [LINK]})


def test_a_stored_full_text_is_read_again():
    provider = always(200, json={"result": [FILE], "signed_urls": {"a": {"original": LINK}}})
    answer = provider.submit(BytesSource(), request(ManualClock()))
    assert b"open-sesame" not in answer.raw
    read = provider.read(answer.raw, "")
    assert read.pages == answer.prediction.pages
    assert (read.key, read.metadata) == (None, {})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"result": []},
        {"result": "x"},
        {"result": [{"filename": "a.pdf"}]},
        {"result": [{"filename": "a.pdf", "page_data": []}]},
        {"result": [{"filename": "a.pdf", "page_data": [{"page": -1, "raw_text": "x"}]}]},
        {"result": [FILE, FILE]},
    ],
)
def test_text_that_makes_no_sense_is_doubt(body):
    with pytest.raises(InDoubt) as caught:
        submitted(json=body)
    assert caught.value.reason is Reason.UNREADABLE_ANSWER


def test_fields_in_place_of_text_are_doubt():
    with pytest.raises(InDoubt) as caught:
        submitted(json=live(live_page()))
    assert caught.value.reason is Reason.UNREADABLE_ANSWER


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        (401, {"json": {"message": "no"}}, PredictionRejected, Reason.KEY_REFUSED),
        (429, {"json": {"message": "no"}}, RateLimited, Reason.RATE_LIMITED),
        (503, {"json": {"message": "no"}}, InDoubt, Reason.SERVER_ERROR),
        (200, {"html": "<html>"}, InDoubt, Reason.HTML_ANSWER),
        (200, {"text": ""}, InDoubt, Reason.EMPTY_ANSWER),
    ],
)
def test_it_is_certain_or_in_doubt_like_every_paid_call(status, body, error, reason):
    with pytest.raises(error) as caught:
        submitted(status, **body)
    assert caught.value.reason is reason


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("name", ["result", "results"])
def test_a_link_that_could_not_be_used_was_certainly_not_taken(status, name):
    with pytest.raises(PredictionRejected) as caught:
        submitted(status, url=LINK, json={name: [{"message": "Failure: no such link", "filename": LINK}]})
    assert caught.value.reason is Reason.LINK_UNUSABLE


@pytest.mark.parametrize("name", ["raw_text", "page_data"])
def test_an_answer_to_a_predict_call_keeps_its_fields_whatever_text_stands_beside_them(name):
    page = live_page(**{name: "Hello" if name == "raw_text" else []})
    answer = always(200, json=live(page)).submit(BytesSource(), a_request(ManualClock()))
    assert isinstance(answer, Answer)
    assert [field.label for field in answer.prediction.pages[0].fields] == ["total"]
