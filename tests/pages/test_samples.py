"""What comes out for real and hostile documents from elsewhere; skipped where they are not there."""

from pathlib import Path

import pytest

from headrace.counting import PageCounter
from headrace.errors import PermanentError

SAMPLES = Path(__file__).parents[2] / ".." / "shared" / "samples"

# Pages, or the reason why there are none. Documents that are not listed have one page.
EXPECTED: dict[str, int | str] = {
    "encrypted/r2-user-password.pdf": "encrypted",
    "encrypted/r4-aes-user-password.pdf": "encrypted",
    "encrypted/r6-both-passwords.pdf": "encrypted",
    "generated/lying_count_1_real3.pdf": 3,
    "generated/pages_10000_small.pdf": 501,
    "generated/pagetree_bomb_2p25.pdf": 501,
    "generated/same_page_50k.pdf": 501,
    "invoices_digital/QualityHosting.pdf": 2,
    "invoices_digital/free_fiber.pdf": 2,
    "malformed_pdfjs/PDFBOX-3148-2-fuzzed.pdf": "unreadable",
    "malformed_pdfjs/PDFBOX-4352-0.pdf": "unreadable",
    "malformed_pdfjs/REDHAT-1531897-0.pdf": "unreadable",
    "malformed_pdfjs/basicapi.pdf": 3,
    "malformed_pdfjs/bug1020226.pdf": "unreadable",
    "malformed_pdfjs/bug1250079.pdf": "unreadable",
    "malformed_pdfjs/bug1606566.pdf": "unsupported_type",  # no %PDF- anywhere
    "malformed_pdfjs/bug1980958.pdf": "unreadable",
    "malformed_pdfjs/issue15893_reduced.pdf": "encrypted",
    "malformed_pdfjs/poppler-742-0-fuzzed.pdf": "unreadable",
    "malformed_pdfjs/poppler-85140-0.pdf": "unreadable",
    "malformed_pdfjs/poppler-937-0-fuzzed.pdf": "unreadable",
    "malformed_pdfjs/tracemonkey.pdf": 14,
    "malformed_qpdf/append-xref-loop.pdf": 30,
    "malformed_qpdf/bad-xref.pdf": "unreadable",
    "malformed_qpdf/c-linearized.pdf": 30,
    "malformed_qpdf/hybrid-xref.pdf": 30,
    "malformed_qpdf/issue-100.pdf": "unreadable",
    "malformed_qpdf/page-no-content.pdf": 3,
    "multipage/GeoTopo-komprimiert.pdf": 117,
    "multipage/libreoffice-writer-password.pdf": "encrypted",
    "multipage/pdflatex-4-pages.pdf": 4,
    "pdfplumber/WARN-Report-for-7-1-2015-to-03-25-2016.pdf": 16,
    "pdfplumber/password-example.pdf": "encrypted",
    "scans_ocrmypdf/invalid.pdf": "unreadable",
    "scans_ocrmypdf/linn.txt": "unsupported_type",
    "scans_ocrmypdf/multipage.pdf": 6,
    "tables_camelot/health_protected.pdf": "encrypted",
    "tables_icdar2013/eu-015.pdf": 2,
    "tables_icdar2013/eu-017.pdf": 3,
    "tables_icdar2013/us-001.pdf": 3,
    "tables_icdar2013/us-020.pdf": 6,
    "tables_tabula/schools.pdf": 5,
    "tables_tabula/us-020.pdf": 6,
    "textractor/invalid.pdf": "unreadable",
    "textractor/multi_page_tiff.tiff": 2,
    "textractor/textractor-multipage-doc.pdf": 2,
}


def _outcome(counter: PageCounter, document: bytes) -> int | str:
    try:
        return counter.count(
            lambda start, length: document[start : start + length], len(document), most_pages=500
        ).pages
    except PermanentError as error:
        return str(error.reason)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not here")
def test_every_sample_has_its_pages_or_its_reason():
    kinds = {".pdf", ".png", ".jpg", ".tiff", ".txt"}
    found = {}
    with PageCounter(seconds=10) as counter:
        for path in sorted(SAMPLES.glob("*/*")):
            if path.suffix in kinds:
                found[f"{path.parent.name}/{path.name}"] = _outcome(counter, path.read_bytes())
    assert len(found) > 100
    assert found == {name: EXPECTED.get(name, 1) for name in found}
