"""Pages that the tests of the local provider draw, and words that they place."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from headrace.prediction import Box
from headrace.providers.local.layout import Line, Placed, lines_of

CHARACTER_WIDTH_PT = 6.0
HEIGHT_PT = 12.0


def words(x: float, y: float, text: str) -> list[Placed]:
    """The words of a text from x on, each character 6 pt wide and 12 pt high; y is their upper edge."""
    found = []
    for word in text.split(" "):
        width = len(word) * CHARACTER_WIDTH_PT
        if word:
            found.append(Placed(word, Box(xmin=x, ymin=y, xmax=x + width, ymax=y + HEIGHT_PT)))
        x += width + CHARACTER_WIDTH_PT
    return found


def lines(*texts: tuple[float, float, str]) -> list[Line]:
    """The lines that these texts make, each given as x, y and what it says."""
    return lines_of([word for x, y, text in texts for word in words(x, y, text)])


def draw(pages: Sequence[Sequence[tuple[float, float, str]]], *, rotation: int = 0) -> bytes:
    """A PDF of 400 by 300 pt pages with these texts at x and y from the bottom left."""
    drawn = BytesIO()
    canvas = Canvas(drawn, pagesize=(400, 300), invariant=1)
    for texts in pages:
        if rotation:
            canvas.setPageRotation(rotation)
        for x, y, text in texts:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return drawn.getvalue()


def scan(*, stamp: str = "", first_page: str = "") -> bytes:
    """A PDF whose last page is a picture over the whole page, with a stamp written on it."""
    drawn = BytesIO()
    canvas = Canvas(drawn, pagesize=(400, 300), invariant=1)
    if first_page:
        canvas.drawString(20, 200, first_page)
        canvas.showPage()
    canvas.drawImage(ImageReader(Image.new("L", (40, 30), 128)), 0, 0, 400, 300)
    canvas.drawString(20, 20, stamp)
    canvas.save()
    return drawn.getvalue()
