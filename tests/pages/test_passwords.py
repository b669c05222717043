from io import BytesIO

import pikepdf
import pytest

from headrace.count_costs import BUDGET, WHOLE_BYTES
from headrace.errors import EncryptedDocument
from headrace.page_count import PageCount
from headrace.pages import count_pages
from headrace.pdf_mending import mend_pages
from tests.pages.reading import CountingReader
from tests.pdfs import make_pdf, saved_again, scattered_pdf

ALGORITHMS = ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"]
PROTECTED = PageCount(2, "walked", "application/pdf", protected=True)
OPEN = PageCount(2, "walked", "application/pdf")


def count(document, *passwords):
    return count_pages(CountingReader(document), len(document), most_pages=500, passwords=passwords)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("password", ["user", "owner"])
def test_a_pdf_opens_with_the_password_of_its_user_and_of_its_owner(algorithm, password):
    locked = make_pdf(2, password="user", owner_password="owner", algorithm=algorithm)
    assert count(locked, password) == PROTECTED
    assert count(locked, "wrong", "false", password) == PROTECTED


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_pdf_that_anybody_may_open_is_not_protected(algorithm):
    assert count(make_pdf(2, password="", owner_password="owner", algorithm=algorithm), "owner") == OPEN


def test_a_pdf_without_a_password_does_not_care_for_passwords():
    assert count(make_pdf(2), "secret") == OPEN


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("passwords", "said"),
    [
        ([], "opens only with a password[.] Remove the password"),
        (["wr0ng"], "the one that the route names does not open it"),
        (["wr0ng", "f4lse", "n0"], "none of the 3 passwords that the route names opens it"),
    ],
)
def test_a_pdf_that_no_password_opens_says_how_many_were_tried_and_names_none(algorithm, passwords, said):
    with pytest.raises(EncryptedDocument, match=said) as refused:
        count(make_pdf(2, password="secret", algorithm=algorithm), *passwords)
    assert not any(password in str(refused.value) for password in passwords)


@pytest.mark.parametrize("password", ["Grüße", "pässwörd" * 9, "  ", "Ⅸ\u00a0x", "\u0627\u0628\u06f3", "\ud800"])
def test_any_password_may_be_tried(password):
    """Not every text can be a password of every kind of encryption; none is an error of its own."""
    for algorithm in ALGORITHMS:
        with pytest.raises(EncryptedDocument):
            count(make_pdf(1, password="secret", algorithm=algorithm), password)
    with pytest.raises(EncryptedDocument):
        mend_pages(BytesIO(make_pdf(1, password="secret")), most_pages=500, passwords=[password])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_password_is_more_than_ascii(algorithm):
    assert count(make_pdf(2, password="Grüße", algorithm=algorithm), "Grüße") == PROTECTED


def test_a_large_protected_pdf_is_read_in_blocks():
    document = saved_again(
        scattered_pdf(130), encryption=pikepdf.Encryption(user="secret", owner="owner"), compress_streams=False
    )
    assert len(document) > WHOLE_BYTES
    reader = CountingReader(document)
    counted = count_pages(reader, len(document), most_pages=500, passwords=["wrong", "secret"])
    assert (counted.pages, counted.protected) == (130, True)
    assert reader.bytes <= BUDGET.bytes
    with pytest.raises(EncryptedDocument, match="the one that the route names"):
        count(document, "wrong")
