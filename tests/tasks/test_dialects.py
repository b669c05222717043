"""The whole pipeline against the simulator, in each dialect: dropped, sent, polled, exported, billed once."""

import pytest
from pydantic import SecretStr

from headrace.document import SubmissionKey
from headrace.ledger.records import RunFilter
from headrace.polling import PollSchedule
from headrace.providers.nanonets import DIALECTS, NanonetsProvider, nanonets_client
from headrace.states import Mode, Reason, State
from headrace.storage import Location
from tests.memory_store import InMemoryStore
from tests.pdfs import make_pdf
from tests.simulator.process import API_KEY, served_folder, simulator
from tests.tasks.conftest import PAID

# The clock of these worlds flies from poll to poll, and the simulator reads in its own time.
SCHEDULE = PollSchedule(first_seconds=5, longest_seconds=20, polls=500)
STREAMED = PAID.model_copy(update={"model": "demo", "poll": SCHEDULE, "sync_page_limit": 2})
ENCODED = STREAMED.model_copy(update={"name": "encoded", "prefix": "encoded/", "send": "base64"})
LINKED = STREAMED.model_copy(update={"name": "linked", "prefix": "linked/", "send": "url"})
TEXT = STREAMED.model_copy(update={"name": "text", "prefix": "text/", "model": "", "text_only": True})
CHOSEN = STREAMED.model_copy(update={"name": "chosen", "prefix": "chosen/", "pages_to_process": (2, 4)})


@pytest.fixture(scope="module")
def running():
    with simulator("--dialect", "openapi", "--dialect", "guide", "--async-seconds", "0") as started:
        yield started


class LinkingStore(InMemoryStore):
    """Signs links that lead to a folder that is served."""

    address = ""

    def presign(self, bucket, key, *, version_id, valid_for):
        return f"{self.address}/{key}"


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return DIALECTS[request.param]


@pytest.fixture
def world(make_world, running, dialect):
    with nanonets_client(SecretStr(API_KEY), running.base_url) as client:
        routes = (STREAMED, ENCODED, LINKED, TEXT, CHOSEN)
        world = make_world(None, routes=routes, store=LinkingStore(versioned={"inbox"}))
        world.providers["nanonets"] = NanonetsProvider(client, world.clock, dialect)
        yield world


def key_of(world, run):
    return SubmissionKey(world.ledger.run(run).document.id, 1, "nanonets", "all", 1)


def prediction(world, run):
    """What was stored, and is exported."""
    return world.answers.needed(Location.parse(PAID.private), key_of(world, run))


def billed(running, world, run):
    return running.bill()["submissions"][str(key_of(world, run))]


@pytest.mark.parametrize(
    ("prefix", "pages", "mode"), [("paid", 2, Mode.SYNC), ("paid", 5, Mode.ASYNC), ("encoded", 3, Mode.ASYNC)]
)
def test_a_document_goes_all_the_way(world, running, dialect, prefix, pages, mode):
    run = world.drop(f"{prefix}/{dialect.name}-{pages}.pdf", make_pdf(pages))
    world.deliver_all()
    found = world.ledger.run(run)
    assert (found.state, found.mode, found.pages) == (State.EXPORTED, mode, pages)
    assert prediction(world, run).metadata == {"team": "intake"}
    bill = billed(running, world, run)
    assert (bill["billed"], bill["pages"]) == (1, pages)


def test_a_link_goes_all_the_way(world, running, dialect, tmp_path):
    key = f"linked/{dialect.name}.pdf"
    (tmp_path / "linked").mkdir()
    (tmp_path / key).write_bytes(make_pdf(3))
    with served_folder(tmp_path) as world.store.address:
        run = world.drop(key, make_pdf(3))
        world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert billed(running, world, run)["billed"] == 1


def test_a_link_that_leads_nowhere_fails_unpaid_and_a_retry_sends_it_again(world, running, dialect, tmp_path):
    key = f"linked/late-{dialect.name}.pdf"
    with served_folder(tmp_path) as world.store.address:
        run = world.drop(key, make_pdf(1))
        world.deliver_all()
        found = world.ledger.run(run)
        assert (found.state, found.reason) in {
            (State.FAILED, Reason.LINK_UNUSABLE),
            (State.FAILED, Reason.BAD_REQUEST),
        }
        (tmp_path / "linked").mkdir()
        (tmp_path / key).write_bytes(make_pdf(1))
        (hint,) = world.ledger.retry(RunFilter(), by="test")
        world.hints.hint(hint.run_id, hint.state)
        world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert billed(running, world, run)["billed"] == 1


def test_full_text_goes_all_the_way(world, running, dialect):
    before = running.bill()["pages"]
    run = world.drop(f"text/{dialect.name}.pdf", make_pdf(5))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    stored = prediction(world, run)
    assert (stored.key, stored.metadata) == (str(key_of(world, run)), {"team": "intake"})
    assert all(page.text for page in stored.pages)
    assert running.bill()["pages"] == before + 5


def test_only_the_chosen_pages_are_sent_for(world, running, dialect):
    run = world.drop(f"chosen/{dialect.name}.pdf", make_pdf(5))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert billed(running, world, run)["pages"] == 2
