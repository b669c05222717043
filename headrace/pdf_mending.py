"""The pages of a damaged PDF, as pikepdf mends it: it needs the whole file, and finds what no index tells of."""

import logging
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pikepdf

from headrace.errors import EncryptedDocument
from headrace.page_tree import Walk, descend, no_password_fits

# It warns about each thing that it mends, with pieces of the document.
logging.getLogger("pikepdf").setLevel(logging.CRITICAL)


def mend_pages(file: BinaryIO, *, most_pages: int, passwords: Sequence[str] = ()) -> Walk:
    """Count the pages as `headrace.pdf_reading.read_pages` does, of a file that lies here as a whole.

    pikepdf's own list of pages is not asked: it counts in C++, where a page tree that loops or
    unfolds to millions cannot be stopped.
    """
    walk = Walk()
    try:
        with _unlocked(file, passwords, walk) as pdf:
            root = pdf.Root["/Pages"]
            descend(walk, _Tree(), _Place("root", root), most_pages)
    except EncryptedDocument:
        raise
    except Exception as error:  # On damaged files pikepdf raises whatever Python does.
        walk.note(error)
    walk.ended = True
    return walk


def _unlocked(file: BinaryIO, passwords: Sequence[str], walk: Walk) -> pikepdf.Pdf:
    for password in ("", *passwords):
        file.seek(0)
        try:
            pdf = pikepdf.open(
                file,
                password=password,
                # Else each page is visited at once, in C++.
                inherit_page_attributes=False,
                # A map of the file would count against the address space.
                access_mode=pikepdf.AccessMode.stream,
            )
        except pikepdf.PasswordError:
            continue
        walk.protected = password != ""
        return pdf
    raise no_password_fits(len(passwords))


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
