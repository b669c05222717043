import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from config.routes import load_routes
from headrace.document import Document
from headrace.ledger.records import Run
from headrace.states import Mode, Reason, State
from headrace.storage import Location
from tests.memory_store import InMemoryStore
from workers.stack.drops import drop_samples, sample_files
from workers.stack.own_routes import routes_toml
from workers.stack.progress import Lines, Seen, table_of
from workers.stack.results import copy_outputs

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DOCUMENT = Document("inbox", "local/[red]a\x1b[31m.pdf", "etag")


def console():
    return Console(file=io.StringIO(), width=200, color_system=None)


def run(state, **facts):
    return Run(id="1", document=DOCUMENT, number=1, state=state, created_at=NOW, **facts)


@pytest.fixture
def store():
    made = InMemoryStore()
    for bucket in ("inbox", "outbox"):
        made.create_bucket(bucket)
    return made


@pytest.fixture
def routes(tmp_path):
    (tmp_path / "headrace.toml").write_text(routes_toml((), simulated=True))
    return load_routes(tmp_path / "headrace.toml").routes


def samples_in(folder, **files):
    folder.mkdir()
    (folder / ".hidden").touch()
    for name, body in files.items():
        (folder / f"{name}.pdf").write_bytes(body)
    return sample_files(folder)


def test_every_sample_goes_under_every_route(store, routes, tmp_path):
    files = samples_in(tmp_path / "samples", a=b"first", b=b"second")
    dropped = drop_samples(store, files, routes)
    keys = ["local/a.pdf", "local/b.pdf", "nanonets/a.pdf", "nanonets/b.pdf"]
    assert [document.key for document in dropped] == keys
    assert [store.head("inbox", key).etag for key in keys] == [document.etag for document in dropped]


def test_a_sample_that_lies_there_already_is_not_dropped_again(store, routes, tmp_path):
    files = samples_in(tmp_path / "samples", a=b"first")
    first = drop_samples(store, files, routes)
    store.put("inbox", "local/a.pdf", b"first", metadata={"mine": "yes"})
    assert drop_samples(store, files, routes) == first
    assert store.head("inbox", "local/a.pdf").metadata == {"mine": "yes"}


def test_changed_bytes_under_a_samples_name_are_replaced(store, routes, tmp_path):
    files = samples_in(tmp_path / "samples", a=b"first")
    store.put("inbox", "local/a.pdf", b"something else")
    drop_samples(store, files, routes)
    assert store.read("inbox", "local/a.pdf") == b"first"


def test_outputs_are_copied_once_and_again_when_they_change(store, tmp_path):
    store.put("outbox", "rows/csv/a.csv", b"1")
    store.put("outbox", "rows/documents/a.json", b"{}")
    store.put("outbox", "private/secret", b"not an output")
    place = Location("outbox", "rows")
    assert copy_outputs(store, place, tmp_path) == 2
    assert copy_outputs(store, place, tmp_path) == 0
    store.put("outbox", "rows/csv/a.csv", b"2")
    assert copy_outputs(store, place, tmp_path) == 1
    copied = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert copied == ["rows/csv/a.csv", "rows/documents/a.json"]
    assert (tmp_path / "rows/csv/a.csv").read_bytes() == b"2"


def test_no_key_is_copied_outside_of_its_folder(store, tmp_path):
    for name in ("../../escaped", "a/../../escaped", "./a", "/absolute", "a//b", "n" * 300, "ok"):
        store.put("outbox", f"rows/{name}", b"x")
    (tmp_path / "deep" / "outbox").mkdir(parents=True)
    assert copy_outputs(store, Location("outbox", "rows"), tmp_path / "deep" / "outbox") == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["ok"]


def test_a_document_is_dropped_until_the_ledger_has_it():
    assert Seen.of(DOCUMENT, None, NOW).line.endswith(": dropped")


def test_a_document_has_ended_once_its_manifest_is_published():
    assert not Seen.of(DOCUMENT, run(State.PREDICTED), NOW).has_ended
    assert not Seen.of(DOCUMENT, run(State.EXPORTED), NOW).has_ended
    for state in (State.EXPORTED, State.FAILED, State.HELD, State.SUPERSEDED):
        assert Seen.of(DOCUMENT, run(state, published=True), NOW).has_ended


def test_a_hostile_key_is_shown_as_what_it_is():
    seen = Seen.of(DOCUMENT, run(State.FAILED, reason=Reason.ENCRYPTED, route="local", pages=2, mode=Mode.SYNC), NOW)
    out = console()
    out.print(table_of([seen]))
    Lines(out).show([seen], {})
    text = out.file.getvalue()
    assert text.count(r"local/[red]a\x1b[31m.pdf") == 2
    assert "\x1b" not in text
    assert "2 pages, route local, sync, failed (encrypted)" in text


def test_lines_say_what_changed_and_nothing_twice():
    out = console()
    lines = Lines(out)
    for state in (State.RECEIVED, State.RECEIVED, State.EXPORTED, State.EXPORTED):
        lines.show([Seen.of(DOCUMENT, run(state), NOW)], {"valkey": 1})
    states = [line.rpartition(" ")[2] for line in out.file.getvalue().splitlines()]
    assert states == ["received", "time)", "exported"]
