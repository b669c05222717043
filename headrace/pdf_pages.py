"""The pages of a PDF, as told by the reader that tells them at the least cost: pypdf, or else pikepdf."""

from collections.abc import Callable, Sequence
from io import SEEK_END, BytesIO
from typing import BinaryIO, cast

from headrace.count_costs import LARGER_BUDGET
from headrace.errors import PermanentError
from headrace.page_tree import Walk
from headrace.pdf_mending import mend_pages, refuse_if_locked_for_good
from headrace.pdf_reading import read_pages
from headrace.ranges import RangedFile

# Where %%EOF has to stand (implementation note 18 of the PDF reference 1.7).
_END_BYTES = 1024
# pypdf finds a page more than pikepdf in some damaged files, and takes many seconds for a megabyte of others.
_QUICK_BYTES = 128 * 1024


def walk_whole(file: BytesIO, *, most_pages: int, passwords: Sequence[str]) -> Walk:
    """The walk of a PDF that lies here: of several, the one that reached most; else what pypdf says of it.

    Raises EncryptedDocument, UnreadableDocument, MemoryError.
    """

    def mend_with_pypdf() -> Walk:
        walk = read_pages(file, most_pages=most_pages, passwords=passwords)
        if walk.reached > 0 and not walk.encrypted:
            refuse_if_locked_for_good(file)
        return walk

    def mend() -> Walk:
        return mend_pages(file, most_pages=most_pages, passwords=passwords)

    if not _has_its_end(file):
        # pypdf looks for it line by line, through the whole file.
        return _first_that_reaches(mend, mend_with_pypdf)
    walk = read_pages(file, most_pages=most_pages, passwords=passwords, strict=True)
    if walk.reached == 0 and len(file.getbuffer()) > _QUICK_BYTES:
        return _first_that_reaches(mend, mend_with_pypdf)
    if walk.reached == 0:
        walk = mend_with_pypdf()
    return walk if walk.reached > most_pages or _is_clean(walk) else _better(walk, mend)


def walk_in_blocks(
    file: RangedFile, copy: Callable[[], BinaryIO] | None, *, most_pages: int, passwords: Sequence[str]
) -> Walk:
    """The cheapest walk that decides the count of a PDF that lies elsewhere; else one that says why there is none.

    `copy` is asked once at most. Raises as `walk_whole`.
    """
    opened = cast("BinaryIO", file)

    def mend() -> Walk:
        return mend_pages(copy(), most_pages=most_pages, passwords=passwords) if copy is not None else Walk()

    walk = read_pages(opened, most_pages=most_pages, passwords=passwords, strict=True)
    if walk.reached > 0 and (walk.ended or (walk.is_plausible and (walk.declared or 0) <= most_pages)):
        return walk
    mended = mend() if walk.reached == 0 and not _has_its_end(file) else Walk()
    if mended.reached > 0:
        return mended
    file.budget = LARGER_BUDGET
    walk = read_pages(opened, most_pages=most_pages, passwords=passwords, strict=True)
    if walk.reached > 0:
        decided = walk.ended or walk.is_plausible or walk.reached > most_pages or mended.ended
        return walk if decided else _better(walk, mend)
    if not mended.ended:
        mended = mend()
    if mended.reached > 0:
        return mended
    walk = read_pages(opened, most_pages=most_pages, passwords=passwords)
    return walk if walk.reached > 0 or walk.ended or not mended.ended else mended


def _is_clean(walk: Walk) -> bool:
    """Whether nothing tells of pages that were not reached."""
    return walk.reached > 0 and walk.damage is None and (walk.declared or 0) <= walk.reached


def _first_that_reaches(way: Callable[[], Walk], last: Callable[[], Walk]) -> Walk:
    walk = way()
    return walk if walk.reached > 0 else last()


def _better(walk: Walk, other_way: Callable[[], Walk]) -> Walk:
    """The walk, unless another one reaches more, or as much and its end.

    What speaks against the other is nothing against this one.
    """
    try:
        other = other_way()
    except PermanentError:
        if walk.reached > 0:
            return walk
        raise
    return other if (other.reached, other.ended) > (walk.reached, walk.ended) else walk


def _has_its_end(file: BytesIO | RangedFile) -> bool:
    end = file.seek(0, SEEK_END)
    file.seek(max(0, end - _END_BYTES))
    return b"%%EOF" in file.read(_END_BYTES)
