"""The local engine's process: what a document does to it, the document alone bears."""

import os
import resource
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest

from headrace.errors import (
    ConfigurationError,
    DocumentReplaced,
    EncryptedDocument,
    NeedsOcr,
    ReadOutOfMemory,
    ReadTimedOut,
    StorageUnavailable,
    UnreadableDocument,
)
from headrace.providers.local import LabelRule, read_document
from headrace.providers.local.distant_file import BLOCK_BYTES, MOST_BLOCKS, DistantFile
from headrace.providers.local.engine import LocalEngine
from headrace.providers.local.tables import upright_copy
from headrace.providers.local.text_layer import open_document, read_page
from tests.local.pages import draw, scan
from tests.pdfs import make_pdf, scattered_pdf

TOTAL = LabelRule(label="total", kind="amount")
GOOD = draw([[(20, 200, "Total: 12.00")]])
MEGABYTE = 1024**2


@pytest.fixture(scope="module")
def engine():
    with closing(LocalEngine()) as engine:
        yield engine


def pages_of(engine, document, pages=None, rules=(TOTAL,)):
    return engine.pages(lambda start, length: document[start : start + length], len(document), rules, pages)


def child_that(tmp_path, *lines):
    """A child that says it is ready, takes an order, and then does this."""
    script = tmp_path / "child.py"
    script.write_text(
        "\n".join(
            [
                "import os, sys, time",
                f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})",
                "from headrace.children.talk import Talk",
                "talk = Talk()",
                "talk.say({'kind': 'ready'})",
                "while True:",
                *(f"    {line}" for line in ("talk.hear()", *lines)),
            ]
        ),
        encoding="utf-8",
    )
    return [sys.executable, str(script)]


def test_the_pages_are_those_that_the_engine_finds_in_our_own_process(engine):
    assert pages_of(engine, GOOD) == read_document(GOOD, (TOTAL,))
    assert [page.number for page in pages_of(engine, make_pdf(5), (2, 3))] == [2, 3]


def test_one_child_reads_many_documents_also_after_refusals(engine):
    pages_of(engine, GOOD)
    child = engine.child_pid
    for document, refusal in (
        (scan(), NeedsOcr),
        (make_pdf(1, password="secret"), EncryptedDocument),
        (b"%PDF-1.7\nnothing", UnreadableDocument),
    ):
        with pytest.raises(refusal):
            pages_of(engine, document)
    assert pages_of(engine, GOOD)
    assert engine.child_pid == child


def test_of_a_large_document_only_what_its_pages_need_is_fetched(engine):
    document = scattered_pdf(6, padding_bytes=4 * MEGABYTE)
    fetched = []

    def read(start, length):
        fetched.append(length)
        return document[start : start + length]

    engine.pages(read, len(document), (), (6, 6))
    assert sum(fetched) < len(document) / 2


def test_of_a_document_that_lies_elsewhere_a_few_blocks_are_kept():
    size = 3 * MOST_BLOCKS * BLOCK_BYTES + 5
    asked = []

    def read(start, length):
        asked.append((start, length))
        return bytes([start // BLOCK_BYTES]) * length

    file = DistantFile(read, size)
    file.seek(BLOCK_BYTES - 1)
    assert file.read(2) == b"\0\1"
    file.seek(-2, os.SEEK_END)
    assert file.read(9) == bytes([3 * MOST_BLOCKS]) * 2
    assert (file.tell(), file.read(1)) == (size, b"")
    assert asked[-1] == (size - 5, 5)

    file.seek(0)
    while file.read(BLOCK_BYTES):
        pass
    assert len(file._blocks) <= MOST_BLOCKS


@pytest.mark.parametrize("ending", [signal.SIGSEGV, signal.SIGKILL])
def test_a_document_that_ends_its_reader_twice_is_unreadable(tmp_path, ending):
    command = child_that(tmp_path, f"os.kill(os.getpid(), {int(ending)})")
    with closing(LocalEngine(command=command)) as engine:
        with pytest.raises(UnreadableDocument, match="ends the process that reads it"):
            pages_of(engine, GOOD)
        assert engine.child_pid is None


def test_a_child_that_somebody_else_ends_is_replaced_and_the_document_read(engine):
    pages_of(engine, GOOD)
    os.kill(engine.child_pid, signal.SIGKILL)
    assert pages_of(engine, GOOD) == read_document(GOOD, (TOTAL,))


def test_a_document_that_takes_too_long_is_stopped(tmp_path):
    with closing(LocalEngine(seconds=0.5, command=child_that(tmp_path, "time.sleep(60)"))) as engine:
        with pytest.raises(ReadTimedOut, match=r"longer than 0\.5 seconds"):
            pages_of(engine, GOOD)
        assert engine.child_pid is None


def test_a_reader_that_nobody_stops_is_stopped_by_its_own_limit_and_that_is_a_time_limit_too(tmp_path):
    command = child_that(tmp_path, f"os.kill(os.getpid(), {int(signal.SIGXCPU)})")
    with closing(LocalEngine(command=command)) as engine, pytest.raises(ReadTimedOut):
        pages_of(engine, GOOD)


class JumpingClock:
    """A clock that stands still but where a test lets it jump."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds


def test_the_time_of_the_store_is_not_the_documents_but_has_an_end_as_well(tmp_path):
    clock = JumpingClock()

    def slow_store(start, length):
        clock.seconds += 70
        return GOOD[start : start + length]

    with closing(LocalEngine(clock=clock, whole_seconds=100)) as engine:
        assert engine.pages(slow_store, len(GOOD), (TOTAL,), None) == read_document(GOOD, (TOTAL,))
    asking_again = child_that(tmp_path, "while True: talk.ask_for(0, 1)")
    with closing(LocalEngine(clock=clock, command=asking_again)) as engine, pytest.raises(ReadTimedOut):
        engine.pages(slow_store, len(GOOD), (TOTAL,), None)


def test_too_much_memory_is_said_so_and_the_next_document_has_a_fresh_process(tmp_path):
    command = child_that(tmp_path, "talk.say({'kind': 'out_of_memory'})")
    with closing(LocalEngine(command=command)) as engine:
        with pytest.raises(ReadOutOfMemory, match="more than 3072 MB"):
            pages_of(engine, GOOD)
        assert engine.child_pid is None


def test_the_process_really_has_its_memory_limit():
    refused = pytest.raises(ConfigurationError, match="may use 64 MB")
    with closing(LocalEngine(memory_bytes=64 * MEGABYTE)) as engine, refused:
        pages_of(engine, GOOD)


@pytest.mark.parametrize(
    "said",
    [
        "{'kind': 'wanted', 'start': 0, 'length': 10**9}",
        "{'kind': 'ready'}",
        "{'kind': 'refused', 'reason': 'exported', 'text': ''}",
        "{'kind': 'read', 'length': 10**12}",
        "{'kind': 'read', 'length': 16 * 1024**2 + 1}",
        "{'kind': 'read', 'length': 4}, b'[{}]'",
    ],
)
def test_a_child_that_talks_nonsense_is_not_believed(tmp_path, said):
    with closing(LocalEngine(command=child_that(tmp_path, f"talk.say({said})"))) as engine:
        with pytest.raises(UnreadableDocument, match="misbehave"):
            pages_of(engine, GOOD)
        assert engine.child_pid is None


def test_no_more_than_a_block_is_fetched_at_once_whatever_the_child_asks(tmp_path):
    command = child_that(tmp_path, f"talk.ask_for(0, {BLOCK_BYTES + 1})")
    fetched = []
    with closing(LocalEngine(command=command)) as engine, pytest.raises(UnreadableDocument, match="misbehave"):
        engine.pages(lambda start, length: fetched.append(length) or bytes(length), 8 * BLOCK_BYTES, (), None)
    assert fetched == []


@pytest.mark.parametrize("trouble", [DocumentReplaced("another content"), StorageUnavailable("away")])
def test_what_the_store_says_comes_through_and_the_waiting_child_ends(engine, trouble):
    def read(start, length):
        raise trouble

    with pytest.raises(type(trouble)):
        engine.pages(read, len(GOOD), (), None)
    assert engine.child_pid is None


def test_the_pages_that_the_finder_reads_have_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    document = open_document(GOOD)
    with closing(document), upright_copy(document, [read_page(document, 1)]) as path:
        assert path.read_bytes().startswith(b"%PDF")
        assert list(tmp_path.iterdir()) == []


def test_a_child_that_is_killed_at_work_leaves_no_file(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    lines = [
        "from headrace.providers.local.tables import upright_copy",
        "from headrace.providers.local.text_layer import open_document, read_page",
        f"document = open_document(bytes.fromhex({GOOD.hex()!r}))",
        "with upright_copy(document, [read_page(document, 1)]) as path: time.sleep(60)",
    ]
    command = child_that(tmp_path, *lines)
    with closing(LocalEngine(seconds=3, command=command)) as engine, pytest.raises(ReadTimedOut):
        pages_of(engine, GOOD)
    assert list(temporary.iterdir()) == []


def test_a_machine_without_room_for_the_pages_is_no_fault_of_the_document(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(StorageUnavailable, match="ENOENT"):
        read_document(GOOD, ())
    said = "talk.say({'kind': 'no_room', 'text': 'no room here'})"
    with closing(LocalEngine(command=child_that(tmp_path, said))) as engine:
        with pytest.raises(StorageUnavailable, match="no room here"):
            pages_of(engine, GOOD)
        assert engine.child_pid is not None


def test_pages_that_no_file_may_hold_are_the_documents_fault():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(UnreadableDocument, match="written apart"):
            read_document(GOOD, ())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_store_that_gives_too_little_is_tried_again(engine):
    with pytest.raises(StorageUnavailable, match="gave 0 bytes"):
        engine.pages(lambda start, length: b"", len(GOOD), (), None)
