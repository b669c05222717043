import os
import resource
import signal
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from headrace.count_costs import LARGER_BUDGET, MOST_COPIED_BYTES, WHOLE_BYTES
from headrace.counting.counter import PageCounter
from headrace.counting.process import child_command
from headrace.errors import (
    ConfigurationError,
    CountOutOfMemory,
    CountTimedOut,
    DocumentReplaced,
    EncryptedDocument,
    StorageUnavailable,
    TransientError,
    UnreadableDocument,
)
from headrace.page_count import PageCount
from tests.heic import HEIC
from tests.pages.reading import CountingReader
from tests.pdfs import make_pdf, make_picture, pdf_that_unpacks_to, scattered_pdf, slow_pdf

MEGABYTE = 1024**2
THREE_PAGES = PageCount(3, "walked", "application/pdf")


@pytest.fixture(scope="module")
def counter():
    with PageCounter() as counter:
        yield counter


def count(counter, document, most_pages=500, passwords=()):
    passwords = [SecretStr(password) for password in passwords]
    return counter.count(CountingReader(document), len(document), most_pages=most_pages, passwords=passwords)


def open_copies(process):
    """The file without a name that a process has open, besides its pipes."""
    return [file for file in Path(f"/proc/{process}/fd").iterdir() if str(file.readlink()).endswith("(deleted)")]


def test_the_child_counts_what_it_is_given(counter):
    assert count(counter, make_pdf(3)) == THREE_PAGES
    assert count(counter, make_picture("TIFF", 4)) == PageCount(4, "walked", "image/tiff")
    assert count(counter, scattered_pdf(130)) == PageCount(130, "declared", "application/pdf")
    assert count(counter, make_pdf(9), most_pages=5) == PageCount(6, "walked", "application/pdf", at_least=True)


def test_the_child_tells_how_a_picture_lies_and_what_a_password_opened(counter):
    assert count(counter, make_picture("WEBP", orientation=6)) == PageCount(1, "walked", "image/webp", rotated=True)
    assert count(counter, HEIC) == PageCount(1, "walked", "image/heic")
    locked = make_pdf(3, password="secret")
    assert count(counter, locked, passwords=["wrong", "secret"]) == replace(THREE_PAGES, protected=True)
    with pytest.raises(EncryptedDocument, match="the one that the route names"):
        count(counter, locked, passwords=["wrong"])


def test_a_password_is_in_nothing_but_the_pipe(counter):
    password = "-".join(["pa55", "phrase"])  # not in the source either, which a traceback quotes
    with pytest.raises(EncryptedDocument) as refused:
        count(counter, make_pdf(3, password="secret"), passwords=[password])
    process = Path(f"/proc/{counter.child_pid}")
    for place in (process / "cmdline", process / "environ"):
        assert password.encode() not in place.read_bytes()
    assert password not in "".join(traceback.format_exception(refused.value))


def test_a_large_document_is_mended_from_a_copy_that_is_gone_afterwards(counter):
    document = scattered_pdf(160)
    document = document[: len(document) * 9 // 10]
    pages = document.count(b"/Type /Page /Parent")
    for _ in range(2):  # the second one in the same child, whose file has been used
        assert count(counter, document) == PageCount(pages, "walked", "application/pdf")
        (copy,) = open_copies(counter.child_pid)
        assert copy.stat().st_size == 0
    assert count(counter, make_pdf(3)) == THREE_PAGES


def test_a_store_that_fails_while_a_copy_is_made_fails_the_count_unchanged(counter):
    document = scattered_pdf(160)
    document = document[: len(document) * 9 // 10]
    error = StorageUnavailable("It is away.")

    def failing(start, length):
        if length > 1024**2:
            raise error
        return document[start : start + length]

    with pytest.raises(StorageUnavailable) as raised:
        counter.count(failing, len(document), most_pages=500)
    assert raised.value is error
    assert count(counter, make_pdf(3)) == THREE_PAGES


def test_one_child_serves_many_documents(counter):
    count(counter, make_pdf(1))
    child = counter.child_pid
    with pytest.raises(EncryptedDocument, match="Remove the password"):
        count(counter, make_pdf(1, password="secret"))
    count(counter, make_pdf(2))
    assert counter.child_pid == child


def test_a_large_document_is_read_within_the_budget(counter):
    document = scattered_pdf(300, declared=9000)
    reader = CountingReader(document)
    counter.count(reader, len(document), most_pages=500)
    assert reader.requests <= LARGER_BUDGET.requests
    assert reader.bytes <= LARGER_BUDGET.bytes


def test_no_child_runs_before_the_first_document_or_after_the_end():
    counter = PageCounter()
    assert counter.child_pid is None
    count(counter, make_pdf(1))
    child = counter.child_pid
    counter.close()
    assert counter.child_pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_child_is_replaced_after_a_hundred_documents(counter):
    counter.close()
    document = make_pdf(1)
    count(counter, document)
    first = counter.child_pid
    for _ in range(99):
        count(counter, document)
    count(counter, document)
    assert counter.child_pid != first


def test_a_document_that_takes_too_long_is_stopped_and_its_neighbour_counted():
    with PageCounter(seconds=1) as counter:
        with pytest.raises(CountTimedOut, match="longer than 1 seconds"):
            count(counter, slow_pdf())
        assert counter.child_pid is None
        assert count(counter, make_pdf(3)) == THREE_PAGES


def test_a_document_that_takes_too_much_memory_is_stopped_and_its_neighbour_counted():
    with PageCounter(memory_bytes=128 * MEGABYTE) as counter:
        with pytest.raises(CountOutOfMemory, match="more than 128 MB"):
            count(counter, pdf_that_unpacks_to(70 * MEGABYTE))
        assert count(counter, make_pdf(3)) == THREE_PAGES


def test_the_time_of_the_store_is_not_the_documents():
    class SlowClock:
        """Each look takes the reader's time with it."""

        def __init__(self):
            self.seconds = 0.0

        def monotonic(self):
            return self.seconds

    clock = SlowClock()
    document = make_pdf(3)

    def slow_store(start, length):
        clock.seconds += 3600
        return document[start : start + length]

    with PageCounter(seconds=20, clock=clock) as counter:
        assert counter.count(slow_store, len(document), most_pages=500) == THREE_PAGES


@pytest.mark.parametrize(
    "error", [DocumentReplaced("It changed."), StorageUnavailable("It is away."), KeyboardInterrupt()]
)
def test_what_the_reader_raises_comes_out_unchanged(counter, error):
    def broken(start, length):
        raise error

    with pytest.raises(type(error)) as raised:
        counter.count(broken, 1000, most_pages=500)
    assert raised.value is error
    assert count(counter, make_pdf(3)) == THREE_PAGES


def test_a_store_that_gives_too_little_is_asked_again_later(counter):
    document = make_pdf(3)
    with pytest.raises(StorageUnavailable, match="gave 10 bytes"):
        counter.count(lambda start, length: document[:10], len(document), most_pages=500)
    assert count(counter, document) == THREE_PAGES


def test_a_child_that_was_killed_between_documents_is_not_missed(counter):
    count(counter, make_pdf(1))
    os.kill(counter.child_pid, signal.SIGKILL)
    assert count(counter, make_pdf(3)) == THREE_PAGES


def test_a_child_that_was_killed_at_work_gets_one_more_try(counter):
    document = make_pdf(3)
    killed = []

    def killer(start, length):
        if not killed:
            killed.append(counter.child_pid)
            os.kill(counter.child_pid, signal.SIGKILL)
        return document[start : start + length]

    assert counter.count(killer, len(document), most_pages=500) == THREE_PAGES


def test_a_document_that_ends_its_reader_twice_is_unreadable(counter):
    def killer(start, length):
        os.kill(counter.child_pid, signal.SIGKILL)
        return bytes(length)

    with pytest.raises(UnreadableDocument, match="ends the process"):
        counter.count(killer, 1000, most_pages=500)
    assert count(counter, make_pdf(3)) == THREE_PAGES


def test_a_stop_that_is_meant_for_the_worker_does_not_reach_the_child(counter):
    document = make_pdf(3)

    def stopper(start, length):
        os.kill(counter.child_pid, signal.SIGTERM)
        os.kill(counter.child_pid, signal.SIGINT)
        return document[start : start + length]

    count(counter, document)
    child = counter.child_pid
    assert counter.count(stopper, len(document), most_pages=500) == THREE_PAGES
    assert counter.child_pid == child


def test_the_child_is_told_no_secret(counter, monkeypatch):
    monkeypatch.setenv("HEADRACE_PROVIDER_API_KEY", "geheim")
    counter.close()
    count(counter, make_pdf(1))
    assert b"geheim" not in Path(f"/proc/{counter.child_pid}/environ").read_bytes()


def test_the_child_ends_when_nobody_asks_any_more():
    child = subprocess.Popen(
        child_command(1024 * MEGABYTE, 30), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, complaint = child.communicate(timeout=60)
    assert child.returncode == 0
    assert complaint == b""


def test_a_child_that_nobody_stops_stops_itself():
    document = slow_pdf()
    command = child_command(1024 * MEGABYTE, 0)  # as of now, with its two seconds of grace
    with PageCounter(seconds=60, command=command) as counter, pytest.raises(CountTimedOut):
        count(counter, document)


def test_too_little_memory_to_start_is_told_as_such():
    with (
        pytest.raises(ConfigurationError, match="may use 24 MB of memory"),
        PageCounter(memory_bytes=24 * MEGABYTE) as c,
    ):
        count(c, make_pdf(1))


@pytest.mark.parametrize(
    ("number", "refusal"), [(signal.SIGKILL, TransientError), (signal.SIGSEGV, ConfigurationError)]
)
def test_a_child_that_is_killed_at_its_start_may_start_later_but_not_one_that_crashes(number, refusal):
    command = [sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(number)})"]
    with PageCounter(command=command) as counter, pytest.raises(refusal, match=f"ChildDied {int(number)}"):
        count(counter, make_pdf(1))
    assert counter.child_pid is None


def test_a_machine_without_open_files_left_is_asked_again():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with PageCounter() as counter:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())), limits[1]))
        try:
            with pytest.raises(TransientError, match="Too many open files"):
                count(counter, make_pdf(1))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert count(counter, make_pdf(1)).pages == 1


def test_a_machine_without_a_folder_for_temporary_files_counts_what_needs_no_copy(monkeypatch):
    large = b"%PDF-1.7\n" + bytes(WHOLE_BYTES)
    with PageCounter() as counter:
        with monkeypatch.context() as away:
            away.setattr("tempfile.tempdir", "/no/such/folder")
            assert count(counter, make_pdf(2)).pages == 2
            with pytest.raises(StorageUnavailable, match="TMPDIR"):
                count(counter, large)
        # Once it is there again, so is the copy.
        with pytest.raises(UnreadableDocument):
            count(counter, large)


def test_a_child_that_cannot_be_started_is_told_as_such():
    with pytest.raises(ConfigurationError, match="FileNotFoundError"), PageCounter(command=["/no/such/python"]) as c:
        count(c, make_pdf(1))


# A child that its document has taken over.

_COUNTED = '"kind": "counted", "media_type": "image/png", "at_least": false, "protected": false, "rotated": false'
_READY = "import os, time; say = lambda t: os.write(1, len(t).to_bytes(4, 'big') + t); say(b'{\"kind\": \"ready\"}')\n"


def taken_over(script, seconds=20):
    return PageCounter(seconds=seconds, command=[sys.executable, "-I", "-c", _READY + script])


@pytest.mark.parametrize(
    "script",
    [
        r"os.write(1, b'\xff' * 100)",  # a message of four gigabytes
        r"say(b'not JSON')",
        r"say(b'{}')",
        r"say(b'[' * 4000)",
        r"""say(b'{"kind": "ready"}')""",
        f"""say(b'{{{_COUNTED}, "pages": 0, "source": "walked"}}')""",
        f"""say(b'{{{_COUNTED}, "pages": 9, "source": "heard"}}')""",
        r"""say(b'{"kind": "refused", "reason": "in_doubt", "text": "hold me"}')""",
        r"""say(b'{"kind": "wanted", "start": -1, "length": 1}')""",
        r"""say(b'{"kind": "wanted", "start": 19999999, "length": 2}')""",
        r"""say(b'{"kind": "wanted", "start": 0, "length": 0}')""",
        f"""say(b'{{{_COUNTED}, "pages": 9, "source": "walked", "word": "heard"}}')""",
        r"""[say(b'{"kind": "wanted", "start": 0, "length": 1}') for _ in range(300)]""",
        r"""say(b'{"kind": "wanted", "start": 0, "length": 17000000}')""",
    ],
)
def test_a_child_that_talks_nonsense_is_ended(script):
    reader = CountingReader(bytes(20_000_000))
    with taken_over(script + "; time.sleep(60)") as counter:
        with pytest.raises(UnreadableDocument, match="misbehave"):
            counter.count(reader, 20_000_000, most_pages=500)
        assert counter.child_pid is None
    assert reader.requests <= LARGER_BUDGET.requests
    assert reader.bytes <= LARGER_BUDGET.bytes


def test_a_child_gets_one_copy_of_a_document_and_none_of_a_larger_one():
    script = """[say(b'{"kind": "copy_wanted"}') for _ in range(2)]; time.sleep(60)"""
    reader = CountingReader(bytes(20_000_000))
    with taken_over(script) as counter, pytest.raises(UnreadableDocument, match="misbehave"):
        counter.count(reader, 20_000_000, most_pages=500)
    assert reader.bytes == 20_000_000
    with taken_over(script) as counter, pytest.raises(UnreadableDocument, match="misbehave"):
        counter.count(lambda *_: pytest.fail("read"), MOST_COPIED_BYTES + 1, most_pages=500)


_WRITES_THE_COPY = """
import json
hear = lambda: json.loads(os.read(0, int.from_bytes(os.read(0, 4), 'big')))
hear()
say(b'{"kind": "copy_wanted"}')
pages = 1
try:
    os.write(hear()["descriptor"], b"mine")
except OSError:
    pages = 2
say(b'{COUNTED, "source": "walked", "pages": %d}' % pages)
time.sleep(60)
"""


def test_a_child_cannot_write_the_copy():
    """It tells by its answer whether it could: one page if so, else two."""
    with taken_over(_WRITES_THE_COPY.replace("COUNTED", _COUNTED)) as counter:
        assert count(counter, bytes(1000)).pages == 2


@pytest.mark.parametrize(
    "script",
    [
        "time.sleep(60)",  # silent
        "os.write(1, b'\\0\\0'); time.sleep(60)",  # half a word
        """say(b'{"kind": "wanted", "start": 0, "length": 4000000}'); time.sleep(60)""",  # takes nothing of it
    ],
)
def test_a_child_that_hangs_is_ended(script):
    with taken_over(script, seconds=0.3) as counter:
        with pytest.raises(CountTimedOut):
            counter.count(CountingReader(bytes(4_000_000)), 4_000_000, most_pages=500)
        assert counter.child_pid is None


def test_a_child_that_only_closes_its_pipes_is_ended():
    with taken_over("os.close(1); os.close(0); time.sleep(60)") as counter, pytest.raises(UnreadableDocument):
        counter.count(CountingReader(bytes(1000)), 1000, most_pages=500)
