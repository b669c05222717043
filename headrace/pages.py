"""A document's bytes -> how many pages it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import BinaryIO, Literal, cast

from headrace.errors import NoPages, UnreadableDocument
from headrace.media import SNIFFED_BYTES, media_type
from headrace.page_tree import Walk
from headrace.pdf_mending import mend_pages
from headrace.pdf_reading import read_pages
from headrace.picture_pages import READ_WHOLE, read_picture
from headrace.ranges import Budget, BudgetSpent, RangedFile, RangeReader

# Up to here one request for everything is quicker than several for pieces.
WHOLE_BYTES = 8 * 1024 * 1024
# What a count may cost; the larger one where it would otherwise be wrong, or refuse a document.
BUDGET = Budget(requests=8, bytes=512 * 1024)
LARGER_BUDGET = Budget(requests=256, bytes=16 * 1024 * 1024)
# Of what can only be read as a whole, no more than this is fetched.
MOST_COPIED_BYTES = 256 * 1024 * 1024
# Where %%EOF has to stand (implementation note 18 of the PDF reference 1.7).
_END_BYTES = 1024


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
    read in blocks; without it that one is refused. What `read` and `copy` raise should not be an
    Exception: the libraries take those for damage.

    Raises EmptyDocument, UnsupportedType, EncryptedDocument, UnreadableDocument, NoPages; and
    MemoryError, where the document needs more than there is.
    """
    file = _open(read, size)
    kind = media_type(file.read(SNIFFED_BYTES))
    if size <= WHOLE_BYTES or size > MOST_COPIED_BYTES:
        copy = None
    if kind == "application/pdf":
        return _count_pdf(_walk(_Pdf(file, most_pages, passwords, copy)), kind, most_pages)
    return _count_picture(copy() if copy is not None and kind in READ_WHOLE else file, kind, size, most_pages)


def _open(read: RangeReader, size: int) -> BytesIO | RangedFile:
    if size > WHOLE_BYTES:
        return RangedFile(read, size, BUDGET)
    return BytesIO(read(0, size) if size > 0 else b"")


def _count_pdf(walk: Walk, kind: str, most_pages: int) -> PageCount:
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


@dataclass(frozen=True, slots=True)
class _Pdf:
    """A PDF and the ways to read it."""

    file: BytesIO | RangedFile
    most_pages: int
    passwords: Sequence[str]
    copy: Callable[[], BinaryIO] | None

    def read(self, *, strict: bool = False) -> Walk:
        return read_pages(
            cast("BinaryIO", self.file), most_pages=self.most_pages, strict=strict, passwords=self.passwords
        )

    def mend(self) -> Walk:
        """Nothing is reached where the whole file is not to be had."""
        if isinstance(self.file, BytesIO):
            return mend_pages(self.file, most_pages=self.most_pages, passwords=self.passwords)
        if self.copy is None:
            return Walk()
        return mend_pages(self.copy(), most_pages=self.most_pages, passwords=self.passwords)


def _walk(pdf: _Pdf) -> Walk:
    """The cheapest walk that decides the count, or else the one that says best why there is none."""
    if isinstance(pdf.file, RangedFile):
        return _walk_in_blocks(pdf, pdf.file)
    # pypdf looks for an end that is missing line by line, through the whole file.
    ways = (pdf.read, pdf.mend) if _has_its_end(pdf.file) else (pdf.mend, pdf.read)
    walks: list[Walk] = []
    for way in ways:
        walks.append(way())
        if walks[-1].reached > 0:
            return walks[-1]
    return walks[ways.index(pdf.read)]


def _walk_in_blocks(pdf: _Pdf, file: RangedFile) -> Walk:
    walk = pdf.read(strict=True)
    if walk.reached > 0 and (walk.ended or (_is_plausible(walk) and (walk.declared or 0) <= pdf.most_pages)):
        return walk
    mended = Walk()
    if walk.reached == 0 and not _has_its_end(file):
        mended = pdf.mend()
    if mended.reached > 0:
        return mended
    file.budget = LARGER_BUDGET
    walk = pdf.read(strict=True)
    if walk.reached > 0:
        return walk
    if not mended.ended:
        mended = pdf.mend()
    if mended.reached > 0:
        return mended
    walk = pdf.read()
    return walk if walk.reached > 0 or walk.ended or not mended.ended else mended


def _has_its_end(file: BytesIO | RangedFile) -> bool:
    end = file.seek(0, SEEK_END)
    file.seek(max(0, end - _END_BYTES))
    return b"%%EOF" in file.read(_END_BYTES)


def _is_plausible(walk: Walk) -> bool:
    return walk.declared is not None and walk.declared >= walk.reached


def _count_picture(file: BinaryIO | RangedFile, kind: str, size: int, most_pages: int) -> PageCount:
    if isinstance(file, RangedFile):
        file.budget = LARGER_BUDGET
    try:
        picture = read_picture(cast("BinaryIO", file), kind, most_pages)
    except BudgetSpent:
        raise UnreadableDocument(
            f"A page of the picture begins later than counting reads: it has {size // 1024**2} MB. "
            "Make it smaller and drop it again."
        ) from None
    at_least = picture.reached > most_pages or not picture.ended
    return PageCount(picture.reached, "walked", kind, at_least=at_least, rotated=picture.rotated)
