"""The first bytes of a document -> its media type. Names and declared types are never believed."""

from headrace.errors import EmptyDocument, UnsupportedType

SNIFFED_BYTES = 1024 + len(b"%PDF-")

MEDIA_TYPES = frozenset(
    {"application/pdf", "image/heic", "image/jpeg", "image/png", "image/tiff", "image/webp"},
)
"""What `media_type` answers, and what pages are counted of."""

_TAKEN = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    # Little and big endian, and both once more as BigTIFF.
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
)
# Brands of the ftyp box (ISO/IEC 23008-12, annex B): pictures and sequences of them in HEVC, and pictures in
# any coding, which the compatible brands behind them then tell.
_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_ANY_CODING_BRANDS = frozenset({b"mif1", b"msf1", b"heif"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_REFUSED = (
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"RIFF", "sound, a film or another RIFF file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"%!PS", "a PostScript document"),
)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


def media_type(head: bytes) -> str:
    """The media type that the first `SNIFFED_BYTES` bytes (fewer, if there are no more) tell of.

    One of `MEDIA_TYPES`; image/heic is every HEIF picture that is not AVIF. Anything else is
    UnsupportedType, whose text says what it looks like; no bytes at all are EmptyDocument.
    """
    if not head:
        raise EmptyDocument("The document is empty: it has 0 bytes. Drop it again once it is written.")
    for start, found in _TAKEN:
        if head.startswith(start):
            return found
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if _is_heic(head):
        return "image/heic"
    # Mail gateways and scanners write lines before the header; readers look for it in the first 1,024 bytes
    # (implementation note 13 of the PDF reference 1.7).
    if b"%PDF-" in head[:SNIFFED_BYTES]:
        return "application/pdf"
    raise UnsupportedType(
        "The document is not a PDF, PNG, JPEG, TIFF, WebP or HEIC, whatever its name says: "
        f"it looks like {_looks_like(head)}. Convert it to one of these."
    )


def _is_heic(head: bytes) -> bool:
    brands = _brands(head)
    if not brands:
        return False
    if brands[0] in _HEVC_BRANDS:
        return True
    return brands[0] in _ANY_CODING_BRANDS and (not _HEVC_BRANDS.isdisjoint(brands) or _AVIF_BRANDS.isdisjoint(brands))


def _brands(head: bytes) -> list[bytes]:
    """The major brand of an ftyp box, then its compatible brands; none where the file opens with another box."""
    if head[4:8] != b"ftyp":
        return []
    size = min(int.from_bytes(head[:4], "big"), len(head))
    # Between the major brand and the compatible ones stands its version.
    return [head[8:12], *(head[place : place + 4] for place in range(16, size - 3, 4))]


def _looks_like(head: bytes) -> str:
    for start, name in _REFUSED:
        if head.startswith(start):
            return name
    brands = _brands(head)
    if brands:
        return "a film or sound" if _AVIF_BRANDS.isdisjoint(brands) else "an AVIF picture"
    opening = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if opening.startswith(_HTML):
        return "an HTML page"
    if opening.startswith(b"<?xml"):
        return "an XML document"
    if opening.startswith((b"{", b"[")) and _is_text(head):
        return "JSON"
    return "plain text" if _is_text(head) else "binary data of an unknown kind"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The sample may end inside a character.
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character.isspace() for character in text)
