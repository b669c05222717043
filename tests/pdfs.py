"""Documents that tests make: honest ones, and ones that lie."""

import re
import zlib
from collections.abc import Sequence
from io import BytesIO

import pikepdf
from PIL import Image
from pypdf import PdfWriter
from reportlab.pdfgen.canvas import Canvas

PADDING_BYTES = 70_000
ORIENTATION = 0x0112


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
    padding = b"<< /Length %d >>\nstream\n%s\nendstream" % (padding_bytes, b" " * padding_bytes)
    for page in range(pages):
        contents = 4 + 2 * page
        objects += [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents %d 0 R >>" % contents, padding]
    return pdf_of(objects)


def with_wrong_index(document: bytes) -> bytes:
    """The same PDF, pointing to a place where no index is."""
    return re.sub(rb"startxref\s+\d+", b"startxref\n11", document)


def saved_again(document: bytes, **how: object) -> bytes:
    """The same PDF as pikepdf writes it: `linearize=True`, or `object_stream_mode=…` for cross-reference streams."""
    written = BytesIO()
    with pikepdf.open(BytesIO(document)) as pdf:
        pdf.save(written, deterministic_id="encryption" not in how, **how)
    return written.getvalue()


def hybrid_pdf(pages: int) -> bytes:
    """A PDF for old and new readers: its pages are in a stream of objects, of which only a second index tells.

    The first one calls them free (PDF 1.7, 7.5.8.4).
    """
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    bodies = [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >> "] * pages
    heads = b"".join(b"%d %d " % (5 + page, page * len(bodies[0])) for page in range(pages))
    packed = heads + b"".join(bodies)
    written, offsets = bytearray(b"%PDF-1.5\n"), []
    for number, body in enumerate(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids),
            b"<< /Type /ObjStm /N %d /First %d /Length %d >>\nstream\n%s\nendstream"
            % (pages, len(heads), len(packed), packed),
        ],
        start=1,
    ):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    second = b"".join(b"\x02" + (3).to_bytes(4, "big") + page.to_bytes(2, "big") for page in range(pages))
    offsets.append(len(written))
    written += (
        b"4 0 obj\n<< /Type /XRef /Size %d /W [1 4 2] /Index [5 %d] /Length %d >>\nstream\n%s\nendstream\nendobj\n"
        % (
            5 + pages,
            pages,
            len(second),
            second,
        )
    )
    first = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (5 + pages)
    written += b"".join(b"%010d 00000 n \n" % offset for offset in offsets) + b"0000000000 00000 f \n" * pages
    written += b"trailer\n<< /Size %d /Root 1 0 R /XRefStm %d >>\nstartxref\n%d\n%%%%EOF\n" % (
        5 + pages,
        offsets[3],
        first,
    )
    return bytes(written)


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


def make_picture(
    kind: str, pages: int = 1, size: tuple[int, int] = (40, 20), *, orientation: int | None = None
) -> bytes:
    """A picture of Pillow's format `kind`; with an orientation, as EXIF numbers it."""
    frames = [Image.new("RGB", size, (shade * 90 % 256, 9, 9)) for shade in range(pages)]
    more: dict[str, object] = {"save_all": True, "append_images": frames[1:]} if pages > 1 else {}
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        more["exif"] = exif
    written = BytesIO()
    frames[0].save(written, kind, **more)
    return written.getvalue()


def picture_that_says(kind: str, width: int, height: int) -> bytes:
    """A small picture whose head claims another size: "PNG", "JPEG" or "WEBP"."""
    if kind == "WEBP":
        # The extended form, which has a canvas, and nothing on it (RFC 9649, 2.7).
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        return b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + canvas
    picture = bytearray(make_picture(kind))
    if kind == "PNG":
        picture[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        picture[29:33] = zlib.crc32(picture[12:29]).to_bytes(4, "big")
    else:
        frame = picture.index(b"\xff\xc0") + 5
        picture[frame : frame + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(picture)


def tiff_whose_last_page_says(pages: int, width: int, height: int) -> bytes:
    """A TIFF of small pages, the last of which claims another size."""
    document = bytearray(make_picture("TIFF", pages))
    place = 4
    for _ in range(pages):
        directory = int.from_bytes(document[place : place + 4], "little")
        entries = int.from_bytes(document[directory : directory + 2], "little")
        place = directory + 2 + 12 * entries
    for entry in range(directory + 2, place, 12):
        tag = int.from_bytes(document[entry : entry + 2], "little")
        if tag in {256, 257}:
            # One number of 32 bits, in the entry itself (TIFF 6.0, page 14).
            value = width if tag == 256 else height
            document[entry + 2 : entry + 12] = b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
    return bytes(document)
