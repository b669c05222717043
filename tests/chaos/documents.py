"""What is dropped: tiny PDFs with distinct contents, sync and async, some local, some bad, some keys more than once."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import md5, sha256
from random import Random

from headrace.document import Document
from headrace.states import Reason
from tests.pdfs import pdf_of

INBOX = "inbox"
SYNC_PAGE_LIMIT = 3
# The longest pause between two drops of one key; some come within a second.
LONGEST_PAUSE_SECONDS = 8.0


class Kind(StrEnum):
    """What is to become of a document."""

    SYNC = "sync"
    ASYNC = "async"
    LOCAL = "local"
    EMPTY = "empty"
    DAMAGED = "damaged"


_SHARES = {Kind.SYNC: 50, Kind.ASYNC: 42, Kind.LOCAL: 2, Kind.EMPTY: 3, Kind.DAMAGED: 3}
# Of what is paid, one document in so many comes under a route whose budget is soon used up.
_SCARCE_ONE_IN = 10
# What such a document fails with, whatever else happens.
FAILS_WITH = {Kind.EMPTY: Reason.EMPTY_FILE, Kind.DAMAGED: Reason.UNREADABLE}
# How often a key is dropped: contents by their number. The last one is what the bucket holds in the end.
_VERSIONS = {(0,): 88, (0, 1): 9, (0, 1, 0): 3}


@dataclass(frozen=True)
class Planned:
    """One key and the contents that are dropped there, in their order."""

    number: int
    kind: Kind
    pages: int
    versions: tuple[int, ...]
    pauses_seconds: tuple[float, ...]
    """Before each further drop."""
    scarce: bool = False
    """Whether the budget of its route is soon used up."""

    @property
    def route(self) -> str:
        """The name of its route, which is also the folder that it takes."""
        if self.kind is Kind.LOCAL:
            return "local"
        return "thrifty" if self.scarce else "paid"

    @property
    def key(self) -> str:
        return f"{self.route}/{self.number % 10}/document {self.number:05}.pdf"

    def content(self, version: int) -> bytes:
        """The bytes of one version: no two documents have the same, but for those that have none."""
        if self.kind is Kind.EMPTY:
            return b""
        name = f"CH-{self.number:05}-{version}"
        if self.kind is Kind.DAMAGED:
            return f"%PDF-1.7\n{name} is no document.\n".encode() * 20
        return _pdf(name, self.pages)

    def document(self, version: int) -> Document:
        """The document that this version is."""
        body = self.content(version)
        # An eTag of a whole upload is the MD5 of its bytes.
        return Document(INBOX, self.key, md5(body, usedforsecurity=False).hexdigest(), len(body))

    def digest(self, version: int) -> str:
        """What the simulator knows a content by."""
        return sha256(self.content(version)).hexdigest()

    def invoice_number(self, version: int) -> str:
        """What stands on each page."""
        return f"CH-{self.number:05}-{version}"


def plan_documents(count: int, seed: int) -> list[Planned]:
    """So many keys, the same for the same seed."""
    return [_planned(number, Random(f"{seed}:document:{number}")) for number in range(count)]


def _planned(number: int, random: Random) -> Planned:
    kind = random.choices(list(_SHARES), list(_SHARES.values()))[0]
    (versions,) = random.choices(list(_VERSIONS), list(_VERSIONS.values()))
    if kind is Kind.EMPTY:
        versions = (0,)
    first = SYNC_PAGE_LIMIT + 1 if kind is Kind.ASYNC else 1
    pages = random.randint(first, first + SYNC_PAGE_LIMIT - 1)
    pauses = tuple(
        random.choice((0.0, 0.3, random.uniform(1, LONGEST_PAUSE_SECONDS))) for _ in range(len(versions) - 1)
    )
    return Planned(number, kind, pages, versions, pauses, scarce=number % _SCARCE_ONE_IN == 1)


def _pdf(name: str, pages: int) -> bytes:
    """A PDF with "Invoice number: {name}" on each page."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * page) for page in range(pages))
    return pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            *_pages(name, pages),
        ]
    )


def _pages(name: str, pages: int) -> Iterator[bytes]:
    for page in range(pages):
        text = f"BT /F1 12 Tf 72 720 Td (Invoice number: {name}) Tj 0 -40 Td (Page {page + 1}) Tj ET".encode()
        yield (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * page)
        )
        yield b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text)
