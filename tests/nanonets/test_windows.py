"""The pages of a span of days come one by one, whatever their number; what goes wrong is told, never left out."""

import json
import tracemalloc
from datetime import date

import httpx
import pytest
from pydantic import SecretStr

from headrace.errors import PredictionRejected, ProviderUnavailable, RateLimited
from headrace.providers.nanonets import NanonetsApi, nanonets_client
from headrace.providers.nanonets.api import WINDOW_SECONDS
from headrace.states import Reason
from tests.clocks import ManualClock
from tests.nanonets.samples import API_KEY, box, stored, stored_page

DAY = date(2026, 11, 20)


class Arriving(httpx.SyncByteStream):
    """A body that is made while it is read."""

    def __init__(self, pieces):
        self._pieces = pieces
        self.given_bytes = 0
        self.closed = False

    def __iter__(self):
        for piece in self._pieces:
            self.given_bytes += len(piece)
            yield piece

    def close(self):
        self.closed = True


def api_of(handler, clock=None):
    with nanonets_client(SecretStr(API_KEY)) as real:
        client = httpx.Client(base_url=real.base_url, auth=real.auth, transport=httpx.MockTransport(handler))
    return NanonetsApi(client, clock or ManualClock())


def window(body, clock=None, status=200):
    """The records of a window whose answer is this stream, or these bytes."""
    content = {"stream": body} if isinstance(body, httpx.SyncByteStream) else {"content": body}
    return api_of(lambda _request: httpx.Response(status, **content), clock).window("m", DAY, DAY)


def many(records):
    """A window of so many pages of about 100 KB, as the pieces of its body."""
    page = json.dumps(stored_page(raw_ocr=[box("word", "x" * 100_000)])).encode()
    yield b'{"unmoderated_images_count": 1, "signed_urls": {'
    yield b", ".join(b'"uploadedfiles/%d": {"original": "https://x/y?s=%d"}' % (n, n) for n in range(5000))
    yield b'}, "moderated_images": [], "unmoderated_images": ['
    for number in range(records):
        yield (b"," if number else b"") + page
    yield b"]}"


def test_memory_stays_flat_however_long_the_answer_is():
    body = Arriving(many(400))
    tracemalloc.start()
    try:
        count = sum(record["page"] == 0 for record in window(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 400
    assert body.given_bytes > 40 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_records_come_before_the_answer_has_ended():
    body = Arriving(many(20))
    records = window(body)
    next(records)
    assert body.given_bytes < 1024 * 1024
    records.close()
    assert body.closed


def test_nothing_is_asked_before_the_first_record_is():
    records = api_of(lambda _request: pytest.fail("called")).window("m", DAY, DAY)
    records.close()


def test_compression_is_not_asked_for():
    seen = []

    def handler(request):
        seen.append(request.headers["Accept-Encoding"])
        return httpx.Response(200, json=stored())

    assert list(api_of(handler).window("m", DAY, DAY)) == []
    assert seen == ["identity"]


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (401, PredictionRejected, Reason.KEY_REFUSED),
        (403, PredictionRejected, Reason.FORBIDDEN),
        (404, PredictionRejected, Reason.MODEL_NOT_FOUND),
        (418, PredictionRejected, Reason.REFUSED),
        (429, RateLimited, Reason.RATE_LIMITED),
        (500, ProviderUnavailable, Reason.UNREACHABLE),
        (302, ProviderUnavailable, Reason.UNREACHABLE),
    ],
)
def test_a_window_that_is_refused_says_so(status, error, reason):
    with pytest.raises(error) as caught:
        next(window(b'{"message": "no"}', status=status))
    assert caught.value.reason is reason
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("status", [200, 401, 404, 502])
def test_a_web_page_is_no_window(status):
    with pytest.raises(ProviderUnavailable):
        list(window(b"<html>", status=status))


def test_what_breaks_off_has_no_quiet_end():
    def broken():
        yield b'{"moderated_images": [{"id": "a"},'
        raise httpx.RemoteProtocolError("peer closed connection")

    def cut():
        yield b'{"moderated_images": [{"id": "a"},'

    for pieces in (broken(), cut()):
        records = window(Arriving(pieces))
        with pytest.raises(ProviderUnavailable):
            list(records)


def test_a_window_has_a_limit_of_time():
    clock = ManualClock()

    def slow():
        yield b'{"moderated_images": [{"id": "a"},' + b" " * 300_000
        clock.sleep(WINDOW_SECONDS)
        yield b'{"id": "b"}]}' + b" " * 300_000

    records = window(Arriving(slow()), clock)
    assert next(records) == {"id": "a"}
    with pytest.raises(ProviderUnavailable, match="DeadlinePassed"):
        next(records)


def test_no_connection_is_no_window():
    def handler(_request):
        raise httpx.ConnectError("refused")

    with pytest.raises(ProviderUnavailable, match="ConnectError"):
        next(api_of(handler).window("m", DAY, DAY))
