"""With the local engine the simulator answers what is on the page, and its reading process harms nobody."""

import json
import time
from io import BytesIO

import psutil
import pytest
from reportlab.pdfgen.canvas import Canvas

from headrace.labels import LabelRule
from headrace.providers.local import read_document
from headrace.providers.nanonets.answers import records
from headrace.providers.nanonets.reading import prediction
from tests.pdfs import make_picture
from tests.simulator.process import simulator

RULES = (LabelRule(label="invoice_number", synonyms=("Invoice no.",), where="right"),)
MODELS = (
    '[[models]]\nid = "demo"\n[[models.fields]]\nlabel = "invoice_number"\nsynonyms = ["Invoice no."]\nwhere="right"\n'
)
LONG_PAGES = 6


def invoice(pages: int) -> bytes:
    """An invoice with a ruled table on each page."""
    drawn = BytesIO()
    canvas = Canvas(drawn, invariant=True)
    for page in range(1, pages + 1):
        canvas.drawString(72, 760, f"Invoice no.  A-{page:03}")
        canvas.grid([72, 272, 372, 472], [700 - 20 * line for line in range(6)])
        for line in range(5):
            texts = ("Article", "Count", "Amount") if line == 0 else (f"Oak board {line}", str(line), f"{line}.50")
            for left, text in zip((78, 278, 378), texts, strict=True):
                canvas.drawString(left, 686 - 20 * line, text)
        canvas.showPage()
    canvas.save()
    return drawn.getvalue()


def texts(pages):
    """All labelled texts of some pages, in order; on the wire nothing and "" are one."""
    return [
        (
            page.number,
            [(field.label, field.text or "") for field in page.fields],
            [
                [
                    (cell.row, cell.column, cell.row_span, cell.column_span, cell.label or "", cell.text or "")
                    for cell in table.cells
                ]
                for table in page.tables
            ],
        )
        for page in pages
    ]


@pytest.fixture
def options(tmp_path):
    models = tmp_path / "models.toml"
    models.write_text(MODELS)
    state = tmp_path / "state.jsonl"
    return ("--engine", "local", "--models", str(models), "--state", str(state), "--async-seconds", "0")


def accepted_id(running, document: bytes) -> str:
    return running.upload(document, query="?async=true").json()["result"][0]["result"][0]["request_file_id"]


def wait_for(found, seconds=60):
    end = time.monotonic() + seconds
    while not (result := found()) and time.monotonic() < end:
        time.sleep(0.02)
    return result


def test_live_and_stored_answers_hold_what_the_local_engine_reads(options):
    document = invoice(2)
    expected = texts(read_document(document, RULES))
    assert expected[1][1] == [("invoice_number", "A-002")]
    assert "Oak board 4" in json.dumps(expected)
    with simulator(*options) as running:
        live = records(running.upload(document).json())
        stored_id = live[0]["request_file_id"]
        stored = records(running.stored(stored_id))
        picture = running.upload(make_picture("PNG")).json()["result"]
        chosen = running.upload(document, pages_to_process="2").json()["result"]
    assert texts(prediction(live, "demo").pages) == expected
    assert texts(prediction(stored, "demo").pages) == expected
    # A picture has no text layer: it was taken, and billed, and its page failed.
    assert [(page["message"], page["prediction"]) for page in picture] == [("Failure", [])]
    assert texts(prediction(chosen, "demo").pages) == expected[1:]


@pytest.mark.proof
def test_a_reading_process_that_dies_is_replaced(options):
    with simulator(*options) as running:
        file_id = accepted_id(running, invoice(4))
        reading = wait_for(lambda: psutil.Process(running.process.pid).children())[0]
        reading.kill()
        stored = wait_for(lambda: running.stored(file_id)["unmoderated_images"])
        assert {page["status"].lower() for page in stored} == {"success"}
        assert len(stored) == 4


@pytest.mark.parametrize("end", [pytest.param("terminate", marks=pytest.mark.proof), "kill"])
def test_it_stops_while_it_reads_and_the_next_one_finishes(options, end, tmp_path):
    with simulator(*options) as running:
        file_id = accepted_id(running, invoice(LONG_PAGES))
        children = wait_for(lambda: psutil.Process(running.process.pid).children())
        assert running.stored(file_id)["unmoderated_images_count"] == 0
        getattr(running.process, end)()
        assert running.process.wait(timeout=60) == (0 if end == "terminate" else -9)
        assert psutil.wait_procs(children, timeout=30)[1] == []
        assert list(tmp_path.rglob(f"{file_id}.content")), "it read to the end first"
    with simulator(*options) as running:
        bill = running.bill()
        assert (bill["requests"], bill["pages"]) == (1, LONG_PAGES)
        assert wait_for(lambda: running.stored(file_id)["unmoderated_images_count"] == LONG_PAGES)
