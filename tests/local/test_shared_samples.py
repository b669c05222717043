"""Real documents that lie beside the project, where they are there: bounds, not truths."""

from pathlib import Path

import pytest

from headrace.labels import LabelRule
from headrace.providers.local import read_document

SHARED = Path(__file__).parents[2] / ".." / "shared" / "samples"
RULES = [
    LabelRule(label="invoice_number", synonyms=("Rechnungsnr.", "factuurnummer")),
    LabelRule(label="invoice_date", synonyms=("Rechnungsdatum", "Invoice Date"), kind="date"),
    LabelRule(label="total", synonyms=("totaal", "Total for this invoice"), kind="amount"),
]


def read(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip("the shared samples are not here")
    return read_document(path.read_bytes(), RULES, pages=(1, 1))[0]


def values(page):
    return {(field.label, field.value) for field in page.fields}


@pytest.mark.parametrize(
    ("name", "rows", "columns", "text"),
    [
        ("tables_camelot/foo.pdf", 7, 7, "2145_1"),
        ("tables_camelot/column_span_1.pdf", 49, 8, "126762"),
        ("tables_tabula/spanning_cells.pdf", 20, 6, "Localized data centers"),
    ],
)
def test_a_real_table_is_found(name, rows, columns, text):
    cells = max((table.cells for table in read(name).tables), key=len)
    assert max(cell.row for cell in cells) >= rows
    assert max(cell.column for cell in cells) == columns
    assert text in {cell.text for cell in cells}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("invoices_digital/QualityHosting.pdf", {("invoice_number", "30064443"), ("invoice_date", "2014-05-07")}),
        ("invoices_digital/coolblue1.pdf", {("invoice_number", "993548900"), ("total", "717.97")}),
        ("invoices_digital/AmazonWebServices.pdf", {("invoice_number", "42183017"), ("invoice_date", "2014-08-03")}),
    ],
)
def test_a_real_invoice_gives_its_fields(name, expected):
    assert values(read(name)) >= expected
