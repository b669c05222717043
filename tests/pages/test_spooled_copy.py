import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.counting.spooled_copy import SpooledCopy
from headrace.errors import StorageUnavailable


@pytest.fixture
def copy():
    copy = SpooledCopy()
    yield copy
    copy.close()


def held(copy):
    with open(copy.descriptor, "rb", closefd=False) as file:
        file.seek(0)
        return file.read()


def test_it_holds_the_pieces_in_their_order_and_then_nothing(copy):
    copy.fill([b"one", b"", b"two"])
    assert held(copy) == b"onetwo"
    copy.clear()
    assert held(copy) == b""
    copy.fill([b"three"])
    assert held(copy) == b"three"


def test_it_has_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    SpooledCopy().close()
    copy = SpooledCopy()
    assert list(tmp_path.iterdir()) == []
    copy.close()


def test_whoever_has_its_descriptor_cannot_write(copy):
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(copy.descriptor, b"mine")


def test_it_is_closed_once_and_for_all(copy):
    copy.close()
    assert not Path(f"/proc/self/fd/{copy.descriptor}").exists()


@contextmanager
def _no_file_larger_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_told_as_such(copy):
    with _no_file_larger_than(100), pytest.raises(StorageUnavailable, match="File too large"):
        copy.fill([bytes(90), bytes(90)])
