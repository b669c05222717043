"""Protected PDFs are written again without protection, and otherwise as they are."""

from io import BytesIO

import pikepdf
import pytest

from headrace.errors import EncryptedDocument, UnreadableDocument
from headrace.preparing.decrypting import decrypt
from tests.pdfs import make_pdf


def decrypted(document, *passwords):
    target = BytesIO()
    decrypt(BytesIO(document), target, passwords)
    return target.getvalue()


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_every_kind_of_protection_is_taken_away(algorithm):
    locked = make_pdf(3, password="secret", algorithm=algorithm)
    with pikepdf.open(BytesIO(decrypted(locked, "wrong", "secret"))) as copy:
        assert not copy.is_encrypted
        assert len(copy.pages) == 3
        assert b"Page 2 of 3" in copy.pages[1].Contents.read_bytes()


def test_the_owners_password_opens_it_too():
    locked = make_pdf(1, password="secret", owner_password="owner")
    assert decrypted(locked, "owner").startswith(b"%PDF-")


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
@pytest.mark.parametrize("password", ["Größe", "p\N{POUND SIGN}und"])
def test_a_password_with_letters_beyond_ascii_opens_it(algorithm, password):
    assert decrypted(make_pdf(1, password=password, algorithm=algorithm), password).startswith(b"%PDF-")


@pytest.mark.parametrize("passwords", [(), ("wrong",), ("", "wrong", "\N{SNOWMAN}")])
def test_without_the_right_password_there_is_no_copy(passwords):
    with pytest.raises(EncryptedDocument):
        decrypted(make_pdf(1, password="secret"), *passwords)


def test_streams_and_metadata_stay_as_they_are():
    original = BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        document.Root.Note = pikepdf.Stream(document, b"kept " * 100)
        with document.open_metadata() as metadata:
            metadata["dc:title"] = "Ledger"
        document.save(original, compress_streams=False, encryption=pikepdf.Encryption(user="secret", owner="owner"))
    with pikepdf.open(BytesIO(decrypted(original.getvalue(), "secret"))) as copy:
        assert copy.Root.Note.read_raw_bytes() == b"kept " * 100
        assert copy.open_metadata()["dc:title"] == "Ledger"


def test_a_damaged_pdf_has_no_copy():
    with pytest.raises(UnreadableDocument):
        decrypted(b"%PDF-1.7\n" + bytes(500), "secret")
