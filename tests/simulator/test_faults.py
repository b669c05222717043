"""Faults come when they are ordered, and the bill knows whether they cost something."""

import time

import httpx
import pytest

from tests.pdfs import make_pdf

TWO = make_pdf(2)


def billed(running, call):
    """How many requests a call adds to the bill, and what it gave."""
    before = running.bill()["requests"]
    result = call()
    return running.bill()["requests"] - before, result


@pytest.mark.parametrize(
    ("order", "status", "body", "requests"),
    [
        ({"status": 402}, 402, "{", 0),
        ({"status": 429}, 429, "{", 0),
        ({"status": 403, "billed": True}, 403, "{", 1),
        ({"status": 500}, 500, "{", 1),
        ({"status": 502, "body": "html", "billed": False}, 502, "<", 0),
        ({"status": 200, "body": "empty"}, 200, "", 1),
        ({"status": 200, "body": "html"}, 200, "<", 1),
    ],
)
def test_an_ordered_answer_comes_once(running, order, status, body, requests):
    assert running.order(do="answer", **order).status_code == 200
    added, answer = billed(running, lambda: running.upload(TWO))
    assert (added, answer.status_code, answer.text[:1]) == (requests, status, body)
    assert running.upload(TWO).status_code == 200


@pytest.mark.parametrize("is_billed", [True, False])
def test_a_cut_closes_the_connection_without_an_answer(running, is_billed):
    running.order(do="cut", billed=is_billed)

    def upload():
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            running.upload(TWO)

    added, _ = billed(running, upload)
    assert added == is_billed


def test_a_slow_answer_waits(running):
    running.order(do="slow", seconds=0.5)
    start = time.monotonic()
    assert running.upload(TWO).status_code == 200
    assert time.monotonic() - start >= 0.5


def test_pages_fail_as_ordered(running):
    running.order(do="fail", pages=[2])
    pages = running.upload(TWO).json()["result"]
    assert [(page["message"], bool(page["prediction"])) for page in pages] == [("Success", True), ("Failure", False)]
    running.order(do="fail")
    assert {page["message"] for page in running.upload(TWO).json()["result"]} == {"Failure"}


def test_an_order_waits_for_the_call_it_names(running):
    running.order(do="answer", status=503, on="fetch", file="wanted.pdf", times=2)
    running.order(do="answer", status=402, model="another")
    file_id = running.upload(TWO, name="wanted.pdf").json()["result"][0]["request_file_id"]
    other_id = running.upload(TWO, name="other.pdf").json()["result"][0]["request_file_id"]
    assert running.stored(other_id)["unmoderated_images_count"] == 2
    assert [running.stored(file_id).get("code") for _ in range(3)] == [503, 503, None]
    assert running.upload(TWO, model="another").status_code == 402


def test_senseless_orders_are_refused_and_open_ones_can_be_cleared(running):
    for order in ({"do": "dance"}, {"do": "cut", "times": 0}, {"do": "fail", "on": "fetch"}, {"do": "cut", "x": 1}):
        refused = running.order(**order)
        assert refused.status_code == 400
        assert "pydantic" not in refused.text
    assert "do: 'dance' is not one of 'answer', 'cut'" in running.order(do="dance").text
    assert "x: is not known" in running.order(do="cut", x=1).text
    running.order(do="answer", status=402)
    address = running.base_url.replace("/api/v2", "/simulator/faults")
    assert len(httpx.get(address).json()["orders"]) == 1
    assert httpx.delete(address).json() == {"orders": []}
    assert running.upload(TWO).status_code == 200
