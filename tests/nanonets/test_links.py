"""Lists of links: the answer says of each whether it could be used, and for our one link that is certain."""

import pytest

from headrace.errors import InDoubt, PredictionRejected
from headrace.providers import Job
from headrace.providers.nanonets import answers
from headrace.providers.nanonets.uploads import Asked
from headrace.states import Mode, Reason
from tests.clocks import ManualClock
from tests.nanonets.samples import API_KEY, FILE_ID, BytesSource, a_request, always, live, live_page
from tests.nanonets.test_dialects import URLS, soon
from tests.nanonets.wire import Wire

LINK = "https://bucket.example/a.pdf?X-Amz-Signature=open-sesame"
UNUSABLE = {"message": "Failure: The link answers 403.", "input": LINK}
PARTLY = pytest.mark.parametrize("status", [200, 202, 206])
MODES = pytest.mark.parametrize("mode", Mode)


def submitted(status, body, *, mode=Mode.SYNC, url=LINK):
    return always(status, json=body).submit(BytesSource(url=url), a_request(ManualClock(), mode=mode))


@PARTLY
@MODES
@pytest.mark.parametrize(
    "result",
    [
        [UNUSABLE],
        [{"message": "failure", "input": LINK, "prediction": []}],
        [{"message": "Success", "result": [UNUSABLE]}],
        [UNUSABLE | {"request_file_id": "", "id": None}],
    ],
)
def test_a_link_that_could_not_be_used_was_certainly_not_taken(status, mode, result):
    with pytest.raises(PredictionRejected) as caught:
        submitted(status, {"message": "Partial", "result": result}, mode=mode)
    assert caught.value.reason is Reason.LINK_UNUSABLE
    assert "open-sesame" not in str(caught.value)


def test_the_vendors_words_about_the_link_are_told_without_secrets():
    words = f"Failure: 403 for {LINK} with {API_KEY}\n"
    with pytest.raises(PredictionRejected, match=r"\(202: Partial; Failure: 403 for") as caught:
        submitted(202, {"message": "Partial", "result": [{"message": words, "input": LINK}]})
    for secret in ("open-sesame", API_KEY, "\n"):
        assert secret not in str(caught.value)


@PARTLY
@pytest.mark.parametrize(
    ("mode", "result"),
    [
        (Mode.SYNC, []),
        (Mode.ASYNC, []),
        (Mode.ASYNC, [{"message": "Success", "input": LINK}]),
        (Mode.ASYNC, [{"message": "?", "input": LINK}]),
        (Mode.ASYNC, [{"input": LINK}]),
    ],
)
def test_an_answer_that_leaves_open_what_was_taken_is_doubt(status, mode, result):
    with pytest.raises(InDoubt) as caught:
        submitted(status, {"message": "Partial", "result": result}, mode=mode)
    assert caught.value.reason is Reason.UNREADABLE_ANSWER


@PARTLY
def test_a_link_whose_pages_failed_was_taken_and_given_up(status):
    with pytest.raises(PredictionRejected) as caught:
        submitted(status, live(live_page(message="Failure", prediction=[])))
    assert caught.value.reason is Reason.PREDICTION_FAILED


@PARTLY
def test_a_file_is_never_an_unusable_link(status):
    with pytest.raises(PredictionRejected) as caught:
        submitted(status, {"message": "Partial", "result": [{"message": "Failure", "input": "a.pdf"}]}, url=None)
    assert caught.value.reason is Reason.PREDICTION_FAILED


@PARTLY
@MODES
def test_what_was_taken_counts_whatever_else_is_listed(status, mode):
    found = submitted(status, {"message": "Partial", "result": [live_page(), UNUSABLE]}, mode=mode)
    if mode is Mode.ASYNC:
        assert found == Job(FILE_ID, "invoices", 1)
    else:
        assert [page.number for page in found.prediction.pages] == [1]


def test_the_client_is_told_what_became_of_each_of_several_links():
    failed = {"message": "Failure: The link answers 404.", "input": URLS[1]}
    wire = Wire({"message": "Partial", "result": [live_page(0, input=URLS[0]), failed]}, status=206)
    reply = wire.api().predict_urls(Asked("m", Mode.SYNC), URLS, send_before=soon(wire))
    taken, refused = answers.inputs(reply.taken())
    assert (reply.status, taken.name, taken.file_id, taken.pages, taken.failure) == (206, URLS[0], FILE_ID, 1, "")
    assert (refused.name, refused.file_id, refused.pages) == (URLS[1], None, 0)
    assert "404" in refused.failure


@PARTLY
@MODES
@pytest.mark.parametrize("url", [LINK, None], ids=["link", "file"])
@pytest.mark.parametrize(
    "place", [{"file_url": f"uploadedfiles/m/{FILE_ID}.pdf"}, {"filepath": "uploadedfiles/m/1.jpeg"}]
)
def test_a_failure_that_names_a_stored_file_is_doubt(status, mode, url, place):
    with pytest.raises(InDoubt) as caught:
        submitted(status, {"message": "Partial", "result": [UNUSABLE | place]}, mode=mode, url=url)
    assert caught.value.reason is Reason.UNREADABLE_ANSWER


def test_a_failure_that_names_a_stored_file_is_a_page_beside_pages_that_were_read():
    failed = {"message": "Failure", "file_url": f"uploadedfiles/m/{FILE_ID}.pdf"}
    found = submitted(200, {"message": "Partial", "result": [live_page(), failed]})
    assert [(page.number, page.failure is None) for page in found.prediction.pages] == [(1, True), (2, False)]
