"""What every one of the shared samples has: so many pages, or the reason why there are none."""

# {folder: {pages or reason: file names}}. Pages are counted to one past 500.
BY_FOLDER: dict[str, dict[int | str, str]] = {
    "encrypted": {
        1: "r2-empty-password.pdf r6-owner-password.pdf",
        "encrypted": "r2-user-password.pdf r4-aes-user-password.pdf r6-both-passwords.pdf",
    },
    "generated": {
        1: "lying_count_1M_real1.pdf lying_count_neg.pdf",
        3: "lying_count_1_real3.pdf",
        501: "pages_10000_small.pdf pagetree_bomb_2p25.pdf same_page_50k.pdf",
    },
    "invoices_digital": {
        1: (
            "AmazonWebServices.pdf AzureInterior.pdf FlipkartInvoice.pdf NetpresseInvoice.pdf "
            "SammyMaystoneLinesTest.pdf coolblue1.pdf oyo.pdf saeco.pdf"
        ),
        2: "QualityHosting.pdf free_fiber.pdf",
        "unsupported_type": (
            "AmazonWebServices.json AzureInterior.json FlipkartInvoice.json NetpresseInvoice.json "
            "QualityHosting.json SammyMaystoneLinesTest.json coolblue1.json free_fiber.json oyo.json "
            "saeco.json"
        ),
    },
    "invoices_scanned": {
        1: "AmazonWebServices.png FlipkartInvoice.png oyo.png",
    },
    "malformed_pdfjs": {
        1: (
            "GHOSTSCRIPT-698804-1-fuzzed.pdf PDFBOX-3148-2-fuzzed.pdf Pages-tree-refs.pdf bug1250079.pdf "
            "bug1980958.pdf copy_paste_ligatures.pdf empty.pdf issue9105_reduced.pdf poppler-395-0-fuzzed.pdf "
            "poppler-67295-0.pdf poppler-91414-0-53.pdf poppler-91414-0-54.pdf"
        ),
        3: "basicapi.pdf",
        14: "tracemonkey.pdf",
        "encrypted": "issue15893_reduced.pdf",
        "unreadable": (
            "PDFBOX-4352-0.pdf REDHAT-1531897-0.pdf bug1020226.pdf poppler-742-0-fuzzed.pdf "
            "poppler-85140-0.pdf poppler-937-0-fuzzed.pdf"
        ),
        "unsupported_type": "bug1606566.pdf",
    },
    "malformed_qpdf": {
        1: "bad-xref.pdf pages-loop.pdf recover-xref-stream.pdf unsupported-optimization.pdf zero-offset.pdf",
        3: "page-no-content.pdf",
        30: "append-xref-loop.pdf c-linearized.pdf hybrid-xref.pdf",
        "unreadable": "issue-100.pdf",
    },
    "multipage": {
        4: "pdflatex-4-pages.pdf",
        117: "GeoTopo-komprimiert.pdf",
        "encrypted": "libreoffice-writer-password.pdf",
    },
    "pdfplumber": {
        1: "malformed-from-issue-932.pdf nics-background-checks-2015-11.pdf senate-expenditures.pdf",
        16: "WARN-Report-for-7-1-2015-to-03-25-2016.pdf",
        "encrypted": "password-example.pdf",
    },
    "receipts_sroie": {
        1: "000.jpg 001.jpg 019.jpg 040.jpg 078.jpg 100.jpg 200.jpg 300.jpg 446.jpg 484.jpg",
        "unsupported_type": (
            "000.csv 000.json 001.csv 001.json 019.csv 019.json 040.csv 040.json 078.csv 078.json 100.csv "
            "100.json 200.csv 200.json 300.csv 300.json 446.csv 446.json 484.csv 484.json"
        ),
    },
    "scans_ocrmypdf": {
        1: (
            "blank.pdf c02-22.pdf ccitt.pdf enormous.pdf epson.pdf hugemono.pdf linn.pdf no_contents.pdf "
            "rotated_skew.pdf skew.pdf typewriter.png"
        ),
        6: "multipage.pdf",
        "unreadable": "invalid.pdf",
        "unsupported_type": "linn.txt",
    },
    "tables_camelot": {
        1: "column_span_1.pdf foo.pdf image.pdf multiple_tables.pdf row_span_1.pdf",
        "encrypted": "health_protected.pdf",
    },
    "tables_icdar2013": {
        1: "eu-002.pdf eu-003.pdf us-005.pdf us-012.pdf",
        2: "eu-015.pdf",
        3: "eu-017.pdf us-001.pdf",
        6: "us-020.pdf",
        "unsupported_type": (
            "eu-002-reg.xml eu-002-str.xml eu-003-reg.xml eu-003-str.xml eu-015-reg.xml eu-015-str.xml "
            "eu-017-reg.xml eu-017-str.xml us-001-reg.xml us-001-str.xml us-005-reg.xml us-005-str.xml "
            "us-012-reg.xml us-012-str.xml us-020-reg.xml us-020-str.xml"
        ),
    },
    "tables_tabula": {
        1: "spanning_cells.pdf twotables.pdf",
        5: "schools.pdf",
        6: "us-020.pdf",
        "unsupported_type": "schools.csv spanning_cells.csv twotables.csv us-020.csv",
    },
    "textractor": {
        1: "amzn_q2.png form.png in-table-title.png invalid.pdf paystub.jpg receipt.jpg sample-invoice.pdf",
        2: "multi_page_tiff.tiff textractor-multipage-doc.pdf",
        "unsupported_type": "test_analyze_expense_from_path.json test_table.json",
    },
}
