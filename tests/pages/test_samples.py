"""What comes out for real and hostile documents from elsewhere; skipped where they are not there."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from headrace.counting.counter import PageCounter
from headrace.errors import EncryptedDocument, PermanentError
from headrace.page_count import PageCount
from tests.pages.sample_outcomes import BY_FOLDER

SAMPLES = Path(__file__).parents[2] / ".." / "shared" / "samples"

# What opens the encrypted ones, and how many pages they then show: (password, pages).
PASSWORDS = {
    "encrypted/r2-user-password.pdf": [("asdfzxcv", 1)],
    "encrypted/r4-aes-user-password.pdf": [("asdfzxcv", 1)],
    "encrypted/r6-both-passwords.pdf": [("foo", 1), ("bar", 1)],  # the user's, the owner's
    "malformed_pdfjs/issue15893_reduced.pdf": [("test", 1)],
    "multipage/libreoffice-writer-password.pdf": [("openpassword", 1)],
    "pdfplumber/password-example.pdf": [("test", 4)],
    "tables_camelot/health_protected.pdf": [("userpass", 1), ("ownerpass", 1)],
}

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not here")


@pytest.fixture(scope="module")
def counter():
    with PageCounter(seconds=10) as counter:
        yield counter


def _count(counter: PageCounter, document: bytes, *passwords: str) -> PageCount:
    return counter.count(
        lambda start, length: document[start : start + length],
        len(document),
        most_pages=500,
        passwords=[SecretStr(password) for password in passwords],
    )


def _outcome(counter: PageCounter, document: bytes) -> int | str:
    try:
        return _count(counter, document).pages
    except PermanentError as error:
        return str(error.reason)


def test_every_sample_has_its_pages_or_its_reason(counter):
    """A sample that is not listed, and a listed one that is not there, fail too."""
    expected = {
        f"{folder}/{name}": outcome
        for folder, outcomes in BY_FOLDER.items()
        for outcome, names in outcomes.items()
        for name in names.split()
    }
    found = {
        f"{path.parent.name}/{path.name}": _outcome(counter, path.read_bytes())
        for path in sorted(SAMPLES.rglob("*"))
        if path.is_file() and path.parent != SAMPLES
    }
    assert found == expected


@pytest.mark.parametrize(
    ("name", "password", "pages"), [(n, *opens) for n, all_ in PASSWORDS.items() for opens in all_]
)
def test_an_encrypted_sample_opens_with_its_password(counter, name, password, pages):
    document = (SAMPLES / name).read_bytes()
    with pytest.raises(EncryptedDocument, match="the one that the route names does not open it"):
        _count(counter, document, "wrong")
    assert _count(counter, document, "wrong", password) == PageCount(pages, "walked", "application/pdf", protected=True)
