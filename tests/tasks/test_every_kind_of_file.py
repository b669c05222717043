"""Photos, scans and protected PDFs on their whole way: from the drop, through the real simulator or engine, to rows."""

import io
import json
from contextlib import closing

import pytest
from PIL import Image
from pydantic import SecretStr

from config.settings import Settings
from headrace.polling import PollSchedule
from headrace.providers.local import LocalProvider
from headrace.providers.nanonets import DIALECTS, NanonetsProvider, nanonets_client
from headrace.states import Mark, Mode, Reason, State
from tests.heic import HEIC
from tests.pdfs import make_pdf, make_picture
from tests.simulator.process import API_KEY, simulator
from tests.tasks.conftest import FREE, PAID

PASSWORD = "correct horse"
# The clock of these worlds flies from poll to poll, and the simulator reads in its own time.
SCHEDULE = PollSchedule(first_seconds=5, longest_seconds=20, polls=500)
PLAIN = PAID.model_copy(update={"model": "demo", "poll": SCHEDULE})
HELPED = PLAIN.model_copy(
    update={"name": "helped", "prefix": "helped/", "convert": True, "passwords": ("wrong", "statements")}
)
LOCAL = FREE.model_copy(update={"passwords": ("statements",)})
PASSWORDS = {"wrong": SecretStr("not this one"), "statements": SecretStr(PASSWORD)}


@pytest.fixture(scope="module")
def running():
    with simulator("--async-seconds", "0", "--dialect", "openapi", "--dialect", "guide") as started:
        yield started


@pytest.fixture(scope="module")
def local():
    with closing(LocalProvider()) as provider:
        yield provider


@pytest.fixture
def world(make_world, running, local):
    with nanonets_client(SecretStr(API_KEY), running.base_url) as client:
        world = make_world(None, free=local, routes=(PLAIN, HELPED, LOCAL))
        world.settings = Settings(
            passwords=json.dumps({name: word.get_secret_value() for name, word in PASSWORDS.items()})
        )
        world.providers["nanonets"] = NanonetsProvider(client, world.clock, DIALECTS["reference"])
        yield world


def taken(world, key, body):
    """Drop a file, and deliver every message; the run as it ended."""
    run = world.drop(key, body)
    world.deliver_all()
    return world.ledger.run(run)


def manifest(world):
    (key,) = [head.key for page in world.store.list("out", "rows/") for head in page if "/documents/" in head.key]
    return json.loads(world.store.read("out", key))


def rows(world, kind="fields"):
    keys = [head.key for page in world.store.list("out", f"rows/json/{kind}/") for head in page]
    return [json.loads(line) for key in keys for line in world.store.read("out", key).splitlines()]


def billed(running, run):
    return running.bill()["submissions"][f"{run.document.id}-1-nanonets-all-1"]


def webp():
    written = io.BytesIO()
    Image.new("RGB", (120, 60), (200, 9, 9)).save(written, "WEBP")
    return written.getvalue()


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("photo.heic", HEIC),
        ("photo.webp", webp()),
        ("IMG_0042", HEIC),
        ("sideways.jpg", make_picture("JPEG", orientation=6)),
    ],
    ids=["heic", "webp", "heic without an ending that tells", "jpeg on its side"],
)
def test_a_photo_that_has_to_be_converted_comes_out_as_rows(world, running, name, picture):
    key = f"helped/{name if '.' in name else f'{name}.jpg'}"
    run = taken(world, key, picture)
    assert (run.state, run.pages) == (State.EXPORTED, 1)
    assert {row["page"] for row in rows(world)} == {1}
    assert {row["key"] for row in rows(world)} == {key}
    assert (billed(running, run)["billed"], billed(running, run)["pages"]) == (1, 1)


def test_a_photo_is_refused_unpaid_where_the_route_does_not_convert(world, running):
    before = running.bill()["pages"]
    run = taken(world, "paid/photo.heic", HEIC)
    assert (run.state, run.reason) == (State.FAILED, Reason.UNSUPPORTED_TYPE)
    assert manifest(world)["reason"] == "unsupported_type"
    assert running.bill()["pages"] == before


@pytest.mark.parametrize(("pages", "mode"), [(3, Mode.SYNC), (5, Mode.ASYNC)])
def test_a_scan_of_several_pages_comes_out_page_by_page(world, running, pages, mode):
    run = taken(world, "paid/scan.tiff", make_picture("TIFF", pages))
    assert (run.state, run.mode, run.pages) == (State.EXPORTED, mode, pages)
    assert {row["page"] for row in rows(world)} == set(range(1, pages + 1))
    assert billed(running, run)["pages"] == pages


@pytest.mark.parametrize(
    ("algorithm", "pages", "mode"),
    [("RC4-128", 2, Mode.SYNC), ("AES-256", 5, Mode.ASYNC), ("AES-256-R5", 1, Mode.SYNC)],
)
def test_a_protected_pdf_is_opened_with_one_of_the_routes_passwords(world, running, algorithm, pages, mode):
    body = make_pdf(pages, password=PASSWORD, algorithm=algorithm)
    run = taken(world, "helped/statement.pdf", body)
    assert (run.state, run.mode, run.pages) == (State.EXPORTED, mode, pages)
    # The simulator takes no protected file.
    assert billed(running, run)["pages"] == pages
    assert rows(world)


def test_the_local_engine_reads_a_protected_pdf(world):
    run = taken(world, "free/statement.pdf", make_pdf(2, password=PASSWORD))
    assert run.state is State.EXPORTED
    (text,) = [head.key for page in world.store.list("out", "rows/text/") for head in page if head.key.endswith(".txt")]
    assert "Page 2 of 2" in world.store.read("out", text).decode()


@pytest.mark.parametrize("prefix", ["helped", "free"])
def test_a_pdf_with_an_owners_password_only_needs_none(world, prefix):
    run = taken(world, f"{prefix}/statement.pdf", make_pdf(2, owner_password="the owner's"))
    assert (run.state, run.pages) == (State.EXPORTED, 2)


@pytest.mark.parametrize("key", ["paid/statement.pdf", "helped/statement.pdf", "free/statement.pdf"])
def test_a_protected_pdf_whose_password_nobody_has_fails_unpaid_and_says_so(world, running, key):
    before = running.bill()["pages"]
    run = taken(world, key, make_pdf(2, password="nobody's"))
    assert (run.state, run.reason) == (State.FAILED, Reason.ENCRYPTED)
    assert (manifest(world)["state"], manifest(world)["reason"]) == ("failed", "encrypted")
    assert manifest(world)["media_type"] == "application/pdf"
    assert running.bill()["pages"] == before


@pytest.mark.parametrize("pages", [3, 5])
def test_pages_that_the_provider_could_not_read_are_named(world, running, pages):
    running.order(do="fail", pages=[2], file=f"half-{pages}.pdf")
    run = taken(world, f"paid/half-{pages}.pdf", make_pdf(pages))
    assert run.state is State.EXPORTED
    assert Mark.PARTIAL in run.marks
    assert manifest(world)["failed_pages"] == [2]
    assert [failure["page"] for failure in manifest(world)["failures"]] == [2]
    assert 2 not in {row["page"] for row in rows(world)}


def test_no_password_and_no_copy_is_kept_anywhere(world, running, tmp_path, capfd):
    taken(world, "helped/statement.pdf", make_pdf(2, password=PASSWORD))
    taken(world, "helped/photo.heic", HEIC)
    kept = [
        (bucket, head.key, world.store.read(bucket, head.key))
        for bucket in ("inbox", "out", "private")
        for page in world.store.list(bucket, "")
        for head in page
    ]
    assert len(kept) > 10
    kept += [("the ledger", path.name, path.read_bytes()) for path in tmp_path.glob("ledger.db*")]
    for bucket, key, body in kept:
        assert PASSWORD.encode() not in body, key
        assert bucket == "inbox" or b"%PDF" not in body, key
    assert PASSWORD not in str(world.app.published)
    told = capfd.readouterr()
    assert PASSWORD not in told.out + told.err
