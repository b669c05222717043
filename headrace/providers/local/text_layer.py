"""The text layer of a PDF: the words of each page and where they stand, by PDFium."""

import io
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from headrace.errors import EncryptedDocument, UnreadableDocument
from headrace.prediction import Box, Word
from headrace.providers.local.geometry import Sheet, around, overlap, share_inside, turned

PdfFile = BinaryIO | io.RawIOBase

# A page whose picture covers half of it, with fewer words than this, is a scan with a stamp on it.
_FEWEST_WORDS_BESIDE_A_PICTURE = 10
# Text drawn as outlines has a path for each letter; fewer paths than this are lines and frames.
_FEWEST_OUTLINES = 200
# So many characters tell how a page's text is turned.
_CHARACTERS_THAT_TELL_THE_TURN = 500
# What PDFium writes for a hyphen at the end of a line, by version.
_LINE_END_HYPHENS = frozenset("\x02\ufffe")


@dataclass(frozen=True, slots=True)
class PageText:
    """What one page shows as text.

    `sheet` looks at the page so that most of its text stands upright, and the boxes of `words` are
    on it; `shown` looks at it as a viewer does. The words are in the order in which PDFium reads
    them. `is_picture`: what people read there is drawn, not written.
    """

    number: int
    sheet: Sheet
    shown: Sheet
    words: tuple[Word, ...]
    is_picture: bool

    def as_shown(self, box: Box) -> Box:
        """A box of the upright page, as a viewer shows it."""
        return turned(box, self.shown.turn - self.sheet.turn, *self.sheet.size)


@dataclass(frozen=True, slots=True)
class _Glyph:
    text: str
    box: Box


def open_document(pdf: bytes | PdfFile) -> Any:
    """Open a PDF for PDFium; the caller closes it.

    Raises EncryptedDocument where a password is needed, UnreadableDocument where it is no whole PDF.
    """
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        return pypdfium2.PdfDocument(pdf)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium.FPDF_ERR_PASSWORD:
            raise EncryptedDocument("The document needs a password. Save it without one, and drop it again.") from error
        raise UnreadableDocument("PDFium cannot open the document: it is damaged, or is no PDF.") from error


def read_page(document: Any, number: int) -> PageText:
    """The words of one page, numbered from 1. Raises UnreadableDocument where it cannot be loaded."""
    import pypdfium2

    try:
        page = document[number - 1]
        try:
            return _read(page, number)
        finally:
            page.close()
    except pypdfium2.PdfiumError as error:
        raise UnreadableDocument(f"Page {number} cannot be loaded: the document is damaged.") from error


def _read(page: Any, number: int) -> PageText:
    rotation = page.get_rotation()
    left, bottom, right, top = _visible(page)
    text_page = page.get_textpage()
    try:
        turn = _turn(text_page, rotation)
        sheet = Sheet(left, bottom, right, top, turn)
        words = tuple(_words(_glyphs(text_page, sheet)))
    finally:
        text_page.close()
    shown = Sheet(left, bottom, right, top, rotation)
    return PageText(number, sheet, shown, words, _is_picture(page, words, Sheet(left, bottom, right, top, 0)))


def _visible(page: Any) -> tuple[float, float, float, float]:
    media, crop = page.get_mediabox(), page.get_cropbox()
    left, bottom = max(media[0], crop[0]), max(media[1], crop[1])
    right, top = min(media[2], crop[2]), min(media[3], crop[3])
    return (left, bottom, right, top) if right > left and top > bottom else media


def _turn(text_page: Any, rotation: int) -> int:
    """The turn that sets most of the page's text upright; the page's own where there is none."""
    import pypdfium2.raw as pdfium

    turns: Counter[int] = Counter()
    for index in range(min(text_page.count_chars(), _CHARACTERS_THAT_TELL_THE_TURN)):
        angle = pdfium.FPDFText_GetCharAngle(text_page, index)
        if angle >= 0:  # -1 where PDFium does not know
            turns[round(-math.degrees(angle) / 90) * 90 % 360] += 1
    return turns.most_common(1)[0][0] if turns else rotation


def _glyphs(text_page: Any, sheet: Sheet) -> Iterator[_Glyph | None]:
    """The characters of a page as PDFium orders them; None for white space."""
    import pypdfium2.raw as pdfium

    high_half = ""
    for index in range(text_page.count_chars()):
        character = chr(pdfium.FPDFText_GetUnicode(text_page, index) & 0x1FFFFF)
        if "\ud800" <= character <= "\udbff":
            high_half = character
            continue
        if "\ud800" <= (high_half or character) <= "\udfff":
            # Half a surrogate pair is no character, and no encoding takes it.
            character = (high_half + character).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        high_half = ""
        if character in _LINE_END_HYPHENS:
            character = "-"
        if character.isspace() or character == "\0":
            yield None
        else:
            yield _Glyph(character, sheet.box(*text_page.get_charbox(index, loose=True)))


def _words(glyphs: Iterator[_Glyph | None]) -> Iterator[Word]:
    word: list[_Glyph] = []
    for glyph in glyphs:
        if word and (glyph is None or _is_apart(word[-1].box, glyph.box)):
            yield _joined(word)
            word = []
        if glyph is not None:
            word.append(glyph)
    if word:
        yield _joined(word)


def _joined(glyphs: list[_Glyph]) -> Word:
    return Word(text="".join(glyph.text for glyph in glyphs), box=around(glyph.box for glyph in glyphs))


def _is_apart(box: Box, following: Box) -> bool:
    """Whether two characters without a space between them still are of two words."""
    height = max(box.ymax - box.ymin, following.ymax - following.ymin)
    same_line = overlap(box.ymin, box.ymax, following.ymin, following.ymax) > 0.3 * height
    gap = max(following.xmin - box.xmax, box.xmin - following.xmax)
    return not same_line or gap > height


def _is_picture(page: Any, words: tuple[Word, ...], flat: Sheet) -> bool:
    import pypdfium2.raw as pdfium

    if len(words) >= _FEWEST_WORDS_BESIDE_A_PICTURE:
        return False
    whole = Box(xmin=0, ymin=0, xmax=flat.size[0], ymax=flat.size[1])
    outlines = 0
    for item in page.get_objects(max_depth=3):
        if item.type == pdfium.FPDF_PAGEOBJ_IMAGE and share_inside(whole, flat.box(*item.get_bounds())) >= 0.5:
            return True
        outlines += item.type == pdfium.FPDF_PAGEOBJ_PATH
    return not words and outlines >= _FEWEST_OUTLINES
