"""A document's bytes -> how many pages it has."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO, cast

from headrace.count_costs import BUDGET, LARGER_BUDGET, MOST_COPIED_BYTES, WHOLE_BYTES
from headrace.errors import NoPages, UnreadableDocument
from headrace.media import SNIFFED_BYTES, media_type
from headrace.page_count import PageCount
from headrace.page_tree import Walk
from headrace.pdf_pages import walk_in_blocks, walk_whole
from headrace.picture_pages import READ_WHOLE, Picture, read_picture
from headrace.ranges import BudgetSpent, RangedFile, RangeReader


def count_pages(
    read: RangeReader,
    size: int,
    *,
    most_pages: int,
    passwords: Sequence[str] = (),
    copy: Callable[[], BinaryIO] | None = None,
) -> PageCount:
    """Count the pages of a document of `size` bytes, stopping one past `most_pages`.

    `read` is asked for everything at once where that is little (`WHOLE_BYTES`), else for blocks
    within `BUDGET`, and within `LARGER_BUDGET` where a PDF is damaged, lies, declares more than
    `most_pages`, or shows no page before, and for a picture. `copy` gives the whole document as a
    file, and is asked once at most, for a larger one of up to `MOST_COPIED_BYTES` that cannot be
    read in blocks, or not to its end; without it the former is refused, and of the latter a lower
    bound told. What `read` raises should not be an Exception: the libraries take those for damage.

    Raises EmptyDocument, UnsupportedType, EncryptedDocument, UnreadableDocument, NoPages; and
    MemoryError, where the document needs more than there is.
    """
    file = _open(read, size)
    kind = media_type(file.read(SNIFFED_BYTES))
    if size <= WHOLE_BYTES or size > MOST_COPIED_BYTES:
        copy = None
    if kind == "application/pdf":
        if isinstance(file, BytesIO):
            walk = walk_whole(file, most_pages=most_pages, passwords=passwords)
        else:
            walk = walk_in_blocks(file, copy, most_pages=most_pages, passwords=passwords)
        return _count_of(walk, kind, most_pages)
    return _count_of_picture(_read_picture(file, copy, kind, size, most_pages), kind, most_pages)


def _open(read: RangeReader, size: int) -> BytesIO | RangedFile:
    if size > WHOLE_BYTES:
        return RangedFile(read, size, BUDGET)
    return BytesIO(read(0, size) if size > 0 else b"")


def _count_of(walk: Walk, kind: str, most_pages: int) -> PageCount:
    if walk.reached > 0:
        if not walk.ended and walk.declared is not None and walk.is_plausible:
            return PageCount(walk.declared, "declared", kind, protected=walk.protected)
        at_least = walk.reached > most_pages or not walk.ended
        return PageCount(walk.reached, "walked", kind, at_least=at_least, protected=walk.protected)
    if not walk.ended:
        raise UnreadableDocument(
            f"The PDF is so large and so damaged that no page was found in {LARGER_BUDGET.bytes // 1024**2} MB of it. "
            "Open it in a PDF viewer and save it anew."
        )
    if walk.damage is not None:
        raise UnreadableDocument(
            f"The PDF is damaged: its index or its page tree cannot be read ({type(walk.damage).__name__}). "
            "Open it in a PDF viewer and save it anew."
        ) from walk.damage
    raise NoPages("The PDF opens and has no page. Look at how it was made, and drop it again.")


def _read_picture(
    file: BytesIO | RangedFile, copy: Callable[[], BinaryIO] | None, kind: str, size: int, most_pages: int
) -> Picture:
    """What is found in blocks, where that decides the count; else in the copy."""
    if isinstance(file, RangedFile):
        file.budget = LARGER_BUDGET
    found = Picture(ended=False)
    if copy is None or kind not in READ_WHOLE:
        with suppress(BudgetSpent):
            found = read_picture(cast("BinaryIO", file), kind, most_pages)
    if copy is not None and not found.ended:
        return read_picture(copy(), kind, most_pages)
    if found.reached == 0:
        raise UnreadableDocument(
            f"A page of the picture begins later than counting reads: it has {size // 1024**2} MB. "
            "Make it smaller and drop it again."
        )
    return found


def _count_of_picture(picture: Picture, kind: str, most_pages: int) -> PageCount:
    at_least = picture.reached > most_pages or not picture.ended
    return PageCount(picture.reached, "walked", kind, at_least=at_least, rotated=picture.rotated)
