"""A large upload goes to disk: how large it is, the simulator's memory does not show."""

from pathlib import Path

import pytest

from tests.pdfs import pdf_of

UPLOAD_BYTES = 48 * 1024 * 1024
MOST_GROWTH_BYTES = 12 * 1024 * 1024


def most_memory(process) -> int:
    """The most that a process ever had in memory, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's most memory")
def test_a_large_upload_takes_little_memory(running):
    padding = b"<< /Length %d >>\nstream\n%s\nendstream" % (UPLOAD_BYTES, b"x" * UPLOAD_BYTES)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
    tree = b"<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 2 >>"
    large = pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", tree, page, padding])
    running.upload(pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", tree, page]))
    before = most_memory(running.process)
    pages = running.upload(large, query="?async=true").json()["result"][0]["result"]
    assert len(pages) == 2
    assert most_memory(running.process) - before < MOST_GROWTH_BYTES
