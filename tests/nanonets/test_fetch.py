"""Asking for accepted jobs: what is ready, what is not, and what never will be."""

import threading

import httpx
import pytest

from headrace.providers import Answer, Job, NotTold, Pending, Refused
from headrace.states import Reason
from tests.clocks import ManualClock
from tests.nanonets.samples import FILE_ID, always, answering, box, stored, stored_page

JOB = Job(FILE_ID, "invoices", 2)
TWO = stored(stored_page(1), stored_page(0))


def fetched(status, job=JOB, **body):
    return always(status, **body).fetch([job])[job]


def test_a_job_is_asked_for_by_its_file():
    seen = []

    def handler(request):
        seen.append((request.method, str(request.url)))
        return httpx.Response(200, json=TWO)

    answering(handler).fetch([JOB])
    path = f"Inferences/Model/invoices/InferenceRequestFiles/GetPredictions/{FILE_ID}"
    assert seen == [("GET", f"https://app.nanonets.com/api/v2/{path}")]


def test_a_finished_job_is_an_answer():
    answer = fetched(200, json=TWO)
    assert isinstance(answer, Answer)
    assert [page.number for page in answer.prediction.pages] == [1, 2]


@pytest.mark.parametrize(
    "body",
    [
        stored(),
        {},
        stored(stored_page(0)),
        stored(stored_page(0), stored_page(1, status="PENDING")),
        stored(stored_page(0), stored_page(1, status="", predicted_boxes=[])),
    ],
)
def test_a_job_is_pending_until_every_promised_page_ended(body):
    assert isinstance(fetched(200, json=body), Pending)


def test_a_page_without_a_word_but_with_boxes_has_ended():
    assert isinstance(fetched(200, json=stored(stored_page(0, status=""), stored_page(1))), Answer)


def test_blank_pages_end():
    assert isinstance(fetched(200, json=stored(*(stored_page(page, predicted_boxes=[]) for page in (0, 1)))), Answer)


def test_some_failed_pages_leave_the_good_ones():
    answer = fetched(200, json=stored(stored_page(0), stored_page(1, status="failure", predicted_boxes=[])))
    assert isinstance(answer, Answer)
    assert answer.prediction.failed_pages == (2,)


def test_only_failed_pages_are_the_end():
    refused = fetched(200, json=stored(*(stored_page(page, status="Failure") for page in (0, 1))))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.PREDICTION_FAILED


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_job_that_is_not_found_is_pending_with_the_reason(status):
    pending = fetched(status, json={"message": "no"})
    assert isinstance(pending, Pending)
    assert str(status) in pending.detail


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.KEY_REFUSED),
        (402, Reason.QUOTA_USED_UP),
        (403, Reason.FORBIDDEN),
        (429, Reason.RATE_LIMITED),
        (302, Reason.UNREACHABLE),
        (500, Reason.UNREACHABLE),
        (503, Reason.UNREACHABLE),
    ],
)
def test_a_refusal_and_a_fault_of_the_provider_say_nothing_of_the_job(status, reason):
    nothing = fetched(status, json={"message": "no"})
    assert isinstance(nothing, NotTold)
    assert (nothing.reason, nothing.after_seconds) == (reason, None)
    assert str(status) in nothing.detail


@pytest.mark.parametrize("body", [{"json": {}}, {"html": "<html>"}, {"text": ""}])
def test_how_long_to_wait_is_heard_whatever_the_body_is(body):
    nothing = fetched(429, headers={"Retry-After": "17"}, **body)
    assert (nothing.reason, nothing.after_seconds) == (Reason.RATE_LIMITED, 17.0)


@pytest.mark.parametrize("status", [200, 401, 403, 404])
@pytest.mark.parametrize("body", [{"html": "<html>"}, {"text": ""}, {"text": "{"}])
def test_what_a_proxy_answers_says_nothing_of_the_job(status, body):
    assert fetched(status, **body).reason is Reason.UNREACHABLE


def test_an_answer_that_cannot_be_read_leaves_the_job_pending():
    assert isinstance(fetched(200, json=stored(stored_page(-1), stored_page(0))), Pending)


@pytest.mark.parametrize("trouble", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
def test_a_broken_call_says_nothing_of_the_job(trouble):
    def handler(request):
        raise trouble

    assert answering(handler).fetch([JOB])[JOB].reason is Reason.UNREACHABLE


def test_eight_are_asked_at_once_and_no_more():
    together = threading.Barrier(8, timeout=10)
    inside = threading.Semaphore(8)

    def handler(request):
        assert inside.acquire(blocking=False)
        together.wait()
        inside.release()
        return httpx.Response(200, json=stored(stored_page(0, predicted_boxes=[box("name", request.url.path[-2:])])))

    jobs = [Job(f"job-{number:02}", "m", 1) for number in range(16)]
    results = answering(handler).fetch(jobs)
    assert list(results) == jobs
    assert [results[job].prediction.pages[0].fields[0].text for job in jobs] == [job.id[-2:] for job in jobs]


def test_what_the_deadline_leaves_was_not_asked_for():
    clock = ManualClock()
    lock = threading.Lock()

    def handler(request):
        with lock:
            clock.sleep(30)
        return httpx.Response(200, json=stored(stored_page()))

    jobs = [Job(f"job-{number}", "m", 1) for number in range(40)]
    results = answering(handler, clock).fetch(jobs, deadline_seconds=45).values()
    assert sum(isinstance(result, NotTold) for result in results) >= 24


def test_no_jobs_are_no_calls():
    assert answering(lambda request: pytest.fail("called")).fetch([]) == {}
