from contextlib import suppress
from io import BytesIO

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.count_costs import BUDGET, LARGER_BUDGET, WHOLE_BYTES
from headrace.errors import EmptyDocument, EncryptedDocument, NoPages, PermanentError, UnreadableDocument
from headrace.page_count import PageCount
from headrace.pages import count_pages
from tests.pages.reading import CountingReader
from tests.pdfs import hybrid_pdf, make_pdf, pdf_of, pdf_with_tree, saved_again, scattered_pdf, with_wrong_index

PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"


def count(document, most_pages=500):
    return count_pages(CountingReader(document), len(document), most_pages=most_pages)


@pytest.mark.parametrize("pages", [1, 2, 37])
def test_every_page_of_a_pdf_is_counted(pages):
    assert count(make_pdf(pages)) == PageCount(pages, "walked", "application/pdf")


def test_a_small_document_is_read_in_one_request():
    document = make_pdf(3)
    reader = CountingReader(document)
    count_pages(reader, len(document), most_pages=500)
    assert reader.asked == [(0, len(document))]


@pytest.mark.parametrize(("pages", "counted", "at_least"), [(4, 4, False), (5, 5, False), (6, 6, True), (60, 6, True)])
def test_counting_stops_one_past_the_limit(pages, counted, at_least):
    assert count(make_pdf(pages), most_pages=5) == PageCount(counted, "walked", "application/pdf", at_least)


def test_junk_before_the_header_is_passed_over():
    assert count(b"From: scanner\r\n\r\n" + make_pdf(2)).pages == 2


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(saved_again(make_pdf(4), linearize=True), id="linearised"),
        pytest.param(
            saved_again(make_pdf(4), object_stream_mode=pikepdf.ObjectStreamMode.generate), id="a stream as index"
        ),
        pytest.param(hybrid_pdf(4), id="both kinds of index"),
        pytest.param(make_pdf(4) + b"\0" * 5000, id="junk behind the end"),
        pytest.param(make_pdf(4) + b"</html>\r\n" * 500, id="text behind the end"),
        pytest.param(with_wrong_index(make_pdf(4)), id="an index elsewhere"),
        pytest.param(make_pdf(4).replace(b"\nxref\n", b"\nx#ef\n"), id="an index that is none"),
        pytest.param(make_pdf(4)[: make_pdf(4).index(b"\nxref\n")], id="no index"),
    ],
)
def test_however_a_pdf_keeps_its_index_every_page_is_counted(document):
    assert count(document) == PageCount(4, "walked", "application/pdf")


def test_ten_thousand_pages_are_counted_where_the_route_takes_them():
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 10_003))
    document = pdf_with_tree(b"<< /Type /Pages /Count 10000 /Kids [%s] >>" % kids, *[PAGE] * 10_000)
    assert count(document, most_pages=10_000) == PageCount(10_000, "walked", "application/pdf")


def test_an_empty_document_says_so():
    with pytest.raises(EmptyDocument):
        count(b"")


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256"])
def test_a_pdf_that_needs_a_password_says_so(algorithm):
    with pytest.raises(EncryptedDocument, match="password"):
        count(make_pdf(2, password="secret", algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256"])
@pytest.mark.parametrize("owner_password", [None, "owner"])
def test_a_pdf_that_anybody_may_open_is_counted(algorithm, owner_password):
    assert count(make_pdf(2, password="", owner_password=owner_password, algorithm=algorithm)).pages == 2


def test_a_pdf_locked_by_certificate_says_so():
    locked = pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            PAGE,
            b"<< /Filter /Adobe.PubSec /SubFilter /adbe.pkcs7.s4 /V 4 >>",
        ],
        trailer=b"/Root 1 0 R /Encrypt 4 0 R",
    )
    with pytest.raises(EncryptedDocument, match="cannot be opened with a password"):
        count(locked)


def test_a_pdf_without_pages_says_so():
    with pytest.raises(NoPages):
        count(pdf_with_tree(b"<< /Type /Pages /Count 0 /Kids [] >>"))


@pytest.mark.parametrize("declared", [b"1000000", b"1", b"0", b"-3", b"(three)", b"null", b"2 0 R", b"9 9 R"])
def test_what_a_small_pdf_declares_does_not_matter(declared):
    tree = pdf_with_tree(b"<< /Type /Pages /Count %s /Kids [3 0 R 4 0 R 5 0 R] >>" % declared, PAGE, PAGE, PAGE)
    assert count(tree) == PageCount(3, "walked", "application/pdf")


def test_a_page_listed_many_times_counts_each_time():
    tree = pdf_with_tree(b"<< /Type /Pages /Count 1 /Kids [%s] >>" % (b"3 0 R " * 5000), PAGE)
    assert count(tree, most_pages=10_000).pages == 5000
    assert count(tree, most_pages=500) == PageCount(501, "walked", "application/pdf", at_least=True)


def _doubling_tree(levels: int, leaf: bytes) -> bytes:
    nodes = [b"<< /Type /Pages /Count 1 /Kids [%d 0 R %d 0 R] >>" % (n, n) for n in range(3, levels + 3)]
    return pdf_with_tree(*nodes, leaf)


def test_a_tree_that_unfolds_to_millions_of_pages_is_counted_at_once():
    assert count(_doubling_tree(40, PAGE)) == PageCount(501, "walked", "application/pdf", at_least=True)


def test_a_tree_that_unfolds_to_millions_of_nothing_ends():
    with pytest.raises(NoPages):
        count(_doubling_tree(60, b"<< /Type /Pages /Count 0 /Kids [] >>"))


def test_the_pages_of_a_subtree_that_is_listed_twice_count_twice():
    tree = pdf_with_tree(
        b"<< /Type /Pages /Count 4 /Kids [3 0 R 3 0 R] >>", b"<< /Type /Pages /Kids [4 0 R 4 0 R] >>", PAGE
    )
    assert count(tree).pages == 4


@pytest.mark.parametrize(
    "nodes",
    [
        [b"<< /Type /Pages /Kids [3 0 R 2 0 R] >>", PAGE],  # its own kid
        [b"<< /Type /Pages /Kids [3 0 R 4 0 R] >>", PAGE, b"<< /Type /Pages /Kids [2 0 R] >>"],  # its own grandchild
        [b"<< /Type /Pages /Kids 4 0 R >>", PAGE, b"[<< /Kids 4 0 R >> 3 0 R << /Kids 4 0 R >>]"],  # a nameless loop
    ],
)
def test_a_loop_in_the_page_tree_ends(nodes):
    assert 1 <= count(pdf_with_tree(*nodes)).pages <= 4


def test_a_deep_page_tree_is_walked_to_its_end():
    nodes = [b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % n for n in range(3, 3003)]
    assert count(pdf_with_tree(*nodes, PAGE)).pages == 1


@pytest.mark.parametrize("kid", [b"99 0 R", b"null", b"(page)", b"7", b"<< /Type /Pages /Kids 3 >>"])
def test_a_kid_that_is_none_adds_nothing(kid):
    assert count(pdf_with_tree(b"<< /Type /Pages /Kids [%s 3 0 R] >>" % kid, PAGE)).pages == 1


@pytest.mark.parametrize(
    "root", [PAGE, b"<< /Kids [3 0 R] >>", b"<< /Type /Nonsense /Kids [<< /MediaBox [0 0 9 9] >>] >>"]
)
def test_a_tree_with_wrong_or_missing_types_is_counted_as_viewers_show_it(root):
    assert count(pdf_with_tree(root, PAGE)).pages == 1


@pytest.mark.parametrize(
    "document",
    [
        b"%PDF-1.7\n",
        b"%PDF-1.7\nThis is no PDF at all.\n%%EOF",
        make_pdf(3)[:700],
        pdf_of([b"<< /Type /Catalog >>"]),
        pdf_with_tree(b"[1 2 3"),
        pdf_with_tree(b"<< /Type /Pages /Kids << >> >>"),
        pdf_with_tree(b"[" * 20_000),
    ],
)
def test_a_pdf_that_cannot_be_read_says_so(document):
    with pytest.raises(UnreadableDocument, match="viewer and save it anew"):
        count(document)


def test_a_broken_index_is_mended():
    assert count(with_wrong_index(make_pdf(3))).pages == 3


_HONEST = make_pdf(2)


@settings(max_examples=150, deadline=None)
@given(
    cut=st.integers(0, len(_HONEST)),
    damage=st.lists(st.tuples(st.integers(0, len(_HONEST) - 1), st.integers(0, 255)), max_size=30),
)
def test_a_damaged_pdf_has_a_page_or_an_error_that_says_why(cut, damage):
    document = bytearray(_HONEST)
    for place, value in damage:
        document[place] = value
    for version in (bytes(document), bytes(document[:cut])):
        # Any other error would come through.
        with suppress(PermanentError):
            assert count(version).pages >= 1


# Large PDFs.


def count_large(document, most_pages=500):
    assert len(document) > WHOLE_BYTES
    reader = CountingReader(document)
    counted = count_pages(reader, len(document), most_pages=most_pages)
    return counted, reader


def _within(reader, budget):
    return reader.requests <= budget.requests and reader.bytes <= budget.bytes


def test_a_large_pdf_is_believed_where_counting_would_cost_too_much():
    counted, reader = count_large(scattered_pdf(130))
    assert counted == PageCount(130, "declared", "application/pdf")
    assert _within(reader, BUDGET)


def test_a_large_pdf_is_walked_where_that_is_cheap():
    picture = b"<< /Length %d >>\nstream\n%s\nendstream" % (WHOLE_BYTES, b"\x00" * WHOLE_BYTES)
    kids = b" ".join(b"%d 0 R" % number for number in range(4, 104))
    tree = pdf_with_tree(b"<< /Type /Pages /Count 7 /Kids [%s] >>" % kids, picture, *[PAGE] * 100)
    counted, reader = count_large(tree)
    assert counted == PageCount(100, "walked", "application/pdf")
    assert _within(reader, BUDGET)


@pytest.mark.parametrize("declared", [1_000_000, 1, 0, -5])
def test_a_large_pdf_that_declares_what_cannot_be_is_walked_at_a_higher_price(declared):
    counted, reader = count_large(scattered_pdf(130, declared=declared))
    assert counted == PageCount(130, "walked", "application/pdf")
    assert not _within(reader, BUDGET)
    assert _within(reader, LARGER_BUDGET)


def test_a_large_pdf_is_not_refused_as_too_long_on_its_word_alone():
    counted, _ = count_large(scattered_pdf(130), most_pages=50)
    assert counted == PageCount(51, "walked", "application/pdf", at_least=True)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (9000, PageCount(9000, "declared", "application/pdf")),
        (3, None),  # plainly wrong: at least what was walked
    ],
)
def test_beyond_the_larger_budget_the_best_word_there_is_stands(declared, expected):
    counted, reader = count_large(scattered_pdf(300, declared=declared))
    assert _within(reader, LARGER_BUDGET)
    if expected is None:
        assert counted.source == "walked"
        assert counted.at_least
        assert 100 < counted.pages < 300
    else:
        assert counted == expected


def test_beyond_the_larger_budget_a_copy_tells_what_a_wrong_word_does_not():
    document = scattered_pdf(300, declared=3)
    counted = count_pages(CountingReader(document), len(document), most_pages=500, copy=lambda: BytesIO(document))
    assert counted == PageCount(300, "walked", "application/pdf")


def test_a_large_pdf_with_a_broken_index_is_mended_within_the_larger_budget():
    document = with_wrong_index(scattered_pdf(130))
    counted, reader = count_large(document)
    assert counted == PageCount(130, "walked", "application/pdf")
    assert _within(reader, LARGER_BUDGET)


def test_a_pdf_too_large_to_mend_says_so():
    document = with_wrong_index(scattered_pdf(260))
    reader = CountingReader(document)
    with pytest.raises(UnreadableDocument, match="so large and so damaged"):
        count_pages(reader, len(document), most_pages=500)
    assert _within(reader, LARGER_BUDGET)
