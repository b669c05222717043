"""The pages of a damaged PDF, as pikepdf mends it: it needs the whole file, and finds what no index tells of."""

import logging
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from io import UnsupportedOperation
from typing import BinaryIO

import pikepdf

from headrace.errors import PermanentError, UnreadableDocument
from headrace.page_tree import Walk, descend, no_password_fits

_ENCRYPTION = re.compile(rb"/Filter\s{0,9}/Standard\b")
_PIECE_BYTES = 1024 * 1024
_OVERLAP_BYTES = 32

# It warns about each thing that it mends, with pieces of the document.
logging.getLogger("pikepdf").setLevel(logging.CRITICAL)


def mend_pages(file: BinaryIO, *, most_pages: int, passwords: Sequence[str] = ()) -> Walk:
    """Count the pages as `headrace.pdf_reading.read_pages` does, of a file that lies here as a whole.

    pikepdf's own list of pages is not asked: it counts in C++, where a page tree that loops or
    unfolds to millions cannot be stopped. Raises also UnreadableDocument, as
    `refuse_if_locked_for_good`.
    """
    walk = Walk()
    try:
        with _unlocked(file, passwords, walk) as pdf:
            descend(walk, _Tree(), _Place("root", pdf.Root["/Pages"]), most_pages)
        if walk.reached > 0 and not walk.encrypted:
            refuse_if_locked_for_good(file)
    except PermanentError:
        raise
    except Exception as error:  # On damaged files pikepdf raises whatever Python does.
        walk.note(error)
    walk.ended = True
    return walk


def refuse_if_locked_for_good(file: BinaryIO) -> None:
    """UnreadableDocument for a file that was mended without the encryption that it tells of.

    Its pages are left, and what would open them is not: nothing leads to the dictionary of
    encryption any more, which is never packed (PDF 2.0, 7.5.7).
    """
    file.seek(0)
    before = b""
    while piece := file.read(_PIECE_BYTES):
        if _ENCRYPTION.search(before + piece):
            raise UnreadableDocument(
                "The PDF is encrypted, and so damaged that no password opens it any more. "
                "Drop it again from where it was made, without a password."
            )
        before = piece[-_OVERLAP_BYTES:]


def _unlocked(file: BinaryIO, passwords: Sequence[str], walk: Walk) -> pikepdf.Pdf:
    for password in ("", *filter(_is_text, passwords)):
        file.seek(0)
        try:
            pdf = pikepdf.open(
                _quickest(file),
                password=password,
                # Else each page is visited at once, in C++.
                inherit_page_attributes=False,
                # A map of the file would count against the address space.
                access_mode=pikepdf.AccessMode.stream,
            )
        except pikepdf.PasswordError:
            continue
        walk.encrypted = pdf.is_encrypted
        walk.protected = password != ""
        return pdf
    raise no_password_fits(len(passwords))


def _quickest(file: BinaryIO) -> BinaryIO | str:
    """What pikepdf reads fastest: by a path it reads itself, twenty times as fast as it asks Python to."""
    try:
        return f"/dev/fd/{file.fileno()}"
    except UnsupportedOperation:
        return file  # It is in memory.


def _is_text(password: str) -> bool:
    """Half a character is no PDF's password, and nothing that pikepdf takes."""
    return not any("\ud800" <= character <= "\udfff" for character in password)


@dataclass(frozen=True, slots=True)
class _Place:
    """A kid, and what it is called where it has no number: its array and its place in there."""

    place: Hashable
    held: object


class _Tree:
    """Nodes as pikepdf gives them: each time another object for the same thing."""

    def name(self, kid: _Place) -> Hashable:
        held = kid.held
        return held.objgen if isinstance(held, pikepdf.Object) and held.is_indirect else kid.place

    def kind(self, kid: _Place) -> str:
        kind = _dictionary(kid).get("/Type")
        return str(kind) if isinstance(kind, pikepdf.Name) else ""

    def count(self, kid: _Place) -> int | None:
        count = _dictionary(kid).get("/Count")
        return int(count) if isinstance(count, int) else None

    def has_kids(self, kid: _Place) -> bool:
        return "/Kids" in _dictionary(kid)

    def kids(self, kid: _Place) -> Iterator[_Place]:
        kids = _dictionary(kid)["/Kids"]
        if not isinstance(kids, pikepdf.Array):
            raise pikepdf.PdfError("/Kids is not an array")
        array = kids.objgen if kids.is_indirect else self.name(kid)
        return (_Place((array, place), kids[place]) for place in range(len(kids)))


def _dictionary(kid: _Place) -> pikepdf.Dictionary:
    if not isinstance(kid.held, pikepdf.Dictionary):
        raise pikepdf.PdfError("a kid is missing, or no dictionary")
    return kid.held
