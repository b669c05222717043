"""Documents that tests make: honest ones, and ones that lie."""

import re
import zlib
from collections.abc import Sequence
from io import BytesIO

from PIL import Image
from pypdf import PdfWriter
from reportlab.pdfgen.canvas import Canvas

PADDING_BYTES = 70_000


def make_pdf(
    pages: int, *, password: str | None = None, owner_password: str | None = None, algorithm: str = "AES-256"
) -> bytes:
    """A PDF with a line of text on each page; encrypted where one of the passwords is given ("" is one, too)."""
    drawn = BytesIO()
    canvas = Canvas(drawn, invariant=True)
    for page in range(1, pages + 1):
        canvas.drawString(72, 720, f"Page {page} of {pages}")
        canvas.showPage()
    canvas.save()
    if password is None and owner_password is None:
        return drawn.getvalue()
    writer = PdfWriter(clone_from=drawn)
    writer.encrypt(password or "", owner_password, algorithm=algorithm)
    locked = BytesIO()
    writer.write(locked)
    return locked.getvalue()


def pdf_of(objects: Sequence[bytes], *, trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A PDF of these objects, numbered from 1, with a right index: hostile only where the objects are."""
    written = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    index = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    written += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, index)
    return bytes(written)


def pdf_with_tree(*nodes: bytes) -> bytes:
    """A PDF whose page tree is these objects, numbered from 2; the first is its root."""
    return pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", *nodes])


def scattered_pdf(pages: int, *, declared: int | None = None, padding_bytes: int = PADDING_BYTES) -> bytes:
    """A PDF in which so much lies between two pages that no two are in one block."""
    kids = b" ".join(b"%d 0 R" % (3 + 2 * page) for page in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages if declared is None else declared, kids),
    ]
    padding = b"<< /Length %d >>\nstream\n%s\nendstream" % (padding_bytes, b"\x00" * padding_bytes)
    for _ in range(pages):
        objects += [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>", padding]
    return pdf_of(objects)


def with_wrong_index(document: bytes) -> bytes:
    """The same PDF, pointing to a place where no index is."""
    return re.sub(rb"startxref\s+\d+", b"startxref\n11", document)


def pdf_that_unpacks_to(size: int) -> bytes:
    """A small PDF whose index has `size` bytes once it is unpacked."""
    packed = zlib.compress(bytes(size))
    return (
        b"%%PDF-1.7\n1 0 obj\n<< /Type /XRef /Size 9 /W [1 4 1] /Root 2 0 R /Filter /FlateDecode /Length %d >>\n"
        b"stream\n%s\nendstream\nendobj\nstartxref\n9\n%%%%EOF\n" % (len(packed), packed)
    )


def slow_pdf(lines: int = 4_000_000) -> bytes:
    """A PDF without an end, in which the end is looked for line by line."""
    return b"%PDF-1.7\n" + b"a\n" * lines


def make_picture(kind: str, pages: int = 1, size: tuple[int, int] = (40, 20)) -> bytes:
    """A picture of Pillow's format `kind`."""
    frames = [Image.new("RGB", size, (shade % 256, 9, 9)) for shade in range(pages)]
    written = BytesIO()
    if pages > 1:
        frames[0].save(written, kind, save_all=True, append_images=frames[1:])
    else:
        frames[0].save(written, kind)
    return written.getvalue()
