"""In each dialect, the client and the simulator over real sockets: every call, and what was billed."""

import itertools
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from headrace.clock import SystemClock
from headrace.document import SubmissionKey
from headrace.errors import PredictionRejected
from headrace.providers import Answer, Job, Pending
from headrace.providers.nanonets import DIALECTS, NanonetsApi, NanonetsProvider, answers, nanonets_client
from headrace.providers.nanonets.envelope import unseal
from headrace.providers.nanonets.uploads import Asked
from headrace.states import Mode, Reason
from tests.nanonets.samples import BytesSource, a_request
from tests.pdfs import make_pdf
from tests.simulator.process import API_KEY, served_folder, simulator

CLOCK = SystemClock()
NUMBERS = itertools.count(1)
THREE = make_pdf(3)


@pytest.fixture(scope="module")
def running():
    with simulator("--dialect", "openapi", "--dialect", "guide", "--async-seconds", "0.3") as started:
        yield started


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    folder = tmp_path_factory.mktemp("links")
    (folder / "a.pdf").write_bytes(THREE)
    with served_folder(folder) as address:
        yield address


@pytest.fixture(scope="module")
def client(running):
    with nanonets_client(SecretStr(API_KEY), running.base_url) as client:
        yield client


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return DIALECTS[request.param]


@pytest.fixture
def provider(client, dialect):
    return NanonetsProvider(client, CLOCK, dialect)


@pytest.fixture
def api(client, dialect):
    return NanonetsApi(client, CLOCK, dialect)


def asking(mode=Mode.SYNC, **more):
    """A request under a submission key of its own."""
    key = SubmissionKey(f"{next(NUMBERS):032}", 1, "nanonets", "all", 1)
    return replace(a_request(CLOCK, mode=mode, model="demo", metadata={"vendor": "Mühle"}), key=key, **more)


def landed(provider, result):
    """The answer: at once, or polled for at most ten seconds."""
    if isinstance(result, Answer):
        return result
    assert isinstance(result, Job)
    end = time.monotonic() + 10
    while isinstance(found := provider.fetch([result])[result], Pending) and time.monotonic() < end:
        time.sleep(0.05)
    assert isinstance(found, Answer)
    return found


def numbers_of(answer):
    return [page.number for page in answer.prediction.pages]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("way", ["file", "link", "base64"])
def test_a_document_comes_back_with_its_key_and_is_billed_once(running, provider, links, mode, way):
    request = asking(mode, as_base64=way == "base64")
    source = BytesSource(THREE, url=f"{links}/a.pdf") if way == "link" else BytesSource(THREE, piece_bytes=1000)
    result = provider.submit(source, request)
    assert isinstance(result, Job if mode is Mode.ASYNC else Answer)
    answer = landed(provider, result)
    assert numbers_of(answer) == [1, 2, 3]
    assert (answer.prediction.key, answer.prediction.metadata) == (str(request.key), {"vendor": "Mühle"})
    assert running.bill()["submissions"][str(request.key)]["billed"] == 1


@pytest.mark.parametrize("way", ["file", "link"])
def test_only_the_pages_that_were_asked_for_are_billed(running, provider, links, way):
    request = asking(Mode.ASYNC, page_numbers=(1, 3), language="de")
    answer = landed(
        provider, provider.submit(BytesSource(THREE, url=f"{links}/a.pdf" if way == "link" else None), request)
    )
    assert numbers_of(answer) == [1, 3]
    billed = running.bill()["submissions"][str(request.key)]
    assert (billed["pages"], billed["languages"]) == (2, ["de"])


@pytest.mark.parametrize("way", ["file", "link"])
def test_full_text_needs_no_model(running, provider, links, way):
    before = running.bill()["pages"]
    request = replace(asking(text_only=True), model="")
    answer = provider.submit(BytesSource(THREE, url=f"{links}/a.pdf" if way == "link" else None), request)
    assert numbers_of(answer) == [1, 2, 3]
    assert all(page.text and page.words for page in answer.prediction.pages)
    assert (answer.prediction.key, answer.prediction.metadata) == (str(request.key), {"vendor": "Mühle"})
    assert provider.read(answer.raw, "").pages == answer.prediction.pages
    assert running.bill()["pages"] == before + 3


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("text_only", [False, True])
def test_a_link_that_leads_nowhere_is_certainly_not_taken(running, provider, links, mode, text_only):
    before = running.bill()["requests"]
    with pytest.raises(PredictionRejected) as caught:
        provider.submit(BytesSource(url=f"{links}/none.pdf"), asking(mode, text_only=text_only))
    assert caught.value.reason in {Reason.LINK_UNUSABLE, Reason.BAD_REQUEST}
    assert running.bill()["requests"] == before


def test_of_several_links_each_is_told(api, links):
    asked = Asked("demo", Mode.SYNC)
    urls = [f"{links}/a.pdf", f"{links}/none.pdf"]
    reply = api.predict_urls(asked, urls, send_before=CLOCK.now() + timedelta(seconds=60))
    taken, refused = answers.inputs(reply.taken())
    assert reply.status == 202
    assert (taken.pages, taken.failure) == (3, "")
    assert (refused.name, refused.file_id) == (urls[1], None)
    assert "404" in refused.failure


def test_several_files_go_in_one_call(api):
    files = [BytesSource(make_pdf(1), name="a.pdf"), BytesSource(make_pdf(2), name="b.pdf")]
    reply = api.predict_files(Asked("demo", Mode.ASYNC), files, send_before=CLOCK.now() + timedelta(seconds=60))
    assert [(one.name, one.pages) for one in answers.inputs(reply.taken())] == [("a.pdf", 1), ("b.pdf", 2)]


def test_one_page_can_be_asked_for(provider, api):
    answer = landed(provider, provider.submit(BytesSource(THREE), asking()))
    second = answer.prediction.pages[1]
    (record,) = answers.records(api.page("demo", second.file_id, second.page_id))
    assert (record["id"], record["page"]) == (second.page_id, 1)


def test_the_window_of_today_has_what_was_sent_today(provider, api):
    request = asking(Mode.ASYNC)
    job = provider.submit(BytesSource(THREE), request)
    today = CLOCK.now().date()
    keys = [unseal(record["request_metadata"]).key for record in api.window("demo", today, today)]
    assert keys.count(str(request.key)) in {0, 3}  # a page that waits may not be listed
    landed(provider, job)
    found = [record for record in api.window("demo", today, today) if record["request_file_id"] == job.id]
    assert sorted(record["page"] for record in found) == [0, 1, 2]
    assert {unseal(record["request_metadata"]).key for record in found} == {str(request.key)}


def test_the_window_of_last_month_has_nothing(api, dialect):
    day = CLOCK.now().date() - timedelta(days=30)
    records = list(api.window("demo", day, day + timedelta(days=1)))
    if dialect is not DIALECTS["guide"]:  # whose only last day is today
        assert records == []


def test_a_window_is_refused_to_a_wrong_key(dialect, running):
    with nanonets_client(SecretStr("another-key"), running.base_url) as client:
        stranger = NanonetsApi(client, CLOCK, dialect)
        with pytest.raises(PredictionRejected) as caught:
            list(stranger.window("demo", CLOCK.now().date(), CLOCK.now().date()))
    assert caught.value.reason is Reason.KEY_REFUSED


def test_a_model_is_created_shown_and_listed(api):
    created = api.create_model(["total", "due date"])
    assert [category.name for category in created.categories] == ["total", "due date"]
    assert (created.state_in_words, created.is_live) == ("created", False)
    assert api.model(created.id) == created
    assert created.id in {model.id for model in api.models()}
