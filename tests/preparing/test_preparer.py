"""Copies are made in a process that can be killed, and are gone when they were used."""

import os
import resource
import subprocess
import sys
import threading
from io import BytesIO

import pikepdf
import pytest
from pydantic import SecretStr

from headrace.children.talk import LENGTH
from headrace.errors import (
    ConfigurationError,
    DocumentReplaced,
    DocumentTooLarge,
    EncryptedDocument,
    NotSent,
    StorageUnavailable,
    TransientError,
    UnreadableDocument,
)
from headrace.preparing.preparer import Preparer
from headrace.states import Preparation
from tests.heic import HEIC
from tests.pdfs import make_pdf, picture_that_says
from tests.preparing.pictures import drawn, red_corners, rendered, written

DECRYPT, CONVERT = Preparation.DECRYPT, Preparation.CONVERT
SECRET = SecretStr("hunter2-in-the-mill")
LOCKED = make_pdf(3, password=SECRET.get_secret_value())


class HeldSource:
    """A document in memory, as a provider's Source; `before` is called ahead of each piece."""

    url = None

    def __init__(self, body, media_type="application/pdf", name="inbox.pdf", *, size=None, before=lambda: None):
        self.name, self.media_type = name, media_type
        self.size = len(body) if size is None else size
        self._body, self._before = body, before

    def chunks(self):
        for start in range(0, len(self._body), 1000):
            self._before()
            yield self._body[start : start + 1000]

    def read_range(self, start, length):
        return self._body[start : start + length]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary files are made; whatever has a name there is seen."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def copy_of(preparer, source, preparation=DECRYPT, *, pages=3, passwords=(SECRET,)):
    with preparer.prepared(source, preparation, pages=pages, passwords=passwords) as copy:
        return b"".join(copy.chunks())


def test_a_protected_pdf_becomes_one_that_opens(temporary):
    with Preparer().prepared(HeldSource(LOCKED), DECRYPT, pages=3, passwords=[SecretStr("wrong"), SECRET]) as copy:
        assert list(temporary.iterdir()) == []  # it has no name, so nobody else opens it and no crash leaves it
        assert (copy.name, copy.media_type, copy.url) == ("inbox.pdf", "application/pdf", None)
        body = b"".join(copy.chunks())
        assert (len(body), body[:5]) == (copy.size, b"%PDF-")
        assert copy.read_range(1, 4) == b"PDF-"
        assert copy.read_range(copy.size - 2, 100) == body[-2:]
        assert copy.read_range(copy.size + 5, 10) == b""
    with pytest.raises(StorageUnavailable):
        copy.read_range(0, 1)
    with pikepdf.open(BytesIO(body)) as opened:
        assert not opened.is_encrypted


def test_a_picture_becomes_an_upright_pdf_under_a_fitting_name():
    picture = written("JPEG", drawn(), orientation=6)
    with Preparer().prepared(HeldSource(picture, "image/jpeg", "Photo.JPG"), CONVERT, pages=1) as copy:
        assert (copy.name, copy.media_type) == ("Photo.pdf", "application/pdf")
        (page,) = rendered(copy.read_range(0, copy.size))
    assert red_corners(page) == ["top right"]


def test_a_heic_is_converted_within_its_limits():
    assert len(rendered(copy_of(Preparer(), HeldSource(HEIC, "image/heic"), CONVERT, pages=1))) == 1


def test_no_password_that_fits_any_more_says_so():
    with pytest.raises(EncryptedDocument, match="None of the passwords that the route names") as refused:
        copy_of(Preparer(), HeldSource(LOCKED), passwords=[SecretStr("hunter1-of-last-year")])
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(
    ("preparation", "body", "media_type"),
    [
        (DECRYPT, b"%PDF-1.7\n" + bytes(900), "application/pdf"),
        (CONVERT, written("JPEG", drawn())[:700], "image/jpeg"),
        (CONVERT, picture_that_says("PNG", 16_000, 16_000), "image/png"),
        (CONVERT, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png"),  # Pillow would call Ghostscript
        (CONVERT, HEIC[:300], "image/heic"),
    ],
)
def test_what_is_damaged_or_a_bomb_has_no_copy(preparation, body, media_type):
    with pytest.raises(UnreadableDocument, match=r"The provider needs a .*, and there is none: it is damaged"):
        copy_of(Preparer(), HeldSource(body, media_type), preparation)


def test_a_copy_with_other_pages_than_were_counted_is_not_sent():
    with pytest.raises(UnreadableDocument, match="counted to have 4 pages, and a copy without its password has 3"):
        copy_of(Preparer(), HeldSource(LOCKED), pages=4)
    with pytest.raises(UnreadableDocument, match="counted to have 3 pages, and a copy without its password has 1"):
        copy_of(Preparer(), HeldSource(LOCKED[:900]))  # cut off, and mended as far as that goes
    assert copy_of(Preparer(), HeldSource(LOCKED), pages=None)


def test_memory_has_a_limit():
    large = written("PNG", drawn("RGBA", size=(4000, 4000)), compress_level=1)
    with pytest.raises(UnreadableDocument, match="it takes more than 160 MB of memory"):
        copy_of(Preparer(memory_bytes=160 * 1024**2), HeldSource(large, "image/png"), CONVERT, pages=1)


def test_a_child_that_cannot_load_what_it_needs_is_told_as_such():
    with pytest.raises(ConfigurationError, match=r"does not start .* 24 MB of memory"):
        copy_of(Preparer(memory_bytes=24 * 1024**2), HeldSource(LOCKED))
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        copy_of(Preparer(child=["/no/such/python"]), HeldSource(LOCKED))


# What the source has to say.


@pytest.mark.parametrize(
    "error", [DocumentReplaced("It changed."), StorageUnavailable("It is away."), KeyboardInterrupt()]
)
def test_what_the_source_raises_comes_out_unchanged(error):
    def broken():
        raise error

    with pytest.raises(type(error)) as raised:
        copy_of(Preparer(), HeldSource(LOCKED, before=broken))
    assert raised.value is error


@pytest.mark.parametrize("more", [-1, 1])
def test_a_store_that_gives_another_size_is_asked_again_later(more):
    with pytest.raises(StorageUnavailable, match="of an object of"):
        copy_of(Preparer(), HeldSource(LOCKED, size=len(LOCKED) + more))


def test_an_original_that_comes_too_slowly_is_not_waited_for():
    class Clock:
        seconds = 0.0

        def monotonic(self):
            return self.seconds

    clock = Clock()

    def slow():
        clock.seconds += 60

    with pytest.raises(NotSent, match="gave 2000 of"):
        copy_of(Preparer(clock=clock, fetch_seconds=100), HeldSource(LOCKED, before=slow))


def test_a_folder_of_temporary_files_that_is_not_there_is_the_machines_trouble(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    with pytest.raises(StorageUnavailable, match=r"ENOENT.*TMPDIR"):
        copy_of(Preparer(), HeldSource(LOCKED))


def test_a_disk_without_room_for_the_original_is_the_machines_trouble():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(StorageUnavailable, match=r"EFBIG.*TMPDIR"):
            copy_of(Preparer(), HeldSource(LOCKED))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# A child that dies, hangs, or was taken over by what it reads.

_PREAMBLE = """
import json, os, signal, sys, time
say = lambda message: (lambda t: os.write(1, len(t).to_bytes(4, 'big') + t))(json.dumps(message).encode())
preparation, memory, seconds, most_bytes, source, target = sys.argv[1:]
say({"kind": "ready"})
order = json.loads(os.read(0, int.from_bytes(os.read(0, 4), 'big')))
"""


def taken_over(script, **limits):
    return Preparer(child=[sys.executable, "-I", "-c", _PREAMBLE + script], **limits)


def test_a_child_that_dies_twice_costs_its_document_only():
    with pytest.raises(UnreadableDocument, match="the process that makes it is ended by the document"):
        copy_of(taken_over("os.kill(os.getpid(), signal.SIGSEGV)"), HeldSource(LOCKED))


def test_a_child_that_somebody_killed_gets_one_more_try(tmp_path):
    script = f"""
seen = {str(tmp_path / "seen")!r}
if not os.path.exists(seen):
    open(seen, "w").close()
    os.write(int(target), b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
os.write(int(target), os.read(int(source), 5))
say({{"kind": "prepared", "pages": 3}})
"""
    assert copy_of(taken_over(script), HeldSource(LOCKED)) == b"%PDF-"


def test_a_child_that_takes_too_long_is_ended():
    with pytest.raises(UnreadableDocument, match=r"it takes longer than 0.3 seconds"):
        copy_of(taken_over("time.sleep(60)", seconds=0.3), HeldSource(LOCKED))


def test_a_child_that_uses_up_its_processor_time_is_not_tried_again():
    with pytest.raises(UnreadableDocument, match="it takes longer than"):
        copy_of(taken_over("os.kill(os.getpid(), signal.SIGXCPU)"), HeldSource(LOCKED))


@pytest.mark.parametrize(
    "script",
    [
        'say({"kind": "prepared", "pages": 0})',
        'say({"kind": "refused", "why": order["passwords"][0]})',
        'say({"kind": "failed", "text": order["passwords"][0]})',
        'say({"kind": "ready"})',
        'os.write(1, b"\\xff" * 100)',
    ],
)
def test_what_a_child_may_not_say_is_nonsense_and_tells_no_password(script):
    with pytest.raises(UnreadableDocument, match="misbehave") as refused:
        copy_of(taken_over(script + "\ntime.sleep(60)"), HeldSource(LOCKED))
    assert SECRET.get_secret_value() not in str(refused.value)


def test_a_copy_that_grows_past_all_measure_is_stopped():
    script = 'say({"kind": "refused", "why": "too_large"})'
    with pytest.raises(DocumentTooLarge, match="more than 64 MB"):
        copy_of(taken_over(script), HeldSource(LOCKED))


def test_a_full_disk_is_the_machines_trouble():
    with pytest.raises(StorageUnavailable, match="TMPDIR"):
        copy_of(taken_over('say({"kind": "refused", "why": "machine"})'), HeldSource(LOCKED))


def test_the_real_child_stops_at_the_most_bytes_it_may_write(tmp_path):
    """As the preparer starts it, but with room for 100 bytes."""
    order = b'{"media_type": "application/pdf", "passwords": ["' + SECRET.get_secret_value().encode() + b'"]}'
    (tmp_path / "locked.pdf").write_bytes(LOCKED)
    with (tmp_path / "locked.pdf").open("rb") as source, (tmp_path / "copy").open("w+b") as target:
        files = (source.fileno(), target.fileno())
        done = subprocess.run(
            [sys.executable, "-m", "headrace.preparing.child", "decrypt", str(2**30), "30", "100", *map(str, files)],
            input=LENGTH.pack(len(order)) + order,
            capture_output=True,
            pass_fds=files,
            timeout=60,
            check=True,
        )
    assert done.stdout.endswith(b'{"kind": "refused", "why": "too_large"}')


def test_the_child_is_told_the_passwords_through_its_pipe_and_nowhere_else(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADRACE_PASSWORDS", f'{{"a": "{SECRET.get_secret_value()}"}}')
    seen = tmp_path / "seen"
    script = f"""
with open({str(seen)!r}, "wb") as file:
    for name in ("environ", "cmdline"):
        file.write(open("/proc/self/" + name, "rb").read())
files = len(os.listdir("/proc/self/fd"))
open({str(tmp_path / "files")!r}, "w").write(str(files))
os.write(int(target), order["passwords"][0].encode())
say({{"kind": "prepared", "pages": 3}})
"""
    with (tmp_path / "other").open("w") as other:  # an open file of ours, which is not the child's to see
        assert copy_of(taken_over(script), HeldSource(LOCKED)) == SECRET.get_secret_value().encode()
        assert other.fileno() > 2
    assert SECRET.get_secret_value().encode() not in seen.read_bytes()
    # Its two pipes, a stderr that leads nowhere, the two files, and the folder that it looks at.
    assert int((tmp_path / "files").read_text()) == 6


def test_nothing_is_fetched_before_there_is_a_place():
    def fetched():
        pytest.fail("fetched")

    with pytest.raises(TransientError, match="turn comes later"):
        copy_of(Preparer(at_once=0, wait_seconds=0), HeldSource(LOCKED, before=fetched))


def test_a_machine_that_cannot_start_the_child_now_is_asked_again():
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with pytest.raises(TransientError, match=r"could not be started \(ChildDied 9\)"):
        copy_of(Preparer(child=killed), HeldSource(LOCKED))


def test_no_more_copies_are_prepared_at_once_than_may_be(tmp_path):
    begun, go, later = (tmp_path / name for name in ("begun", "go", "later"))
    for pipe in (begun, go):
        os.mkfifo(pipe)
    script = f"""
if not os.path.exists({str(later)!r}):
    open({str(begun)!r}, "w").close()  # returns once somebody reads
    open({str(go)!r}).close()
os.write(int(target), b"x")
say({{"kind": "prepared", "pages": 3}})
"""
    preparer, found = taken_over(script, at_once=1, wait_seconds=0.05), []
    first = threading.Thread(target=lambda: found.append(copy_of(preparer, HeldSource(LOCKED))))
    first.start()
    begun.open().close()
    with pytest.raises(TransientError, match="turn comes later"):
        copy_of(preparer, HeldSource(LOCKED))
    later.touch()
    go.open("w").close()
    first.join()
    assert found == [b"x"]
    assert copy_of(preparer, HeldSource(LOCKED)) == b"x"
