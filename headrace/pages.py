"""A document's bytes -> how many pages it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Literal, cast

from headrace.errors import NoPages, UnreadableDocument
from headrace.media import SNIFFED_BYTES, media_type
from headrace.page_tree import Walk, walk_pages
from headrace.picture_pages import read_picture
from headrace.ranges import Budget, BudgetSpent, RangedFile, RangeReader

# Up to here one request for everything is quicker than several for pieces.
WHOLE_BYTES = 8 * 1024 * 1024
# What a count may cost; the larger one where it would otherwise be wrong, or refuse a document.
BUDGET = Budget(requests=8, bytes=512 * 1024)
LARGER_BUDGET = Budget(requests=256, bytes=16 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class PageCount:
    """How many pages a document has, at least one.

    `source` is "walked" where pages were counted one by one, "declared" where the file's own
    word was taken because counting would have cost too much. With `at_least` there may be more.
    `protected`: it opens only with one of the passwords that were given. `rotated`: its first page is a
    picture that says (EXIF) that it does not lie upright.
    """

    pages: int
    source: Literal["walked", "declared"]
    media_type: str
    at_least: bool = False
    protected: bool = False
    rotated: bool = False


def count_pages(read: RangeReader, size: int, *, most_pages: int, passwords: Sequence[str] = ()) -> PageCount:
    """Count the pages of a document of `size` bytes, stopping one past `most_pages`.

    `read` is asked for everything at once where that is little (`WHOLE_BYTES`), else for blocks
    within `BUDGET`, and within `LARGER_BUDGET` where a PDF is damaged, lies, declares more than
    `most_pages`, or shows no page before, and for a TIFF. What `read` raises should not be an
    Exception: the libraries take those for damage.

    Raises EmptyDocument, UnsupportedType, EncryptedDocument, UnreadableDocument, NoPages; and
    MemoryError, where the document needs more than there is.
    """
    file = _open(read, size)
    kind = media_type(file.read(SNIFFED_BYTES))
    if kind == "application/pdf":
        return _count_pdf(file, kind, most_pages, passwords)
    return _count_picture(file, kind, most_pages)


def _open(read: RangeReader, size: int) -> BytesIO | RangedFile:
    if size > WHOLE_BYTES:
        return RangedFile(read, size, BUDGET)
    return BytesIO(read(0, size) if size > 0 else b"")


def _count_pdf(file: BytesIO | RangedFile, kind: str, most_pages: int, passwords: Sequence[str]) -> PageCount:
    walk = _walk(file, most_pages, passwords)
    if walk.reached > 0:
        if not walk.ended and walk.declared is not None and _is_plausible(walk):
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


def _walk(file: BytesIO | RangedFile, most_pages: int, passwords: Sequence[str]) -> Walk:
    """The cheapest walk that decides the count, or else the last one tried."""

    def walked(*, strict: bool) -> Walk:
        return walk_pages(cast("BinaryIO", file), most_pages=most_pages, strict=strict, passwords=passwords)

    if isinstance(file, BytesIO):
        return walked(strict=False)
    walk = walked(strict=True)
    if walk.reached > 0 and (walk.ended or (_is_plausible(walk) and (walk.declared or 0) <= most_pages)):
        return walk
    file.budget = LARGER_BUDGET
    walk = walked(strict=True)
    return walk if walk.reached > 0 else walked(strict=False)


def _is_plausible(walk: Walk) -> bool:
    return walk.declared is not None and walk.declared >= walk.reached


def _count_picture(file: BytesIO | RangedFile, kind: str, most_pages: int) -> PageCount:
    if isinstance(file, RangedFile):
        file.budget = LARGER_BUDGET
    try:
        picture = read_picture(cast("BinaryIO", file), kind, most_pages)
    except BudgetSpent:
        raise UnreadableDocument(
            f"The picture has no page in the {LARGER_BUDGET.bytes // 1024**2} MB of it that are read to count them. "
            "Make it smaller and drop it again."
        ) from None
    at_least = picture.reached > most_pages or not picture.ended
    return PageCount(picture.reached, "walked", kind, at_least=at_least, rotated=picture.rotated)
