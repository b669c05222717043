"""Headrace finds in the simulator's window what it would be told of each file."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from headrace.clock import SystemClock
from headrace.providers import Absent, Answer, Job, Pending
from headrace.providers.nanonets import NanonetsProvider
from tests.pdfs import make_pdf
from tests.simulator.in_process import application


def provider_of(running, sent):
    def handler(request):
        sent.append(request.url.path)
        path = str(request.url).partition("/api/v2/")[2]
        answer = running.ask(request.method, path)
        return httpx.Response(answer.status_code, content=answer.content, headers={"Content-Type": "application/json"})

    client = httpx.Client(base_url="http://simulated.invalid/api/v2/", transport=httpx.MockTransport(handler))
    return NanonetsProvider(client, SystemClock())


def submitted(running, pages, name):
    body = running.upload(make_pdf(pages), query="?async=true", name=name).json()
    return Job(body["result"][0]["result"][0]["request_file_id"], "demo", pages)


def listed(provider, jobs):
    now = datetime.now(UTC)
    return provider.listed("demo", jobs, now, now, deadline_seconds=30)


@pytest.mark.parametrize("raw_ocr", ["empty", "words"])
@pytest.mark.parametrize("costs", ["charged", "some"])
def test_a_window_carries_whole_what_each_file_would_answer(raw_ocr, costs):
    sent = []
    with application("--raw-ocr", raw_ocr, "--costs", costs) as running:
        jobs = [submitted(running, pages, f"{pages}.pdf") for pages in (1, 2, 5)]
        for job in jobs:
            running.stored_at_last(job.id)
        provider = provider_of(running, sent)
        found = listed(provider, jobs)
        assert len(sent) == 1
        by_file = {job: provider.fetch([job])[job] for job in jobs}
    assert all(isinstance(said, Answer) for said in found.values())
    # Only what is said of an answer as a whole is not that of each file.
    told, alone = ([one[job].prediction.model_copy(update={"details": {}}) for job in jobs] for one in (found, by_file))
    assert told == alone
    assert json.loads(found[jobs[2]].raw)["unmoderated_images_count"] == 5


@pytest.mark.parametrize(("pending", "said"), [("empty", Absent), ("pages", Pending)])
def test_a_job_that_is_not_ready_is_absent_or_pending(pending, said):
    with application("--pending", pending, "--async-seconds", "1000") as running:
        job = submitted(running, 2, "a.pdf")
        assert isinstance(listed(provider_of(running, []), [job])[job], said)


def test_a_listing_that_lags_lacks_the_job():
    with application("--listing-lag", "1000") as running:
        job = submitted(running, 2, "a.pdf")
        running.stored_at_last(job.id)
        assert isinstance(listed(provider_of(running, []), [job])[job], Absent)
