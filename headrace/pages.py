"""A document's bytes -> how many pages it has."""

import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Literal, NoReturn, cast

from PIL import Image

from headrace.errors import NoPages, UnreadableDocument
from headrace.media import SNIFFED_BYTES, media_type
from headrace.page_tree import Walk, walk_pages
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


def count_pages(read: RangeReader, size: int, *, most_pages: int) -> PageCount:
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
        return _count_pdf(file, kind, most_pages)
    return _count_picture(file, kind, most_pages)


def _open(read: RangeReader, size: int) -> BytesIO | RangedFile:
    if size > WHOLE_BYTES:
        return RangedFile(read, size, BUDGET)
    return BytesIO(read(0, size) if size > 0 else b"")


def _count_pdf(file: BytesIO | RangedFile, kind: str, most_pages: int) -> PageCount:
    walk = _walk(file, most_pages)
    if walk.ended and walk.reached > 0:
        return PageCount(walk.reached, "walked", kind, at_least=walk.reached > most_pages)
    if walk.reached > 0:
        if _is_plausible(walk) and walk.declared is not None:
            return PageCount(walk.declared, "declared", kind)
        return PageCount(walk.reached, "walked", kind, at_least=True)
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


def _walk(file: BytesIO | RangedFile, most_pages: int) -> Walk:
    """The cheapest walk that decides the count, or else the last one tried."""
    opened = cast("BinaryIO", file)
    if isinstance(file, BytesIO):
        return walk_pages(opened, most_pages=most_pages)
    walk = walk_pages(opened, most_pages=most_pages, strict=True)
    if walk.reached > 0 and (walk.ended or (_is_plausible(walk) and (walk.declared or 0) <= most_pages)):
        return walk
    file.budget = LARGER_BUDGET
    walk = walk_pages(opened, most_pages=most_pages, strict=True)
    if walk.reached > 0:
        return walk
    return walk_pages(opened, most_pages=most_pages)


def _is_plausible(walk: Walk) -> bool:
    return walk.declared is not None and walk.declared >= walk.reached


def _count_picture(file: BytesIO | RangedFile, kind: str, most_pages: int) -> PageCount:
    """Only heads are read, never pixels."""
    if isinstance(file, RangedFile):
        file.budget = LARGER_BUDGET
    file.seek(0)
    name = kind.removeprefix("image/").upper()
    pages = 0
    try:
        with warnings.catch_warnings():
            # Pillow warns of much that is no harm to a count; what it refuses, it raises.
            warnings.simplefilter("ignore")
            with Image.open(cast("BinaryIO", file), formats=(name,)) as picture:
                pages = 1
                # One JPEG or PNG is one page: what more it holds is a thumbnail or an animation.
                while name == "TIFF" and pages <= most_pages:
                    picture.seek(pages)
                    pages += 1
    except EOFError:
        pass  # This is how Pillow says that there are no more.
    except Image.DecompressionBombError as error:
        raise UnreadableDocument(
            f"A page of the {name} has more pixels than any scan needs. Make it smaller and drop it again."
        ) from error
    except BudgetSpent:
        if pages > 0:
            return PageCount(pages, "walked", kind, at_least=True)
        _refuse_damaged(name, pages, None)
    except MemoryError:
        raise
    except Exception as error:  # On damaged files Pillow raises whatever Python does.
        _refuse_damaged(name, pages, error)
    return PageCount(pages, "walked", kind, at_least=pages > most_pages)


def _refuse_damaged(name: str, pages: int, error: Exception | None) -> NoReturn:
    raise UnreadableDocument(
        f"The {name} is damaged: page {pages + 1} cannot be read. Save it anew with another program."
    ) from error
