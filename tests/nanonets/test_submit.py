"""What goes out, and what an accepted answer becomes."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import pytest

from headrace.errors import DocumentReplaced, InDoubt, NotSent, StorageUnavailable
from headrace.providers import Answer, Job
from headrace.providers.nanonets import NanonetsProvider
from headrace.providers.nanonets.uploads import Asked
from headrace.states import Mode, Reason
from tests.clocks import ManualClock
from tests.nanonets.samples import (
    FILE_ID,
    KEY,
    BytesSource,
    a_request,
    always,
    answering,
    live,
    live_page,
)
from tests.nanonets.wire import Wire

NESTED = {"message": "Success", "result": [{"message": "Success", "result": [live_page(0), live_page(1)]}]}
FLAT = {"message": "Success", "result": [live_page(0), live_page(1)], "signed_urls": {}}


def sent_by(source, clock=None, **request):
    """The one request that a submission sends, its body read."""
    seen = []

    def handler(http_request):
        http_request.read()
        seen.append(http_request)
        return httpx.Response(200, json=live(live_page()))

    clock = clock or ManualClock()
    answering(handler, clock).submit(source, a_request(clock, **request))
    (only,) = seen
    return only


def test_a_sync_call_streams_the_file_with_a_known_length():
    request = sent_by(BytesSource(b"x" * 200_000, piece_bytes=150_000))
    assert request.method == "POST"
    assert str(request.url) == "https://app.nanonets.com/api/v2/OCR/Model/invoices/LabelFile/"
    assert int(request.headers["Content-Length"]) == len(request.content)
    assert "Transfer-Encoding" not in request.headers
    assert b"x" * 200_000 in request.content


def test_an_async_call_says_so_in_the_query():
    assert sent_by(BytesSource(), mode=Mode.ASYNC).url.query == b"async=true"


def test_a_link_goes_out_as_a_form():
    url = "http://127.0.0.1/b/k?X-Amz-Signature=a%2Bb&x=1"
    request = sent_by(BytesSource(url=url), mode=Mode.ASYNC)
    assert str(request.url) == "https://app.nanonets.com/api/v2/OCR/Model/invoices/LabelUrls/?async=true"
    form = parse_qs(request.content.decode())
    assert form["urls"] == [url]
    assert json.loads(form["request_metadata"][0]) == {"headrace": str(KEY), "metadata": {"po": "4711"}}


def test_a_hostile_model_stays_in_its_place():
    assert sent_by(BytesSource(), model="../x?y#z").url.raw_path.startswith(
        b"/api/v2/OCR/Model/..%2Fx%3Fy%23z/LabelFile/"
    )


@pytest.mark.parametrize("body", [NESTED, FLAT])
def test_both_accept_shapes_are_a_job(body):
    job = always(200, json=body).submit(BytesSource(), a_request(ManualClock(), mode=Mode.ASYNC))
    assert job == Job(FILE_ID, "invoices", 2)


def test_an_accept_without_page_ids_promises_no_number_of_pages():
    body = live(live_page(id=""))
    job = always(200, json=body).submit(BytesSource(), a_request(ManualClock(), mode=Mode.ASYNC))
    assert job == Job(FILE_ID, "invoices", None)


@pytest.mark.parametrize(
    "pages",
    [
        [live_page(request_file_id="../../Delete")],
        [live_page(request_file_id=None)],
        [live_page(request_file_id=7)],
        [live_page(0), live_page(1, request_file_id="another")],
    ],
)
def test_an_accept_that_names_no_usable_file_is_doubt(pages):
    with pytest.raises(InDoubt) as caught:
        always(200, json=live(*pages)).submit(BytesSource(), a_request(ManualClock(), mode=Mode.ASYNC))
    assert caught.value.reason is Reason.UNREADABLE_ANSWER


def test_a_sync_answer_is_the_prediction_and_what_to_store():
    body = live(live_page(1), live_page(0)) | {"signed_urls": {"a": {"original": "https://h/x?expires=1&s=secret"}}}
    provider = always(200, json=body)
    answer = provider.submit(BytesSource(), a_request(ManualClock()))
    assert isinstance(answer, Answer)
    assert [page.number for page in answer.prediction.pages] == [1, 2]
    assert answer.prediction.key == str(KEY)
    assert answer.prediction.metadata == {"po": "4711"}
    assert answer.prediction.job == FILE_ID
    assert b"secret" not in answer.raw
    assert provider.read(answer.raw, "invoices") == answer.prediction


def test_a_sync_call_that_is_queued_after_all_is_a_job():
    body = live(live_page(0, message="Pending", prediction=[]))
    assert always(200, json=body).submit(BytesSource(), a_request(ManualClock())) == Job(FILE_ID, "invoices", 1)


def test_part_of_a_document_is_refused_before_anything_is_sent():
    clock = ManualClock()
    request = a_request(clock)
    with pytest.raises(ValueError, match="whole documents"):
        never().submit(BytesSource(), type(request)(**{**vars(request), "pages": (1, 2)}))


def test_a_request_that_is_late_is_not_sent():
    with pytest.raises(NotSent):
        never().submit(BytesSource(), a_request(ManualClock(), seconds=0))


@pytest.mark.parametrize("seconds", [101, 119, 200])
def test_a_body_that_takes_too_long_is_never_completed(seconds):
    clock = ManualClock()

    class Slow(BytesSource):
        def chunks(self):
            yield from super().chunks()
            clock.sleep(seconds)

    with pytest.raises(NotSent):
        never(clock).submit(Slow(), a_request(clock))


def test_an_answer_that_comes_too_late_is_doubt():
    clock = ManualClock()

    class Slow(httpx.SyncByteStream):
        def __iter__(self):
            yield b" " * 65536
            clock.sleep(100)
            yield b" " * 65536

    def handler(request):
        request.read()
        return httpx.Response(200, stream=Slow())

    with pytest.raises(InDoubt) as caught:
        answering(handler, clock).submit(BytesSource(), a_request(clock))
    assert caught.value.reason is Reason.TIMED_OUT


@pytest.mark.parametrize("error", [DocumentReplaced("another content"), StorageUnavailable("gone away")])
def test_what_the_source_raises_is_certain_and_passes_through(error):
    with pytest.raises(type(error)) as caught:
        always(200, json=live(live_page())).submit(BytesSource(error=error), a_request(ManualClock()))
    assert caught.value is error


@pytest.mark.parametrize("announced", [3, 16, 17, 19, 10_000])
@pytest.mark.parametrize("asked", [{}, {"as_base64": True}, {"text_only": True}])
def test_a_source_of_another_size_is_not_sent_to_its_end(announced, asked):
    # Base64 of 16, 17 and 18 bytes is equally long, so its length alone would show nothing.
    request = replace(a_request(ManualClock()), **asked)
    with pytest.raises(NotSent, match="was to have"):
        always(200, json=live(live_page())).submit(BytesSource(announced=announced), request)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 100_000, 100_001])
@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 70_000])
def test_base64_is_that_of_the_whole_however_its_pieces_come(size, piece_bytes):
    content = bytes(number % 251 for number in range(size if piece_bytes > 3 else min(size, 1000)))
    wire = Wire()
    request = replace(a_request(wire.clock), as_base64=True)
    wire.provider().submit(BytesSource(content, piece_bytes=piece_bytes), request)
    assert b64decode(wire.only.fields["base64_data"][0], validate=True) == content
    assert wire.only.announced == wire.only.arrived


@pytest.mark.parametrize("asked", [{}, {"as_base64": True}, {"text_only": True}])
def test_what_is_not_read_to_its_end_is_let_go(asked):
    class Watched(BytesSource):
        closed = False

        def chunks(self):
            try:
                yield from super().chunks()
            finally:
                self.closed = True

    class Breaking(httpx.BaseTransport):
        def handle_request(self, request):
            pieces = iter(request.stream)
            for _ in range(3):
                next(pieces)
            assert not source.closed
            raise httpx.WriteError("broken pipe")

    clock, source = ManualClock(), Watched(b"x" * 200_000, piece_bytes=70_000)
    client = httpx.Client(base_url="https://nanonets.example/api/v2", transport=Breaking())
    with pytest.raises(InDoubt) as caught:
        NanonetsProvider(client, clock).submit(source, replace(a_request(clock), **asked))
    assert caught.value.reason is Reason.CONNECTION_CUT
    assert source.closed


def test_one_file_of_several_that_is_short_leaves_the_call_unfinished():
    wire = Wire()
    files = [BytesSource(), BytesSource(announced=30), BytesSource()]
    with pytest.raises(NotSent):
        wire.api().predict_files(Asked("m", Mode.SYNC), files, send_before=wire.clock.now() + timedelta(seconds=9))
    assert not wire.sent


@pytest.mark.parametrize("asked", [{"page_numbers": (1,)}, {"language": "en"}, {"as_base64": True}])
def test_full_text_of_less_than_all_is_refused_before_anything_is_sent(asked):
    clock = ManualClock()
    with pytest.raises(ValueError, match="full text"):
        never(clock).submit(BytesSource(), replace(a_request(clock), text_only=True, **asked))


def test_an_endless_answer_is_doubt():
    class Endless(httpx.SyncByteStream):
        def __iter__(self):
            while True:
                yield b" " * 1_000_000

    def handler(request):
        request.read()
        return httpx.Response(200, stream=Endless())

    with pytest.raises(InDoubt) as caught:
        answering(handler).submit(BytesSource(), a_request(ManualClock()))
    assert caught.value.reason is Reason.UNREADABLE_ANSWER


def never(clock=None):
    """A provider whose server must never see a whole request."""

    def handler(request):
        raise AssertionError("something was sent")

    return answering(handler, clock)
