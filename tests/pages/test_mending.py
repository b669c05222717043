"""What pypdf cannot read, and pikepdf mends."""

from io import BytesIO

import pytest

from headrace.count_costs import BUDGET, LARGER_BUDGET, MOST_COPIED_BYTES, WHOLE_BYTES
from headrace.errors import EncryptedDocument, NoPages, UnreadableDocument
from headrace.page_count import PageCount
from headrace.pages import count_pages
from headrace.pdf_mending import mend_pages
from headrace.pdf_reading import read_pages
from tests.pages.reading import CountingReader
from tests.pdfs import make_pdf, pdf_of, pdf_with_tree, scattered_pdf, with_wrong_index

PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"


def without_its_end(document):
    return document[: len(document) * 9 // 10]


def whole_pages(document):
    return document.count(b"/Type /Page /Parent")


def count(document, most_pages=500, passwords=()):
    return count_pages(CountingReader(document), len(document), most_pages=most_pages, passwords=passwords)


class Copies:
    def __init__(self, document):
        self._document = document
        self.made = 0

    def __call__(self):
        self.made += 1
        return BytesIO(self._document)


def count_large(document, most_pages=500):
    assert len(document) > WHOLE_BYTES
    reader, copies = CountingReader(document), Copies(document)
    return count_pages(reader, len(document), most_pages=most_pages, copy=copies), reader, copies


@pytest.mark.parametrize("pages", [3, 600])
def test_a_pdf_without_its_end_has_the_pages_that_are_left(pages):
    document = without_its_end(make_pdf(pages))
    with BytesIO(document) as file:
        assert read_pages(file, most_pages=5000).reached == 0
    assert count(document, most_pages=5000) == PageCount(pages, "walked", "application/pdf")


def test_a_stream_that_is_no_index_is_mended():
    document = make_pdf(3)
    index = document.index(b"xref\n0")
    assert count(document[:index] + b"xref\n0 9\n(garbage)\n" + document[index:]).pages == 3


def _two_roots(damage):
    """The index leads to a root that has lost its kids; a newer one has three, which only pikepdf looks for."""
    lost = pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Count 3 >>", PAGE, PAGE, PAGE, b"(nothing)"])
    index = lost.index(b"xref\n0")
    newer = b"2 0 obj\n<< /Type /Pages /Count 3 /Kids [3 0 R 4 0 R 5 0 R] >>\nendobj\n"
    moved = (
        lost[:index] + newer + lost[index:].replace(b"startxref\n%d" % index, b"startxref\n%d" % (index + len(newer)))
    )
    return moved.replace(b" n \ntrailer", damage + b"trailer")


def test_of_two_readers_the_one_that_reaches_more_is_believed():
    document = _two_roots(b" x \n")
    assert read_pages(BytesIO(document), most_pages=500, strict=True).reached == 1
    assert count(document) == PageCount(3, "walked", "application/pdf")


def test_a_count_that_is_too_high_is_no_reason_to_mend_past_the_limit():
    assert count(_two_roots(b" x \n"), most_pages=0).at_least


def test_nothing_is_mended_that_can_be_read():
    document = scattered_pdf(130)
    counted, reader, copies = count_large(document)
    assert counted == PageCount(130, "declared", "application/pdf")
    assert copies.made == 0
    assert reader.bytes <= BUDGET.bytes


def test_a_large_pdf_without_its_end_is_mended_from_a_copy_before_much_is_read():
    document = without_its_end(scattered_pdf(160))
    counted, reader, copies = count_large(document)
    assert counted == PageCount(whole_pages(document), "walked", "application/pdf")
    assert copies.made == 1
    assert reader.bytes <= BUDGET.bytes


def test_a_pdf_too_large_to_mend_in_blocks_is_mended_from_a_copy():
    document = with_wrong_index(scattered_pdf(260))
    counted, reader, copies = count_large(document)
    assert counted == PageCount(260, "walked", "application/pdf")
    assert copies.made == 1
    assert reader.bytes <= LARGER_BUDGET.bytes


def test_a_large_pdf_that_nobody_can_mend_is_copied_once():
    document = b"%PDF-1.7\n" + b"%" * (WHOLE_BYTES + 1) + b"\nstartxref\n11\n%%EOF\n"
    copies = Copies(document)
    with pytest.raises(UnreadableDocument, match="viewer and save it anew"):
        count_pages(CountingReader(document), len(document), most_pages=500, copy=copies)
    assert copies.made == 1


def test_no_copy_is_made_of_more_than_may_be_copied():
    class Endless:
        """Lines of nothing."""

        def __call__(self, start, length):
            return (
                (b"%PDF-1.7\n" if start == 0 else b"")
                + b"%\n" * (length // 2 - (5 if start == 0 else 0))
                + b"%" * (length % 2)
            )

    with pytest.raises(UnreadableDocument):
        count_pages(Endless(), MOST_COPIED_BYTES + 1, most_pages=500, copy=lambda: pytest.fail("copied"))


# Both readers see one tree.

_TREES = {
    "a page listed often": (pdf_with_tree(b"<< /Type /Pages /Kids [%s] >>" % (b"3 0 R " * 700), PAGE), 501),
    "a count too high": (pdf_with_tree(b"<< /Type /Pages /Count 99 /Kids [3 0 R 4 0 R] >>", PAGE, PAGE), 2),
    "a count too low": (pdf_with_tree(b"<< /Type /Pages /Count -1 /Kids [3 0 R 4 0 R] >>", PAGE, PAGE), 2),
    "millions of pages": (
        pdf_with_tree(*[b"<< /Type /Pages /Kids [%d 0 R %d 0 R] >>" % (n, n) for n in range(3, 43)], PAGE),
        501,
    ),
    "millions of nothing": (
        pdf_with_tree(
            *[b"<< /Type /Pages /Kids [%d 0 R %d 0 R] >>" % (n, n) for n in range(3, 63)],
            b"<< /Type /Pages /Kids [] >>",
        ),
        0,
    ),
    "its own kid": (pdf_with_tree(b"<< /Type /Pages /Kids [3 0 R 2 0 R] >>", PAGE), 1),
    "its own grandchild": (
        pdf_with_tree(b"<< /Type /Pages /Kids [3 0 R 4 0 R] >>", PAGE, b"<< /Type /Pages /Kids [2 0 R 3 0 R] >>"),
        2,
    ),
    "a deep tree": (
        pdf_with_tree(*[b"<< /Type /Pages /Kids [%d 0 R] >>" % n for n in range(3, 2003)], PAGE),
        1,
    ),
    "kids that are none": (
        pdf_with_tree(b"<< /Type /Pages /Kids [99 0 R null (page) 7 /Page [3 0 R] << /Kids 3 >> 3 0 R] >>", PAGE),
        1,
    ),
    "kids in place": (
        pdf_with_tree(b"<< /Type /Pages /Kids [<< /Type /Pages /Kids [3 0 R << /Type /Page >>] >> 3 0 R] >>", PAGE),
        3,
    ),
    "no types": (pdf_with_tree(b"<< /Kids [3 0 R << /Kids [3 0 R] >>] >>", PAGE), 2),
    "a page as root": (pdf_with_tree(PAGE), 1),
    "no kids": (pdf_with_tree(b"<< /Type /Pages /Count 4 >>"), 0),
    "kids that are no array": (pdf_with_tree(b"<< /Type /Pages /Kids << >> >>"), 0),
    "no tree": (pdf_with_tree(b"(pages)"), 0),
}


@pytest.mark.parametrize(("document", "pages"), _TREES.values(), ids=_TREES.keys())
@pytest.mark.parametrize("walk_pages", [read_pages, mend_pages])
def test_both_readers_count_a_hostile_tree_alike(walk_pages, document, pages):
    walk = walk_pages(BytesIO(document), most_pages=500)
    assert walk.reached == pages
    assert walk.ended


def test_a_loop_without_names_ends():
    kids = b"[<< /Kids 4 0 R >> 3 0 R << /Kids 4 0 R >>]"
    document = pdf_with_tree(b"<< /Type /Pages /Kids 4 0 R >>", PAGE, kids)
    assert mend_pages(BytesIO(document), most_pages=500).reached >= 1


@pytest.mark.parametrize("name", _TREES)
def test_a_hostile_tree_whose_index_is_lost_ends(name):
    document, pages = _TREES[name]
    walk = mend_pages(BytesIO(with_wrong_index(document)), most_pages=500)
    # pikepdf itself refuses some trees that it meets while it mends; it never adds a page.
    assert walk.reached in {0, pages}


# What is to be told of what nobody reads.


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
@pytest.mark.parametrize("passwords", [(), ("secret",)])
def test_pages_that_no_password_opens_any_more_are_not_counted(algorithm, passwords):
    document = make_pdf(3, password="secret", algorithm=algorithm)
    with pytest.raises(UnreadableDocument, match="no password opens it any more"):
        count(document[: document.index(b"\nxref\n")], passwords=passwords)


def test_an_encrypted_pdf_that_is_mended_needs_its_password():
    document = with_wrong_index(make_pdf(3, password="secret", algorithm="AES-256"))
    assert mend_pages(BytesIO(document), most_pages=500, passwords=["wrong", "secret"]).protected
    with pytest.raises(EncryptedDocument, match="none of the 2 passwords"):
        mend_pages(BytesIO(document), most_pages=500, passwords=["wrong", "false"])


def test_a_pdf_in_which_nobody_finds_a_page_has_none():
    with pytest.raises(NoPages):
        count(pdf_with_tree(b"<< /Type /Pages /Count 3 /Kids [] >>"))
