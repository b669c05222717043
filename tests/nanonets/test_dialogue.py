"""The client and the simulator, over real sockets: the whole dialogue, and who paid for it."""

import itertools
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from pydantic import SecretStr

from headrace.clock import SystemClock
from headrace.document import SubmissionKey
from headrace.errors import InDoubt, PredictionRejected, ProviderUnavailable, RateLimited
from headrace.providers import Answer, Job, NotTold, Pending, Refused, Request
from headrace.providers.nanonets import NanonetsProvider, nanonets_client
from headrace.states import Mode, Reason
from tests.nanonets.samples import BytesSource, a_request
from tests.pdfs import make_pdf
from tests.simulator.process import API_KEY, simulator

CLOCK = SystemClock()
NUMBERS = itertools.count(100)
THREE = make_pdf(3)


@pytest.fixture(scope="module")
def nested():
    with simulator("--async-seconds", "0.3") as started:
        yield started


@pytest.fixture(scope="module")
def flat():
    options = ("--accept-shape", "flat", "--pending", "pages", "--score-scale", "100", "--async-seconds", "0.3")
    with simulator(*options) as started:
        yield started


@pytest.fixture(params=["nested", "flat"])
def either(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def ask():
    """Make a provider for a simulator; its client is closed in the end."""
    clients = []

    def provider(running, key=API_KEY):
        clients.append(nanonets_client(SecretStr(key), running.base_url))
        return NanonetsProvider(clients[-1], CLOCK)

    yield provider
    for client in clients:
        client.close()


def with_key(number, *, mode=Mode.SYNC):
    """A request under a submission key of its own."""
    request = a_request(CLOCK, mode=mode, model="demo")
    key = SubmissionKey(f"{number:032}", 1, "nanonets", "all", 1)
    return Request(key, request.model, mode, request.send_before, metadata={"vendor": "Mühle & Co"})


def finished(provider, job):
    """Poll until the job is told of and no longer pending, for ten seconds; the details of the waiting too."""
    waited = []
    end = time.monotonic() + 10
    while isinstance(result := provider.fetch([job])[job], Pending | NotTold) and time.monotonic() < end:
        waited.append(result.detail)
        time.sleep(0.05)
    return result, waited


def billed(running, request):
    """How often this submission was billed."""
    return running.bill()["submissions"].get(str(request.key), {"billed": 0})["billed"]


def test_a_sync_document_comes_back_at_once(either, ask):
    provider, request = ask(either), with_key(1)
    answer = provider.submit(BytesSource(THREE), request)
    assert isinstance(answer, Answer)
    assert [page.number for page in answer.prediction.pages] == [1, 2, 3]
    assert answer.prediction.key == str(request.key)
    assert answer.prediction.metadata == {"vendor": "Mühle & Co"}
    assert answer.prediction.pages[0].tables[0].cells[0].row == 1
    assert all(0 <= field.score <= 1 for page in answer.prediction.pages for field in page.fields)
    assert b"expires=" not in answer.raw
    assert b"X-Amz" not in answer.raw
    assert billed(either, request) == 1


def test_an_async_document_is_polled_until_it_is_there(either, ask):
    provider, request = ask(either), with_key(2, mode=Mode.ASYNC)
    job = provider.submit(BytesSource(THREE), request)
    assert isinstance(job, Job)
    assert job.pages == 3
    result, waited = finished(provider, job)
    assert waited
    assert isinstance(result, Answer)
    assert [page.number for page in result.prediction.pages] == [1, 2, 3]
    assert result.prediction.key == str(request.key)
    assert provider.read(result.raw, "demo") == result.prediction
    assert b"X-Amz" not in result.raw
    assert billed(either, request) == 1


def test_sync_and_async_say_the_same(flat, ask):
    provider = ask(flat)
    live = provider.submit(BytesSource(THREE), with_key(3))
    stored, _ = finished(provider, provider.submit(BytesSource(THREE), with_key(4, mode=Mode.ASYNC)))

    def content(answer):
        return [
            (
                [(f.label, f.text, f.score, f.box) for f in page.fields],
                [[(c.row, c.column, c.text) for c in t.cells] for t in page.tables],
            )
            for page in answer.prediction.pages
        ]

    assert content(live) == content(stored)


def test_a_link_is_fetched_by_the_other_side(nested, ask, tmp_path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    (tmp_path / "a.pdf").write_bytes(THREE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/a.pdf?X-Amz-Signature=open-sesame"
        answer = ask(nested).submit(BytesSource(b"", url=url), with_key(5))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert isinstance(answer, Answer)
    assert len(answer.prediction.pages) == 3
    assert b"open-sesame" not in answer.raw


@pytest.mark.parametrize(
    "name",
    [
        "plain.pdf",
        'quo"te.pdf',
        "back\\slash.pdf",
        'evil"; name="request_metadata',
        "two\r\nlines: x\r\n\r\n.pdf",
        "C:\\temp\\x.pdf",
        "Rechnung Nº 7 – 見積書.pdf",
        "אבג.pdf",
        "tab\tnul\x00.pdf",
        "semi;colon=1.pdf",
        "half\ud800.pdf",
        "a" * 1020 + ".pdf",
    ],
)
def test_hostile_file_names_arrive_as_one_name(nested, ask, name):
    answer = ask(nested).submit(BytesSource(THREE, name=name), with_key(6))
    assert isinstance(answer, Answer)
    assert answer.prediction.key is not None
    job = Job(answer.prediction.job, "demo", 3)
    stored = nested.stored(job.id)["unmoderated_images"][0]
    assert unquote(stored["original_file_name"]) == name.replace("\ud800", "?")


@pytest.mark.parametrize(
    ("order", "error", "reason", "times_billed"),
    [
        ({"do": "answer", "status": 402}, PredictionRejected, Reason.QUOTA_USED_UP, 0),
        ({"do": "answer", "status": 429}, RateLimited, Reason.RATE_LIMITED, 0),
        ({"do": "answer", "status": 503}, InDoubt, Reason.SERVER_ERROR, 1),
        ({"do": "answer", "status": 502, "body": "html"}, InDoubt, Reason.SERVER_ERROR, 1),
        ({"do": "answer", "status": 200, "body": "html"}, InDoubt, Reason.HTML_ANSWER, 1),
        ({"do": "answer", "status": 200, "body": "empty"}, InDoubt, Reason.EMPTY_ANSWER, 1),
        ({"do": "cut"}, InDoubt, Reason.CONNECTION_CUT, 1),
        ({"do": "fail"}, PredictionRejected, Reason.PREDICTION_FAILED, 1),
    ],
)
def test_ordered_faults_are_what_the_table_says(nested, ask, order, error, reason, times_billed):
    request = with_key(next(NUMBERS))
    nested.order(**order)
    with pytest.raises(error) as caught:
        ask(nested).submit(BytesSource(THREE), request)
    assert caught.value.reason is reason
    assert API_KEY not in repr(caught.value)
    assert billed(nested, request) == times_billed


def test_a_failed_async_prediction_is_refused_and_a_partly_failed_one_kept(nested, ask):
    provider = ask(nested)
    nested.order(do="fail")
    refused, _ = finished(provider, provider.submit(BytesSource(THREE), with_key(7, mode=Mode.ASYNC)))
    nested.order(do="fail", pages=[2])
    partial_answer, _ = finished(provider, provider.submit(BytesSource(THREE), with_key(8, mode=Mode.ASYNC)))
    assert isinstance(refused, Refused)
    assert isinstance(partial_answer, Answer)
    assert partial_answer.prediction.failed_pages == (2,)


def test_polls_get_over_faults(nested, ask):
    provider = ask(nested)
    job = provider.submit(BytesSource(THREE), with_key(9, mode=Mode.ASYNC))
    time.sleep(0.4)
    for order in ({"do": "cut"}, {"do": "answer", "status": 401}, {"do": "answer", "status": 502, "body": "html"}):
        nested.order(on="fetch", **order)
    result, waited = finished(provider, job)
    assert isinstance(result, Answer)
    assert len(waited) >= 3


def test_a_wrong_key_and_an_unreadable_document_are_refused(nested, ask):
    with pytest.raises(PredictionRejected) as caught:
        ask(nested, key="another-key").submit(BytesSource(THREE), with_key(10))
    assert caught.value.reason is Reason.KEY_REFUSED
    with pytest.raises(PredictionRejected) as caught:
        ask(nested).submit(BytesSource(b"text"), with_key(10))
    assert caught.value.reason is Reason.BAD_REQUEST


def test_a_simulator_is_reached_whatever_proxy_the_environment_names(nested, ask, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(ask(nested).submit(BytesSource(THREE), with_key(12)), Answer)


def test_nobody_listening_is_certain(ask):
    class Nowhere:
        base_url = "http://127.0.0.1:1/api/v2"

    with pytest.raises(ProviderUnavailable):
        ask(Nowhere).submit(BytesSource(THREE), with_key(11))
