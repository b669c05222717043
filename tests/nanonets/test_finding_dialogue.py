"""Finding what was taken, over real sockets: the client, and a simulator whose windows lag, lack and break off."""

import contextlib
import itertools
import time
from datetime import timedelta

import pytest
from pydantic import SecretStr

from headrace.clock import SystemClock
from headrace.document import SubmissionKey
from headrace.errors import InDoubt, ProviderUnavailable, RateLimited
from headrace.providers import Absent, Found, Job, Request, Sought, Unknown
from headrace.providers.nanonets import DIALECTS, NanonetsProvider, nanonets_client
from headrace.states import Mode
from tests.nanonets.samples import BytesSource
from tests.pdfs import make_pdf
from tests.simulator.process import API_KEY, simulator

CLOCK = SystemClock()
NUMBERS = itertools.count(1)
TWO = make_pdf(2)


@pytest.fixture(scope="module")
def running():
    with simulator("--dialect", "openapi", "--dialect", "guide", "--async-seconds", "0") as started:
        yield started


@pytest.fixture(scope="module")
def client(running):
    with nanonets_client(SecretStr(API_KEY), running.base_url) as client:
        yield client


@pytest.fixture(params=DIALECTS)
def provider(client, request):
    return NanonetsProvider(client, CLOCK, DIALECTS[request.param])


@pytest.fixture
def usual(client):
    return NanonetsProvider(client, CLOCK)


@pytest.fixture
def model():
    """A model of the test's own: its windows hold nothing else."""
    return f"model-{next(NUMBERS)}"


def sent(provider, model, mode=Mode.SYNC, *, name="a.pdf", **more):
    """Send a document, whatever comes of it; what is then sought."""
    key = SubmissionKey(f"{next(NUMBERS):032}", 1, "nanonets", "all", 1)
    request = Request(key, model, mode, CLOCK.now() + timedelta(seconds=60), metadata={"vendor": "Mühle"}, **more)
    with contextlib.suppress(InDoubt):
        provider.submit(BytesSource(TWO, name=name), request)
    return Sought(key, None if request.as_base64 else name, text_only=request.text_only)


def look(provider, model, *sought):
    now = CLOCK.now()
    return provider.find(model, sought, now - timedelta(minutes=2), now, deadline_seconds=20)


def look_until_found(provider, model, *sought):
    """Look until the first is found, for at most ten seconds: a window lacks what is still being read."""
    end = time.monotonic() + 10
    while True:
        listing = look(provider, model, *sought)
        if isinstance(listing.findings[sought[0].key], Found) or time.monotonic() > end:
            return listing
        time.sleep(0.02)


@pytest.mark.parametrize("mode", Mode)
def test_what_was_taken_and_never_answered_is_found_and_what_was_refused_is_absent(running, provider, model, mode):
    running.order(do="cut", model=model)
    cut = sent(provider, model, mode)
    running.order(do="answer", status=500, billed=False, model=model)
    lost = sent(provider, model, mode, name="b.pdf")
    listing = look_until_found(provider, model, cut, lost)
    (job,) = running.bill()["submissions"][str(cut.key)]["jobs"]
    assert listing.findings == {cut.key: Found((Job(job, model),)), lost.key: Absent()}
    assert listing.echoed


def test_what_is_found_can_be_fetched(running, usual, model):
    running.order(do="cut", model=model)
    cut = sent(usual, model)
    (job,) = look_until_found(usual, model, cut).findings[cut.key].jobs
    answer = usual.fetch([job])[job]
    assert answer.prediction.key == str(cut.key)
    assert [page.number for page in answer.prediction.pages] == [1, 2]


def test_a_request_that_was_taken_twice_is_found_with_both_jobs_the_older_one_first(running, usual, model):
    key = SubmissionKey(f"{next(NUMBERS):032}", 1, "nanonets", "all", 1)
    for _ in range(2):
        usual.submit(BytesSource(TWO), Request(key, model, Mode.SYNC, CLOCK.now() + timedelta(seconds=60)))
    found = look(usual, model, Sought(key, "invoice-7.pdf")).findings[key]
    assert [job.id for job in found.jobs] == running.bill()["submissions"][str(key)]["jobs"]


def test_a_file_of_which_windows_lag_is_absent_and_then_found(running, usual, model):
    running.order(do="lag", seconds=600, model=model)
    late = sent(usual, model, name="late.pdf")
    running.order(do="omit", on="window", model=model)
    left_out = sent(usual, model, name="left-out.pdf")
    assert look(usual, model, late, left_out).findings == {late.key: Absent(), left_out.key: Absent()}
    found = look(usual, model, late, left_out).findings
    assert found[late.key] == Absent()
    assert isinstance(found[left_out.key], Found)


def test_metadata_that_comes_back_blank_leaves_the_file_of_that_name_unknown(running, usual, model):
    running.order(do="vary", variants={"metadata": "blank"}, model=model)
    blank, other = sent(usual, model), sent(usual, "another-model", name="other.pdf")
    listing = look(usual, model, blank, other)
    assert isinstance(listing.findings[blank.key], Unknown)
    assert listing.findings[other.key] == Absent()
    assert not listing.echoed


def test_what_went_out_as_base64_is_found_by_its_key_alone(usual, model):
    sought = sent(usual, model, as_base64=True)
    assert isinstance(look(usual, model, sought).findings[sought.key], Found)


def test_a_full_text_is_never_called_absent(usual, model):
    sought = sent(usual, model, text_only=True)
    assert isinstance(look(usual, model, sought).findings[sought.key], Unknown)


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"do": "break"}, ProviderUnavailable),
        ({"do": "cut"}, ProviderUnavailable),
        ({"do": "answer", "status": 502, "body": "html"}, ProviderUnavailable),
        ({"do": "answer", "status": 200, "body": "empty"}, ProviderUnavailable),
        ({"do": "answer", "status": 429}, RateLimited),
    ],
)
def test_a_window_that_does_not_come_to_its_end_is_asked_again(running, usual, model, order, error):
    sought = sent(usual, model)
    running.order(**order, on="window", model=model)
    with pytest.raises(error):
        look(usual, model, sought)
    assert isinstance(look(usual, model, sought).findings[sought.key], Found)


def test_what_was_taken_is_known_by_its_file_id_and_nothing_else_is(provider, model):
    one = sent(provider, model)
    (job,) = look_until_found(provider, model, one).findings[one.key].jobs
    assert provider.known(job, deadline_seconds=20).keys == {one.key}
    assert provider.known(Job("no-such-file", model), deadline_seconds=20) is None
