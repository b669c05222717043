"""Each row of the table of outcomes happens as it says."""

from pathlib import Path

import httpx
import pytest

from headrace.errors import InDoubt, NotSent, PredictionRejected, ProviderUnavailable, RateLimited
from headrace.providers.nanonets.outcomes import OUTCOMES, outcomes_table
from headrace.states import Reason
from tests.clocks import ManualClock
from tests.nanonets.samples import API_KEY, BytesSource, a_request, always, answering, live, live_page

REFUSAL = {"message": "no", "code": 400, "errors": [{"reason": "Because", "message": "of that"}]}
HTML = {"html": "<html><body>502</body></html>"}
PAGE = Path(__file__).parents[2] / "docs" / "providers" / "nanonets.md"


def the_error(provider, **request):
    with pytest.raises((InDoubt, NotSent, PredictionRejected, ProviderUnavailable, RateLimited)) as caught:
        provider.submit(BytesSource(), a_request(ManualClock(), **request))
    return caught.value


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.BAD_REQUEST),
        (401, Reason.KEY_REFUSED),
        (402, Reason.QUOTA_USED_UP),
        (403, Reason.FORBIDDEN),
        (404, Reason.MODEL_NOT_FOUND),
        (409, Reason.REFUSED),
        (413, Reason.REFUSED),
    ],
)
def test_a_parsed_refusal_is_certain(status, reason):
    error = the_error(always(status, json=REFUSAL))
    assert isinstance(error, PredictionRejected)
    assert error.reason is reason
    assert f"({status}: no; Because; of that)" in str(error)


def test_too_much_too_fast_may_be_tried_again():
    error = the_error(always(429, json=REFUSAL))
    assert isinstance(error, RateLimited)
    assert error.reason is Reason.RATE_LIMITED


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [{"json": REFUSAL}, HTML, {}])
def test_a_fault_of_the_server_is_doubt_whatever_it_says(status, body):
    error = the_error(always(status, **body))
    assert isinstance(error, InDoubt)
    assert error.reason is Reason.SERVER_ERROR


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 413, 429])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (HTML, Reason.HTML_ANSWER),
        ({"text": "  <h1>Blocked</h1>"}, Reason.HTML_ANSWER),
        ({"text": ""}, Reason.EMPTY_ANSWER),
        ({"text": " \n"}, Reason.EMPTY_ANSWER),
        ({"text": '{"message": "Succ'}, Reason.UNREADABLE_ANSWER),
        ({"json": []}, Reason.UNREADABLE_ANSWER),
        ({"content": b"\xff\xfe\x00"}, Reason.UNREADABLE_ANSWER),
        ({"content": b'{"a":' * 100_000}, Reason.UNREADABLE_ANSWER),
    ],
)
def test_an_answer_that_cannot_be_parsed_is_doubt(status, body, reason):
    error = the_error(always(status, **body))
    assert isinstance(error, InDoubt)
    assert error.reason is reason


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": "Success"},
        live(),
        {"result": "x"},
        {"result": ["x"]},
        live(live_page(page="0")),
        live(live_page(page=-1)),
        live(live_page(page=10**12)),
        live(live_page(prediction=[{"type": "table", "cells": [{"row": 1}]}])),
        live(live_page(prediction=[{"type": "table", "cells": [{"row": 10**9, "col": 1}]}])),
    ],
)
def test_json_that_makes_no_sense_is_doubt(body):
    error = the_error(always(200, json=body))
    assert isinstance(error, InDoubt)
    assert error.reason is Reason.UNREADABLE_ANSWER


@pytest.mark.parametrize("status", [200, 202, 206])
def test_failed_pages_only_are_a_refusal(status):
    pages = [live_page(page, message="Failure", prediction=[]) for page in range(2)]
    error = the_error(always(status, json=live(*pages)))
    assert isinstance(error, PredictionRejected)
    assert error.reason is Reason.PREDICTION_FAILED


@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol],
)
def test_nothing_was_sent_without_a_connection(trouble):
    error = the_error(raising(trouble("refused")))
    assert isinstance(error, ProviderUnavailable)
    assert error.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (httpx.ReadTimeout, Reason.TIMED_OUT),
        (httpx.WriteTimeout, Reason.TIMED_OUT),
        (httpx.ReadError, Reason.CONNECTION_CUT),
        (httpx.WriteError, Reason.CONNECTION_CUT),
        (httpx.CloseError, Reason.CONNECTION_CUT),
        (httpx.RemoteProtocolError, Reason.CONNECTION_CUT),
        (httpx.LocalProtocolError, Reason.CONNECTION_CUT),
        (httpx.DecodingError, Reason.UNREADABLE_ANSWER),
    ],
)
def test_once_bytes_may_have_left_everything_is_doubt(trouble, reason):
    error = the_error(raising(trouble("broken")))
    assert isinstance(error, InDoubt)
    assert error.reason is reason


def test_no_message_shows_the_key_or_a_signed_link():
    words = (
        f"bad key {API_KEY}\r\nfor https://user:pass@host/f?X-Amz-Signature=secret-sign#frag \u202e"
        f"and {httpx.BasicAuth(API_KEY, '')._auth_header}" + "x" * 10_000
    )
    error = the_error(always(400, json={"message": words, "errors": [{"message": words}]}))
    text = repr(error) + str(error)
    assert "https://host/f" in text
    assert len(text) < 800
    for secret in (
        API_KEY,
        "secret-sign",
        "pass@",
        "frag",
        "\u202e",
        "\n",
        httpx.BasicAuth(API_KEY, "")._auth_header[6:],
    ):
        assert secret not in text


def test_every_reason_for_doubt_is_its_own():
    doubts = [row.reason for row in OUTCOMES if row.error is InDoubt]
    assert len(doubts) == len(set(doubts)) == 6


def test_the_documented_table_is_current():
    assert outcomes_table() in PAGE.read_text(encoding="utf-8"), f"Put this table into {PAGE.name}:\n{outcomes_table()}"


def raising(error):
    def handler(request):
        request.read()
        raise error

    return answering(handler)
