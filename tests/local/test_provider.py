import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

import pytest
from pypdf import PdfWriter
from pypdf.generic import RectangleObject
from reportlab.pdfgen.canvas import Canvas

from headrace.document import SubmissionKey
from headrace.errors import EncryptedDocument, NeedsOcr, UnreadableDocument
from headrace.providers import Job, Provider, Request
from headrace.providers.local import LabelRule, LocalProvider, read_document
from headrace.providers.local.geometry import Sheet
from headrace.providers.local.tables import find_grids
from headrace.providers.local.text_layer import PageText
from headrace.states import Mode
from tests.local.pages import draw, scan
from tests.pdfs import make_pdf

TOTAL = LabelRule(label="total", kind="amount")


@dataclass
class Bytes:
    """A document in memory, as a source."""

    content: bytes
    name: str = "document.pdf"
    media_type: str = "application/pdf"
    url: str | None = None

    @property
    def size(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        yield self.content

    def read_range(self, start: int, length: int) -> bytes:
        return self.content[start : start + length]


def request(pages=None, rules=(TOTAL,)):
    return Request(
        key=SubmissionKey("0" * 32, 1, "local", "all", 1),
        model="default",
        mode=Mode.SYNC,
        send_before=datetime(2026, 1, 1, tzinfo=UTC),
        pages=pages,
        metadata={"vendor": "mill"},
        rules=rules,
    )


@pytest.fixture(scope="module")
def local():
    with closing(LocalProvider()) as provider:
        yield provider


def test_the_answer_is_the_prediction_and_reads_back(local):
    provider: Provider = local
    answer = provider.submit(Bytes(draw([[(20, 200, "Total: 12.00")]])), request())
    assert provider.read(answer.raw, "default") == answer.prediction
    assert answer.prediction.metadata == {"vendor": "mill"}
    assert answer.prediction.key == f"{'0' * 32}-1-local-all-1"
    assert json.loads(answer.raw)["pages"][0]["fields"][0]["value"] == "12.00"


def test_it_has_no_jobs():
    assert LocalProvider().fetch([], deadline_seconds=1) == {}
    with pytest.raises(ValueError, match="accepts no jobs"):
        LocalProvider().fetch([Job("1", "default")], deadline_seconds=1)


def test_a_part_keeps_the_numbers_of_its_pages():
    pages = read_document(make_pdf(5), (), pages=(2, 3))
    assert [(page.number, page.text) for page in pages] == [(2, "Page 2 of 5"), (3, "Page 3 of 5")]


def test_pages_that_are_not_there_are_refused():
    with pytest.raises(UnreadableDocument, match="Pages 2 to 9 were asked for; the document has the pages 1 to 3"):
        read_document(make_pdf(3), (), pages=(2, 9))


def test_boxes_are_in_pt_from_the_top_left():
    (page,) = read_document(draw([[(20, 200, "Total: 12.00")]]), (TOTAL,))
    assert (page.width, page.height, page.unit, page.rotation) == (400, 300, "pt", 0)
    box = page.fields[0].box
    assert box is not None
    assert box.xmin == pytest.approx(52, abs=3)
    assert box.ymin < 100 < box.ymax
    assert [word.text for word in page.words] == ["Total:", "12.00"]


@pytest.mark.parametrize(
    ("rotation", "edges"),
    [
        (90, {"xmin": 87.5, "ymin": 20}),
        (180, {"xmax": 380, "ymin": 87.5}),
        (270, {"xmax": 312.5, "ymax": 280}),
    ],
)
def test_boxes_are_where_a_turned_page_shows_them(rotation, edges):
    # reportlab swaps the sides of a page that it turns by a quarter, so a viewer shows 400 by 300 pt each time.
    (page,) = read_document(draw([[(20, 90, "Total: 12.00")]], rotation=rotation), (TOTAL,))
    assert (page.rotation, page.width, page.height) == (rotation, 400, 300)
    assert page.text == "Total: 12.00"
    assert [field.value for field in page.fields] == ["12.00"]
    box = page.words[0].box
    assert box is not None
    assert {edge: getattr(box, edge) for edge in edges} == pytest.approx(edges, abs=1.5)


def test_cells_lie_where_their_text_does_on_a_page_that_is_cut():
    drawn = BytesIO()
    canvas = Canvas(drawn, pagesize=(400, 300), invariant=1)
    canvas.grid([100, 200, 300], [100, 150, 200])
    for x, y, text in ((105, 170, "Item"), (205, 170, "Price"), (105, 120, "Board"), (205, 120, "12.00")):
        canvas.drawString(x, y, text)
    canvas.save()
    writer = PdfWriter(clone_from=drawn)
    writer.pages[0].cropbox = RectangleObject((50, 40, 350, 260))
    cut = BytesIO()
    writer.write(cut)
    (page,) = read_document(cut.getvalue(), ())
    assert (page.width, page.height) == (300, 220)
    (table,) = page.tables
    assert [(cell.label, cell.text) for cell in table.cells] == [("Item", "Board"), ("Price", "12.00")]
    box = table.cells[0].box
    assert box is not None
    assert (box.xmin, box.ymin, box.xmax, box.ymax) == pytest.approx((50, 110, 150, 160), abs=1)


def test_a_word_ends_with_its_line():
    (page,) = read_document(draw([[(20, 200, "a long-"), (20, 180, "winded text")]]), ())
    assert page.text == "a long-\nwinded text"


def test_a_page_whose_tables_cannot_be_read_is_left_out(tmp_path):
    sheet = Sheet(0, 0, 400, 300, 0)
    assert find_grids(tmp_path / "gone.pdf", [PageText(1, sheet, sheet, (), is_picture=False)]) == {}


def test_a_scan_needs_a_provider_that_reads_pictures():
    with pytest.raises(NeedsOcr, match=r"without one: 1\. Route it to a provider that reads scans"):
        read_document(scan(), ())


def test_a_stamp_does_not_make_a_scan_readable():
    with pytest.raises(NeedsOcr):
        read_document(scan(stamp="Received 3 March"), ())


def test_one_scanned_page_among_others_is_named():
    with pytest.raises(NeedsOcr, match=r"without one: 2\."):
        read_document(scan(first_page="A cover that has text"), ())


def test_a_blank_page_is_an_empty_page():
    (page,) = read_document(draw([[]]), (TOTAL,))
    assert (page.text, page.words, page.fields, page.tables, page.failure) == ("", (), (), (), None)


def test_a_password_is_asked_for():
    with pytest.raises(EncryptedDocument, match="needs a password"):
        read_document(make_pdf(1, password="secret"), ())


def test_an_owner_password_does_not_keep_us_from_reading():
    (page,) = read_document(make_pdf(1, owner_password="secret"), ())
    assert page.text == "Page 1 of 1"


@pytest.mark.parametrize("content", [b"", b"plain text", b"%PDF-1.7\n", make_pdf(1)[:200]])
def test_damage_is_told(content):
    with pytest.raises(UnreadableDocument):
        read_document(content, ())


def test_no_temporary_file_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    read_document(make_pdf(1), ())
    assert list(tmp_path.iterdir()) == []
