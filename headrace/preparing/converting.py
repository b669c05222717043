"""A picture -> an upright PDF of it, one page for each of its pages, nothing lost that could be kept.

What a PDF can hold as it is goes in as it is (JPEG, most PNG, most TIFF, by img2pdf). What it cannot hold is drawn
anew: transparency on white paper, mirrored pictures, WebP and HEIC. What was drawn from pixels without loss stays
without loss, as PNG. Photographs had their loss already: as JPEG of quality 95 in full colour they take a tenth of the
bytes that PNG would, which decides whether an API accepts them, and no letter looks different.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO

import img2pdf
import pi_heif
from PIL import Image, ImageOps, ImageSequence

from headrace.errors import UnreadableDocument
from headrace.picture_pages import MOST_PIXELS

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF", "image/webp": "WEBP"}
_LOSSY = {"image/heic", "image/jpeg", "image/webp"}
_ORIENTATION = 0x0112  # Tag of EXIF and of TIFF (TIFF 6.0, page 36): 2, 4, 5 and 7 are mirrored.
_MIRRORED = {2, 4, 5, 7}
_PLAIN_MODES = {"1", "L", "P", "RGB", "CMYK"}
_PNG_MODES = {"1", "L", "P", "RGB", "I;16"}

_POINTS_AN_INCH = 72.0
_SHORTEST_SIDE_INCHES, _LONGEST_SIDE_INCHES = 2.0, 24.0
_A4_INCHES = 11.69


def convert(source: BinaryIO, media_type: str, target: BinaryIO) -> None:
    """Write the picture's PDF to `target`.

    Raises UnreadableDocument where a page cannot be drawn or has too many pixels, MemoryError, and the OSError of
    writing.
    """
    with warnings.catch_warnings():
        # Pillow warns of much that does no harm; what it refuses, it raises.
        warnings.simplefilter("ignore")
        pages = [_heic(source)] if media_type == "image/heic" else _with_pillow(source, media_type)
        img2pdf.convert(
            pages,
            outputstream=target,
            # A TIFF has pages; what more the others hold are thumbnails and animations.
            first_frame_only=media_type != "image/tiff",
            # Of what is mirrored nothing comes here; an orientation that does not exist is none.
            rotation=img2pdf.Rotation.ifvalid,
            layout_fun=_layout,
            nodate=True,
        )


def _heic(source: BinaryIO) -> BinaryIO:
    # One thread, so that the memory it takes does not depend on the machine. libheif turns pictures upright itself.
    pi_heif.options.DECODE_THREADS = 1
    source.seek(0)
    found = pi_heif.open_heif(source)
    _check_pixels(found.size)
    return _drawn(found.to_pillow(), lossy=True)


def _with_pillow(source: BinaryIO, media_type: str) -> Sequence[BinaryIO]:
    """The picture itself where a PDF can hold it, else its pages drawn anew."""
    with _opened(source, media_type) as picture:
        if media_type != "image/webp" and all(_is_plain(frame) for frame in _frames(picture, media_type)):
            source.seek(0)
            return [source]
    with _opened(source, media_type) as picture:
        return [_drawn(frame, lossy=media_type in _LOSSY) for frame in _frames(picture, media_type)]


@contextmanager
def _opened(source: BinaryIO, media_type: str) -> Iterator[Image.Image]:
    source.seek(0)
    try:
        # Pillow closes what it opened by name, not what it was given.
        with Image.open(source, formats=(_FORMATS[media_type],)) as picture:
            yield picture
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error


def _frames(picture: Image.Image, media_type: str) -> Iterator[Image.Image]:
    frames = ImageSequence.Iterator(picture) if media_type == "image/tiff" else iter([picture])
    for frame in frames:
        # Pillow itself looks at the first page only, until one is decoded.
        _check_pixels(frame.size)
        yield frame


def _is_plain(frame: Image.Image) -> bool:
    """Whether img2pdf can take the page as it is; UnreadableDocument where its pixels are damaged."""
    orientation = frame.getexif().get(_ORIENTATION, 1)
    is_tiff = frame.format == "TIFF"
    # Decoding a TIFF turns it upright and forgets that it was not, which img2pdf does not expect.
    turns = orientation in _MIRRORED or (is_tiff and orientation != 1)
    deep = is_tiff and max(_bits(frame)) > 8
    see_through = "transparency" in frame.info
    modes = _PLAIN_MODES if is_tiff else _PLAIN_MODES | _PNG_MODES
    plain = frame.mode in modes and not (turns or deep or see_through)
    # What cannot be drawn is refused here, before anything is paid for it.
    frame.load()
    return plain


def _bits(frame: Any) -> tuple[int, ...]:
    bits: tuple[int, ...] = frame.tag_v2.get(258, (1,))  # BitsPerSample
    return bits


def _drawn(frame: Image.Image, *, lossy: bool) -> BinaryIO:
    """The page upright and without transparency, as a JPEG where it had its losses already, else as a PNG."""
    profile = frame.info.get("icc_profile")
    page = ImageOps.exif_transpose(frame)
    if page.has_transparency_data:
        page = _on_white(page)
    elif page.mode not in _PNG_MODES:
        page, profile = page.convert("RGB"), None
    drawn = BytesIO()
    if lossy:
        profile = profile if frame.mode in {"RGB", "RGBA", "L"} else None
        page = page if page.mode in {"L", "RGB"} else page.convert("RGB")
        page.save(drawn, "JPEG", quality=95, subsampling=0, icc_profile=profile)
    else:
        page.info.pop("transparency", None)
        page.save(drawn, "PNG", icc_profile=profile if page.mode == frame.mode else None)
    drawn.seek(0)
    return drawn


def _on_white(page: Image.Image) -> Image.Image:
    paint = page if page.mode == "RGBA" else page.convert("RGBA")
    paper = Image.new("RGB", page.size, "white")
    paper.paste(paint, mask=paint)
    return paper


def _check_pixels(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> UnreadableDocument:
    return UnreadableDocument("A page has more pixels than any scan needs.")


def _layout(width: int, height: int, resolution: tuple[float, float]) -> tuple[float, float, float, float]:
    """The size of a page and of the picture that fills it, in points.

    A scanner's resolution is believed. Cameras write 72 dots an inch whatever they see, and who draws such a page by
    its size draws more than a metre of it: what would be no sheet of paper becomes as long as A4.
    """
    inches = [side / dots if dots > 0 else 0.0 for side, dots in zip((width, height), resolution, strict=True)]
    if not _SHORTEST_SIDE_INCHES <= max(inches) <= _LONGEST_SIDE_INCHES or min(inches) <= 0:
        inches = [side / max(width, height) * _A4_INCHES for side in (width, height)]
    across, down = (side * _POINTS_AN_INCH for side in inches)
    return across, down, across, down
