"""Asking for many jobs in one listing: what it carries whole is an answer, and all else is asked for otherwise."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from headrace.errors import PredictionRejected, ProviderUnavailable, RateLimited
from headrace.providers import Absent, Answer, Job, Pending
from headrace.providers.nanonets.listed import told
from headrace.providers.nanonets.windows import ListedPage
from tests.nanonets.samples import answering, box, stored, stored_page

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ONE, TWO = Job("file-1", "invoices", 1), Job("file-2", "invoices", 2)


def page(job, number=0, **changes):
    return stored_page(number, request_file_id=job.id, id=f"{job.id}-{number}", **changes)


def listed(jobs, *pages, moderated=(), since=NOON, until=NOON, sent=None, **answer):
    def handler(request):
        if sent is not None:
            sent.append(str(request.url))
        return httpx.Response(**({"status_code": 200, "json": stored(*pages, moderated=moderated)} | answer))

    return answering(handler).listed("invoices", jobs, since, until, deadline_seconds=20)


def test_many_jobs_are_answered_by_one_call():
    sent = []
    found = listed([ONE, TWO], page(TWO, 1), page(ONE), page(Job("other", "m")), page(TWO, 0), sent=sent)
    assert len(sent) == 1
    assert all(isinstance(said, Answer) for said in found.values())
    assert [[one.number for one in found[job].prediction.pages] for job in (ONE, TWO)] == [[1], [1, 2]]
    assert found[TWO].prediction.job == TWO.id


def test_an_answer_is_the_same_as_the_one_of_its_own_call():
    pages, approved = [page(TWO, 1)], [page(TWO, 0, is_moderated=True, moderated_boxes=[box("total", "13.00")])]
    body = stored(*pages, moderated=approved)
    by_itself = answering(lambda _request: httpx.Response(200, json=body)).fetch([TWO])[TWO]
    by_window = listed([TWO], *pages, moderated=approved)[TWO]
    assert by_window.prediction == by_itself.prediction
    assert json.loads(by_window.raw) == json.loads(by_itself.raw)


def test_what_is_not_listed_is_absent_and_what_is_not_ready_is_pending():
    found = listed([ONE, TWO], page(TWO, 0))
    assert isinstance(found[ONE], Absent)
    assert isinstance(found[TWO], Pending)
    assert isinstance(listed([ONE], page(ONE, status="pending"))[ONE], Pending)


@pytest.mark.parametrize(
    "pages",
    [
        [page(ONE, status="failure", predicted_boxes=[])],
        [{name: value for name, value in page(ONE).items() if "boxes" not in name}],
        [page(ONE, -1)],
        [page(ONE, predicted_boxes=7)],
    ],
    ids=["failed", "without boxes", "without a place", "with strange boxes"],
)
def test_a_job_that_failed_or_is_not_whole_is_left_to_its_own_call(pages):
    other = Job("file-3", "invoices", 1)
    found = listed([ONE, other], *pages, page(other))
    assert ONE not in found
    assert isinstance(found[other], Answer)


def test_an_answer_is_read_when_it_is_looked_up_and_is_not_kept():
    found = listed([ONE], page(ONE))
    first, second = found[ONE], found[ONE]
    assert first is not second
    assert first == second


def test_what_would_fill_the_memory_is_left_to_its_own_call():
    jobs = [Job(f"file-{number}", "m", 1) for number in range(4)]
    pages = [ListedPage("unmoderated_images", json.dumps(page(job))) for job in jobs]
    found = told(iter(pages), jobs, most_characters=2 * len(pages[0].text) + 10)
    assert [isinstance(found.get(job), Answer) for job in jobs] == [True, True, False, False]
    assert jobs[3] not in found


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ((20, 12, 0), (20, 12, 0), (20776, 20777)),
        ((20, 0, 5), (20, 0, 5), (20775, 20777)),
        ((20, 23, 55), (20, 23, 55), (20776, 20778)),
        ((19, 23, 59), (20, 0, 1), (20775, 20777)),
    ],
)
def test_only_the_days_of_the_jobs_are_asked_for_and_clocks_may_differ_around_midnight(since, until, days):
    sent = []
    moments = [datetime(2026, 11, day, hour, minute, tzinfo=UTC) for day, hour, minute in (since, until)]
    listed([ONE], page(ONE), since=moments[0], until=moments[1], sent=sent)
    start, end = days
    assert sent[0].endswith(f"ImageLevelInferences?start_day_interval={start}&current_batch_day={end}")


@pytest.mark.parametrize(
    ("status", "error"), [(401, PredictionRejected), (404, PredictionRejected), (500, ProviderUnavailable)]
)
def test_a_listing_that_is_refused_says_so(status, error):
    with pytest.raises(error):
        listed([ONE], status_code=status, json={"message": "no"})


def test_a_listing_that_is_too_much_says_for_how_long():
    with pytest.raises(RateLimited) as caught:
        listed([ONE], status_code=429, json={"message": "no"}, headers={"Retry-After": "40"})
    assert caught.value.after_seconds == 40


def test_a_listing_that_breaks_off_tells_nothing():
    cut = json.dumps(stored(page(ONE), page(TWO)))[:-40].encode()
    with pytest.raises(ProviderUnavailable):
        listed([ONE], status_code=200, content=cut, json=None)
