"""The pages of a picture, and whether it lies upright; heads are read, never pixels."""

import warnings
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

import pi_heif
from PIL import Image, TiffImagePlugin

from headrace.errors import UnreadableDocument
from headrace.ranges import BudgetSpent

MOST_PIXELS = 178_956_970
"""A page with more is a decompression bomb: Pillow's own limit, held for what Pillow does not look at, too."""

_NAMES = {"image/heic": "HEIC", "image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF", "image/webp": "WebP"}
READ_WHOLE = frozenset({"image/heic", "image/webp"})
"""What its library reads as a whole, however little is asked of it."""

_ORIENTATION = 0x0112  # Tag of EXIF and of TIFF; 1 is upright, 2 to 8 are not (TIFF 6.0, page 36).


@dataclass(slots=True)
class Picture:
    """What was found: `reached` pages, whether these are all up to the limit, and how the first one lies."""

    reached: int = 0
    ended: bool = True
    rotated: bool = False


def read_picture(file: BinaryIO, kind: str, most_pages: int) -> Picture:
    """Count the pages of a picture of media type `kind`, to `most_pages` + 1 at most.

    Only a TIFF has several: what more the others hold are thumbnails, takes of one moment, or an
    animation, of which the first, or the primary, picture is the page. libheif turns a HEIC upright
    by itself. Raises UnreadableDocument, MemoryError, and BudgetSpent where no page was reached.
    """
    name = _NAMES[kind]
    file.seek(0)
    found = Picture()
    try:
        with warnings.catch_warnings():
            # Pillow warns of much that is no harm to a count; what it refuses, it raises.
            warnings.simplefilter("ignore")
            if name == "HEIC":
                _check_pixels(name, pi_heif.open_heif(file).size)
                found.reached = 1
            else:
                _read_with_pillow(file, name, most_pages, found)
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(name) from error
    except BudgetSpent:
        if found.reached == 0:
            raise
        found.ended = False
    except (MemoryError, UnreadableDocument):
        raise
    except Exception as error:  # On damaged files Pillow and pi_heif raise whatever Python does.
        _refuse_damaged(name, found.reached, error)
    return found


def _read_with_pillow(file: BinaryIO, name: str, most_pages: int, found: Picture) -> None:
    with Image.open(file, formats=(name.upper(),)) as picture:
        _check_pixels(name, picture.size)
        found.reached = 1
        found.rotated = _lies_on_its_side(picture)
        while name == "TIFF" and found.reached <= most_pages:
            try:
                picture.seek(found.reached)
            except EOFError:
                return  # This is how Pillow says that there are no more.
            # It checks the first page only, until one is decoded.
            _check_pixels(name, picture.size)
            found.reached += 1


def _lies_on_its_side(picture: Image.Image) -> bool:
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        orientation = picture.tag_v2.get(_ORIENTATION, 1)
    else:
        # Not `getexif`, which decodes a whole PNG to see whether EXIF follows its pixels.
        exif = Image.Exif()
        try:
            exif.load(picture.info.get("exif", b""))
            orientation = exif.get(_ORIENTATION, 1)
        except MemoryError:
            raise
        except Exception:  # EXIF that cannot be read says nothing, and is no reason to refuse the picture.
            orientation = 1
    return isinstance(orientation, int) and 2 <= orientation <= 8


def _check_pixels(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise _too_many_pixels(name)


def _too_many_pixels(name: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"A page of the {name} has more pixels than any scan needs ({MOST_PIXELS // 10**6} million). "
        "Make it smaller and drop it again."
    )


def _refuse_damaged(name: str, reached: int, error: Exception) -> NoReturn:
    raise UnreadableDocument(
        f"The {name} is damaged: page {reached + 1} cannot be read. Save it anew with another program."
    ) from error
