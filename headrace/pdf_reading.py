"""The pages of a PDF, as pypdf reads it: any part of the file on its own."""

import logging
from collections.abc import Hashable, Iterator, Sequence
from typing import BinaryIO

from pypdf import PasswordType, PdfReader
from pypdf.errors import PdfReadError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

from headrace.errors import EncryptedDocument
from headrace.page_tree import Walk, descend, no_password_fits
from headrace.ranges import BudgetSpent

# It warns about each thing that it mends, with pieces of the document.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def read_pages(file: BinaryIO, *, most_pages: int, strict: bool = False, passwords: Sequence[str] = ()) -> Walk:
    """Count the pages of a PDF by walking its tree, to `most_pages` + 1 at most.

    A file is opened by mending what is damaged; with `strict` it is opened by what its index
    says, which reads only what is needed. Where it does not open without a password, it is tried
    with each of `passwords`. Damage and the end of the budget are in the Walk; EncryptedDocument
    and MemoryError are raised.
    """
    walk = Walk()
    try:
        reader = _open(file, strict=strict)
        walk.encrypted = reader.is_encrypted
        walk.protected = _unlock(reader, passwords)
        descend(walk, _Tree(), reader.root_object.raw_get("/Pages"), most_pages)
    except BudgetSpent:
        return walk
    except EncryptedDocument:
        raise
    except Exception as error:  # On damaged files pypdf raises whatever Python does.
        walk.note(error)
    walk.ended = True
    return walk


def _open(file: BinaryIO, *, strict: bool) -> PdfReader:
    file.seek(0)
    try:
        reader = PdfReader(file, strict=strict)
    except NotImplementedError as error:
        # Certificates, and methods outside the standard.
        raise EncryptedDocument(
            "The PDF is encrypted in a way that cannot be opened with a password. Drop it unencrypted."
        ) from error
    # Strictness was for opening only: without it pypdf reads the head of every object of the file.
    reader.strict = False
    return reader


def _unlock(reader: PdfReader, passwords: Sequence[str]) -> bool:
    """Whether it took one of the passwords, which may be the owner's or the user's; EncryptedDocument if none did."""
    if not reader.is_encrypted or _opens(reader, ""):
        return False
    if any(_opens(reader, password) for password in passwords):
        return True
    raise no_password_fits(len(passwords))


def _opens(reader: PdfReader, password: str) -> bool:
    try:
        return reader.decrypt(password) != PasswordType.NOT_DECRYPTED
    except UnicodeEncodeError:  # Half a character, which is no PDF's password.
        return False


class _Tree:
    """Nodes as pypdf gives them: references, and what stands directly where a reference should."""

    def name(self, kid: PdfObject) -> Hashable:
        # pypdf keeps what it has read: one object has one place in memory.
        return (kid.idnum, kid.generation) if isinstance(kid, IndirectObject) else id(kid)

    def kind(self, kid: PdfObject) -> str:
        node = _dictionary(kid)
        return str(node["/Type"]) if "/Type" in node else ""

    def count(self, kid: PdfObject) -> int | None:
        node = kid.get_object()
        count = node["/Count"] if isinstance(node, DictionaryObject) and "/Count" in node else None
        return int(count) if isinstance(count, int) else None

    def has_kids(self, kid: PdfObject) -> bool:
        return "/Kids" in _dictionary(kid)

    def kids(self, kid: PdfObject) -> Iterator[PdfObject]:
        kids = _dictionary(kid)["/Kids"]
        if not isinstance(kids, ArrayObject):
            raise PdfReadError("/Kids is not an array")
        return iter(kids)


def _dictionary(kid: PdfObject) -> DictionaryObject:
    node = kid.get_object()
    if not isinstance(node, DictionaryObject):
        raise PdfReadError("a kid is missing, or no dictionary")
    return node
