"""One deadline holds for a whole call, over a real socket too."""

import socket
import time

import httpx
import pytest

from headrace.clock import SystemClock
from headrace.providers.sending import LONGEST_SILENCE_SECONDS, Deadline, whole_or_nothing
from tests.clocks import ManualClock


def waits_after(seconds, **limits):
    clock = ManualClock()
    deadline = Deadline(clock, 100)
    clock.sleep(seconds)
    request = httpx.Request("GET", "http://127.0.0.1/")
    deadline.bound(request, **limits)
    return request.extensions["timeout"]


def test_an_answer_may_take_all_the_time_that_is_left():
    assert waits_after(30) == {"read": 70, "write": LONGEST_SILENCE_SECONDS}


def test_no_wait_outlasts_the_deadline():
    assert waits_after(95, read_seconds=20) == {"read": 5, "write": 5}


def test_a_deadline_that_is_past_still_waits_for_a_moment():
    # No time at all would make the socket non-blocking.
    assert 0 < waits_after(200)["read"] < 0.01


def test_what_is_bound_while_the_body_goes_out_holds_for_the_answer():
    deadline = Deadline(SystemClock(), 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, httpx.Client(timeout=60, trust_env=False) as client:
        body = whole_or_nothing([b"x"], may_go_on=lambda: deadline.bound(request))
        request = client.build_request(
            "POST", f"http://127.0.0.1:{silent.getsockname()[1]}/", content=body, headers={"Content-Length": "1"}
        )
        start = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            client.send(request)
        assert time.monotonic() - start < 10
