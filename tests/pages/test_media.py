from io import BytesIO
from zipfile import ZipFile

import pytest

from headrace.errors import EmptyDocument, UnsupportedType
from headrace.media import media_type
from tests.heic import HEIC
from tests.pdfs import make_pdf, make_picture


def _ftyp(*brands):
    """The first box of a file: its major brand, a version, the compatible brands."""
    body = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (make_pdf(1), "application/pdf"),
        (b"From: scanner\r\n\r\n" + make_pdf(1), "application/pdf"),
        (b"\x00" * 1024 + make_pdf(1), "application/pdf"),  # the last place where readers look for it
        (make_picture("PNG"), "image/png"),
        (make_picture("JPEG"), "image/jpeg"),
        (make_picture("TIFF"), "image/tiff"),
        (make_picture("WEBP"), "image/webp"),
        (HEIC, "image/heic"),
        (_ftyp(b"heic", b"mif1", b"heic"), "image/heic"),
        (_ftyp(b"mif1", b"heic", b"avif"), "image/heic"),
        (_ftyp(b"mif1"), "image/heic"),  # pictures in no named coding: its reader finds out
        (_ftyp(b"msf1", b"hevc"), "image/heic"),
        (_ftyp(b"heic")[:12], "image/heic"),  # cut off behind the brand
    ],
)
def test_the_content_tells_the_type(document, expected):
    assert media_type(document) == expected


def _zip():
    written = BytesIO()
    with ZipFile(written, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return written.getvalue()


@pytest.mark.parametrize(
    ("document", "looks_like"),
    [
        (b"<!DOCTYPE html><html>please sign in", "an HTML page"),
        (b"\xef\xbb\xbf\n<HTML>", "an HTML page"),
        (b"<?xml version='1.0'?><Invoice/>", "an XML document"),
        (_zip(), "a ZIP archive or an Office document"),
        (b'{"total": 12}', "JSON"),
        ("Sehr geehrte Kundin, grüß Gott".encode(), "plain text"),
        (("a" * 1028 + "ü").encode()[:1029], "plain text"),  # the sample ends inside a character
        (b"\x00\x01\x02\x03" * 9, "binary data"),
        (b"\x00" * 1025 + make_pdf(1), "binary data"),  # one byte too late
        (make_picture("GIF"), "a GIF picture"),
        (_ftyp(b"avif", b"mif1", b"miaf"), "an AVIF picture"),
        (_ftyp(b"mif1", b"avif", b"miaf"), "an AVIF picture"),
        (_ftyp(b"isom", b"mp42"), "a film or sound"),
        (_ftyp(b"qt  "), "a film or sound"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "sound, a film or another RIFF file"),
        (b"RIFF", "sound, a film or another RIFF file"),
    ],
)
def test_anything_else_is_refused_by_what_it_looks_like(document, looks_like):
    with pytest.raises(UnsupportedType, match=looks_like):
        media_type(document)


def test_no_bytes_are_an_empty_document():
    with pytest.raises(EmptyDocument, match="0 bytes"):
        media_type(b"")
