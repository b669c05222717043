"""What it costs to count the pages of a 200 MB, 2,000-page PDF that lies elsewhere.

    python -m bench.page_count

Makes the PDF in a temporary folder, counts it with the real PageCounter, and compares with a one-page PDF. Ends with 1
where a limit is broken.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from headrace.counting.counter import PageCounter
from headrace.page_count import PageCount

PAGES = 2000
STREAM_BYTES = 100_000
MOST_REQUESTS = 8
MOST_KILOBYTES = 512
MOST_ADDED_MEGABYTES = 20


class CountingFile:
    """Ranges of a file, as an object store would give them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self.requests = 0
        self.bytes = 0

    def __call__(self, start: int, length: int) -> bytes:
        self.requests += 1
        self.bytes += length
        return os.pread(self._file.fileno(), length, start)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Cost:
    count: PageCount
    requests: int
    kilobytes: float
    seconds: float
    child_megabytes: float
    parent_megabytes: float


def write_pdf(path: Path, pages: int, stream_bytes: int) -> None:
    """A PDF whose pages lie far apart, with `stream_bytes` that nothing compresses between two of them."""
    stream = os.urandom(stream_bytes)
    offsets = []
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n")

        def write(body: bytes) -> None:
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), body))

        kids = b" ".join(b"%d 0 R" % (3 + 2 * page) for page in range(pages))
        write(b"<< /Type /Catalog /Pages 2 0 R >>")
        write(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids))
        for page in range(pages):
            write(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R >>" % (4 + 2 * page))
            write(b"<< /Length %d >>\nstream\n%s\nendstream" % (stream_bytes, stream))
        index = file.tell()
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1))
        file.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
        file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, index))


def measure(path: Path) -> Cost:
    """Count with a fresh child, so that its peak is this document's."""
    reader = CountingFile(path)
    with PageCounter() as counter:
        began = time.monotonic()
        count = counter.count(reader, path.stat().st_size, most_pages=5000)
        seconds = time.monotonic() - began
        child = _peak_megabytes(counter.child_pid)
    reader.close()
    return Cost(count, reader.requests, reader.bytes / 1024, seconds, child, _peak_megabytes(os.getpid()))


def _peak_megabytes(process: int | None) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.pdf"), Path(folder, "large.pdf")
        write_pdf(small, 1, 1000)
        write_pdf(large, PAGES, STREAM_BYTES)
        little, much = measure(small), measure(large)
        size = large.stat().st_size / 1e6
    added_in_child = much.child_megabytes - little.child_megabytes
    added_in_parent = much.parent_megabytes - little.parent_megabytes
    print(f"document           {size:.0f} MB, {PAGES} pages")
    print(f"counted            {much.count.pages} pages, {much.count.source}")
    print(f"requests           {much.requests} (at most {MOST_REQUESTS})")
    print(f"read               {much.kilobytes:.0f} KB (at most {MOST_KILOBYTES})")
    print(f"seconds            {much.seconds:.2f}, of which the start of the child about {little.seconds:.2f}")
    print(f"memory, child      {much.child_megabytes:.1f} MB, {added_in_child:+.1f} MB for this document")
    print(f"memory, parent     {much.parent_megabytes:.1f} MB, {added_in_parent:+.1f} MB for this document")
    print(f"memory added       {added_in_child + added_in_parent:.1f} MB (at most {MOST_ADDED_MEGABYTES})")
    held = (
        much.count.pages == PAGES
        and much.requests <= MOST_REQUESTS
        and much.kilobytes <= MOST_KILOBYTES
        and added_in_child + added_in_parent <= MOST_ADDED_MEGABYTES
    )
    print("within the limits" if held else "A LIMIT IS BROKEN")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
