"""A protected PDF and passwords -> the same PDF, which opens without one."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pikepdf

from headrace.errors import EncryptedDocument, UnreadableDocument


def decrypt(source: BinaryIO, target: BinaryIO, passwords: Sequence[str]) -> None:
    """Write the PDF to `target` unprotected, and otherwise as it is; no more than one stream is in memory at once.

    Raises EncryptedDocument where none of the passwords opens it, UnreadableDocument where it is damaged,
    MemoryError, and the OSError of writing.
    """
    try:
        with _opened(source, passwords) as document:
            document.save(
                target,
                encryption=False,
                # Nothing is unpacked, packed or put right: what is in the document stays as it is.
                compress_streams=False,
                stream_decode_level=pikepdf.StreamDecodeLevel.none,
                fix_metadata_version=False,
            )
    except pikepdf.PdfError as error:
        raise UnreadableDocument("The PDF is damaged.") from error


def _opened(source: BinaryIO, passwords: Sequence[str]) -> pikepdf.Pdf:
    for password in _spellings(passwords):
        source.seek(0)
        try:
            # Mapped into memory, a large file would not fit into the address space.
            return pikepdf.open(
                source, password=password, access_mode=pikepdf.AccessMode.stream, inherit_page_attributes=False
            )
        except pikepdf.PasswordError:
            continue
    raise EncryptedDocument("None of the passwords opens the PDF.")


def _spellings(passwords: Sequence[str]) -> Iterator[bytes]:
    """Each password as the bytes that it may have been set as.

    PDF 2.0 takes UTF-8 (ISO 32000-2, 7.6.4.3.3), what came before the PDFDocEncoding (7.6.4.3.2), which for the
    letters of Western Europe is Latin-1.
    """
    for password in passwords:
        yield password.encode()
        if not password.isascii():
            yield password.encode("latin-1", "replace")
