"""What `headrace doctor` finds of the queue: a real one, one that is not there, and one that refuses."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from config.settings import Settings, load_settings
from headrace.clock import SystemClock
from headrace.ledger import Ledger
from headrace.ledger.parked import MOST_PARKED_WHOLE, parked_event
from tests.listener.clouds import KEY_ID, SECRET
from workers.doctor import examine
from workers.doctor.findings import Grade
from workers.doctor.ledger import examine_ledger, judge_parked
from workers.doctor.queue import RIGHTS, examine_queue, judge


class OnlyALedger:
    """The services of a machine where nothing but the ledger is asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger


def found(url: str, endpoint: str):
    return examine_queue(settings_of(url, endpoint), url)


def settings_of(url: str, endpoint: str) -> Settings:
    return load_settings(
        {
            "HEADRACE_SQS_QUEUE_URLS": url,
            "HEADRACE_SQS_ENDPOINT": endpoint,
            "HEADRACE_S3_ACCESS_KEY_ID": KEY_ID,
            "HEADRACE_S3_SECRET_ACCESS_KEY": SECRET,
        }
    )


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """A server that gives every request this error of SQS; yields its address."""
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "no"}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_a_queue_without_a_dead_letter_queue_is_advised_to_have_one_and_then_is_fine(inbox):
    advised = found(inbox.queue.url, inbox.cloud.endpoint)
    assert advised.grade is Grade.ADVICE
    assert "redrive policy" in advised.remedy
    assert "parked in the ledger" in advised.found
    other = inbox.cloud.make_queue()
    aside = other.url.rpartition("/")[2]
    inbox.queue.put_aside_in(other, most_receives=5)
    fine = found(inbox.queue.url, inbox.cloud.endpoint)
    assert (fine.grade, aside in fine.found) == (Grade.OK, True), fine


def test_looking_receives_no_message(inbox):
    inbox.queue.tell("{}")
    found(inbox.queue.url, inbox.cloud.endpoint)
    assert set(inbox.queue.receive_counts()) == {1}


def test_a_queue_that_is_not_there_is_said_to_be_missing(inbox):
    finding = found(f"{inbox.queue.url}-not", inbox.cloud.endpoint)
    assert finding.grade is Grade.WRONG
    assert "There is no queue" in finding.found
    assert "HEADRACE_SQS_QUEUE_URLS" in finding.remedy


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_a_queue_that_refuses_names_the_rights_that_are_needed(code):
    with answering(403, code) as endpoint:
        finding = found(f"{endpoint}/1/inbox", endpoint)
    assert finding.grade is Grade.WRONG
    assert code in finding.found
    for right in RIGHTS:
        assert right in finding.remedy


def test_something_else_behind_the_address_is_noticed():
    with answering(404, "NotFound") as endpoint:
        finding = found(f"{endpoint}/1/inbox", endpoint)
    assert (finding.grade, "as SQS does" in finding.found) == (Grade.WRONG, True)


def test_a_server_that_is_away_is_said_not_to_answer():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    finding = found(f"{endpoint}/1/inbox", endpoint)
    assert (finding.grade, "does not answer" in finding.found) == (Grade.WRONG, True)


@pytest.mark.parametrize("policy", ["", "no json", "[]", "{}", '{"deadLetterTargetArn": ""}'])
def test_a_policy_that_names_no_queue_is_none(policy):
    assert judge("host/1/inbox", policy).grade is Grade.ADVICE


def test_the_queue_of_the_settings_is_part_of_the_examination(inbox, ledger, tmp_path):
    settings = settings_of(inbox.queue.url, inbox.cloud.endpoint)
    settings = settings.model_copy(update={"routes_file": tmp_path / "none.toml"})

    grades = {finding.subject: finding.grade for finding in examine(settings, OnlyALedger(ledger))}
    assert grades == {
        "routes": Grade.WRONG, "queue": Grade.ADVICE, "ledger": Grade.OK, "parked messages": Grade.OK,
    }  # fmt: skip


def test_every_queue_is_examined_and_one_that_is_missing_hides_no_other(inbox, ledger, tmp_path):
    urls = f"{inbox.queue.url}-not, {inbox.queue.url}"
    settings = settings_of(urls, inbox.cloud.endpoint).model_copy(update={"routes_file": tmp_path / "none.toml"})
    found = [finding for finding in examine(settings, OnlyALedger(ledger)) if finding.subject == "queue"]
    assert [finding.grade for finding in found] == [Grade.WRONG, Grade.ADVICE]


def test_what_is_parked_is_said(ledger):
    ledger.park([parked_event("host/1/inbox", "m1", b"no json", "No event.", SystemClock().now())])
    (_, parked) = examine_ledger(ledger)
    assert (parked.grade, parked.found.startswith("1 message")) == (Grade.ADVICE, True)
    assert "headrace events parked" in parked.remedy


def test_as_many_parked_as_are_kept_whole_is_wrong():
    assert judge_parked(MOST_PARKED_WHOLE - 1).grade is Grade.ADVICE
    full = judge_parked(MOST_PARKED_WHOLE)
    assert full.grade is Grade.WRONG
    assert "headrace events forget" in full.remedy
