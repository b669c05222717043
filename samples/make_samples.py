"""Make the sample documents and their truth: `python samples/make_samples.py` writes the same bytes each time.

Everything in them is invented. Good documents name their fields as samples/rules.toml says.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from samples.drawing import A4_PT, Sample

FOLDER = Path(__file__).parent
ARTICLES = ["Oak board", "Steel hinge", "Wood glue", "Brass screw", "Linen cloth", "Pine strip", "Door handle"]


def money(cents: int, *, point: str = ".", comma: str = ",") -> str:
    """Cents as people write them: 123456 is "1,234.56"."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:,}".replace(",", comma) + f"{point}{rest:02d}"


def plain(cents: int) -> str:
    """Cents as the decimal number that a reader should make of them."""
    return money(cents, comma="")


def invoice_rows(count: int, *, first: int = 1) -> tuple[list[list[str]], int]:
    """So many rows of (position, article, quantity, price, amount), and their sum in cents."""
    rows, total = [], 0
    for number in range(first, first + count):
        quantity, price = number % 4 + 1, 1250 + 375 * number
        total += quantity * price
        article = f"{ARTICLES[number % len(ARTICLES)]} {number}"
        rows.append([str(number), article, str(quantity), money(price), money(quantity * price)])
    return rows, total


INVOICE_HEADINGS = ["Item", "Description", "Quantity", "Price", "Amount"]
INVOICE_WIDTHS = [45.0, 215.0, 65.0, 80.0, 90.0]


def invoice_ruled() -> Sample:
    """One page, English, labels with colons and values beside them, a table with all its lines."""
    sample = Sample("invoice-ruled.pdf").page()
    sample.text(50, 60, "Millbrook Joinery Ltd", size=16).text(50, 78, "4 Weir Lane, Millbrook")
    sample.labelled((50, 120), "Invoice number:", "INV-2026-0042", label="invoice_number")
    sample.labelled((50, 136), "Invoice date:", "3 March 2026", label="invoice_date", kind="date", value="2026-03-03")
    sample.labelled((50, 152), "Payment due:", "02/04/2026", label="due_date", kind="date", value="2026-04-02")
    sample.labelled((50, 168), "Bill to:", "Harbour Hotel", label="customer")
    rows, total = invoice_rows(8)
    bottom = sample.table((50, 210), INVOICE_WIDTHS, INVOICE_HEADINGS, rows, columns_to_the_right=(2, 3, 4))
    return sample.labelled(
        (390, bottom + 24), "Total due:", f"£{money(total)}", label="total", kind="amount", value=plain(total),
        offset=(90, 0),
    )  # fmt: skip


def invoice_plain() -> Sample:
    """One page, German, values below their labels, a table with three lines only and decimal commas."""
    sample = Sample("invoice-plain.pdf").page()
    sample.text(50, 60, "Mühlbach Werkzeuge GmbH", size=16).text(50, 78, "Am Wehr 7, 12345 Mühlbach")
    below = (0.0, 14.0)
    sample.labelled((50, 130), "Rechnungsnummer", "RE-77120", label="invoice_number", offset=below)
    sample.labelled(
        (220, 130), "Rechnungsdatum", "7. Mai 2026", label="invoice_date", kind="date", value="2026-05-07", offset=below
    )
    sample.labelled(
        (390, 130), "Fällig am", "21.05.26", label="due_date", kind="date", value="2026-05-21", offset=below
    )
    rows, total = [], 0
    for number, article in enumerate(["Hobelbank", "Feile", "Stechbeitel", "Zwinge", "Leim", "Säge"], start=1):
        cents = number * 20999
        total += cents
        rows.append([article, str(number), money(20999, point=",", comma="."), money(cents, point=",", comma=".")])
    bottom = sample.table(
        (50, 190), [200.0, 80.0, 100.0, 115.0], ["Artikel", "Menge", "Einzelpreis", "Betrag"], rows,
        ruled=False, columns_to_the_right=(1, 2, 3),
    )  # fmt: skip
    return sample.labelled(
        (330, bottom + 60), "Gesamtbetrag:", f"{money(total, point=',', comma='.')} €", label="total", kind="amount",
        value=plain(total), offset=(110, 0),
    )  # fmt: skip


def invoice_two_pages() -> Sample:
    """Two pages; the table goes on over the page, the sum stands on the second."""
    sample = Sample("invoice-two-pages.pdf").page()
    sample.text(50, 60, "Millbrook Joinery Ltd", size=16)
    sample.labelled((50, 100), "Invoice no.", "INV-2026-0043", label="invoice_number")
    sample.labelled((50, 116), "Date", "2026-03-09", label="invoice_date", kind="date")
    sample.labelled((50, 132), "Customer", "Lock & Sluice Café", label="customer")
    first, first_total = invoice_rows(28)
    sample.table((50, 160), INVOICE_WIDTHS, INVOICE_HEADINGS, first, columns_to_the_right=(2, 3, 4))
    sample.page().text(50, 60, "Millbrook Joinery Ltd, page 2")
    second, second_total = invoice_rows(9, first=29)
    bottom = sample.table((50, 90), INVOICE_WIDTHS, INVOICE_HEADINGS, second, columns_to_the_right=(2, 3, 4))
    total = first_total + second_total
    return sample.labelled(
        (390, bottom + 24), "Total:", f"GBP {money(total)}", label="total", kind="amount", value=plain(total),
        offset=(80, 0),
    )  # fmt: skip


def credit_note() -> Sample:
    """One page, French, amounts below zero, spaces between thousands."""
    sample = Sample("credit-note.pdf").page()
    sample.text(50, 60, "Moulin de l'Écluse", size=16)
    sample.labelled((50, 100), "Avoir n° :", "AV-318", label="credit_note_number")
    sample.labelled(
        (50, 116), "Date de l'avoir :", "1er août 2026", label="invoice_date", kind="date", value="2026-08-01"
    )
    sample.labelled((50, 132), "Client :", "Éditions Été", label="customer")
    rows = [["Reliure", "Retour de 3 pièces", "-1 050,00"], ["Papier", "Défaut de coupe", "-184,56"]]
    bottom = sample.table(
        (50, 170), [120.0, 240.0, 110.0], ["Produit", "Motif", "Montant"], rows, columns_to_the_right=(2,)
    )
    return sample.labelled(
        (300, bottom + 24), "Total à rembourser :", "-1 234,56 €", label="total", kind="amount", value="-1234.56"
    )


def order_landscape() -> Sample:
    """One page that is turned by a quarter, Spanish."""
    sample = Sample("order-landscape.pdf", size=(A4_PT[1], A4_PT[0])).page(rotation=90)
    sample.text(50, 60, "Molinos del Río S.A.", size=16)
    sample.labelled((50, 100), "Número de pedido:", "P-9001", label="invoice_number")
    sample.labelled((50, 116), "Fecha:", "14 de febrero de 2026", label="invoice_date", kind="date", value="2026-02-14")
    rows = [
        [f"Pieza {number}", f"Almacén {'norte' if number % 2 else 'sur'}", str(number * 12), money(number * 4550)]
        for number in range(1, 11)
    ]
    bottom = sample.table(
        (50, 150), [220.0, 220.0, 120.0, 150.0], ["Pieza", "Almacén", "Unidades", "Importe"], rows,
        columns_to_the_right=(2, 3),
    )  # fmt: skip
    return sample.labelled(
        (500, bottom + 24), "Importe total:", "€2,502.50", label="total", kind="amount", value="2502.50"
    )


def statement() -> Sample:
    """Twelve pages, each with its part of the bookings and its balances."""
    sample = Sample("statement.pdf")
    balance = 500000
    for page in range(1, 13):
        sample.page().text(50, 50, "Weir Bank", size=16).text(450, 50, f"Page {page} of 12")
        sample.labelled((50, 80), "Account number:", "004-77-1188", label="account_number")
        if page == 1:
            sample.labelled(
                (330, 80), "Statement date:", "31 Dec 2026", label="invoice_date", kind="date", value="2026-12-31"
            )
        opening, rows = balance, []
        for number in range(1, 26):
            change = (number * 1700 + page * 113) * (-1 if number % 3 == 0 else 1)
            balance += change
            rows.append([f"{number:02d}/{page:02d}/2026", f"Booking {page}-{number}", money(change), money(balance)])
        sample.labelled(
            (50, 100), "Opening balance:", money(opening), label="opening_balance", kind="amount", value=plain(opening)
        )
        bottom = sample.table(
            (50, 130), [90.0, 200.0, 100.0, 110.0], ["Day", "Text", "Change", "Balance"], rows,
            columns_to_the_right=(2, 3),
        )  # fmt: skip
        sample.labelled(
            (50, bottom + 24), "Closing balance:", money(balance), label="closing_balance", kind="amount",
            value=plain(balance),
        )  # fmt: skip
    return sample


LETTER_LEFT = """Dear friends of the mill, the summer was
dry and the water in the upper pond stood
low for many weeks, so that the wheel had
to rest on most afternoons until October.
We used the time to mend the sluice gate
and to lay new boards on the small bridge
that leads from the yard to the old barn.
The carpenters found the oak beams sound,
which saved us a good part of the money
that your gifts had brought together.""".splitlines()
LETTER_RIGHT = """In the coming spring the race itself will
be cleaned from the weir down to the mill
and the bank will be planted with willows.
Whoever would like to help is welcome on
every first Saturday, from nine until the
bread comes out of the oven at noon. Tools
and gloves are there, boots you must bring
on your own. Children are welcome as well
and will find enough mud for everybody.
With many thanks, your friends at the mill""".splitlines()


def letter() -> Sample:
    """One page of prose in two columns: no table."""
    sample = Sample("letter-two-columns.pdf").page()
    sample.text(50, 60, "Friends of the Mill", size=16)
    sample.labelled((50, 100), "Date:", "October 12, 2026", label="invoice_date", kind="date", value="2026-10-12")
    sample.labelled((50, 116), "Our reference:", "News 4/2026", label="reference")
    sample.lines(50, 170, LETTER_LEFT, spacing=14)
    return sample.lines(320, 170, LETTER_RIGHT, spacing=14)


def hostile_text() -> Sample:
    """One page of text that a spreadsheet would run, or that breaks careless readers."""
    sample = Sample("hostile-text.pdf").page()
    sample.text(50, 60, "Quotes \" and ' & Co; <b>", size=16)
    sample.labelled((50, 100), "Invoice number:", "=SUM(1)", label="invoice_number")
    sample.labelled((50, 116), "Customer:", "@cmd", label="customer")
    sample.labelled((50, 132), "Your reference:", "-2+3", label="reference")
    rows = [
        ["=1+1", '=HYPERLINK("x","y")', "+1"],
        ["@cmd", "-2+3", "|calc"],
        ['say "hi"', "one, two; three", "a\\b'c"],
        ["two\nlines", "שלום עולם", "مرحبا"],
        ["<script>", "${jndi}", "NULL"],
        ["007", "1e5", "TRUE"],
        ["", "cell before is empty", "…–€"],
    ]
    bottom = sample.table((50, 170), [120.0, 220.0, 150.0], ["Code", "Text", "Remark"], rows)
    return sample.labelled((50, bottom + 24), "Total:", "(1'234.50)", label="total", kind="amount", value="-1234.50")


def locked() -> Sample:
    """One page behind a password."""
    return Sample("encrypted.pdf", password="a password nobody is told").page().text(50, 60, "Not for everybody")


GOOD: tuple[Callable[[], Sample], ...] = (
    invoice_ruled,
    invoice_plain,
    invoice_two_pages,
    credit_note,
    order_landscape,
    statement,
    letter,
    hostile_text,
)


def failing(name: str, reason: str) -> dict[str, Any]:
    return {"document": name, "pages": None, "failure": reason, "fields": [], "cells": []}


def all_samples() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Each document's bytes and truth, by file name."""
    samples = [make() for make in GOOD]
    made = {sample.name: (sample.finish(), sample.truth()) for sample in samples}
    # Cut before the list of its pages: there is nothing left that a reader could follow.
    torn = made["invoice-ruled.pdf"][0][:700]
    made["damaged.pdf"] = (torn, failing("damaged.pdf", "unreadable"))
    made["encrypted.pdf"] = (locked().finish(), failing("encrypted.pdf", "encrypted"))
    text = b"This is a plain text whose name ends in .pdf\n"
    made["not-a-pdf.pdf"] = (text, failing("not-a-pdf.pdf", "unsupported_type"))
    return made


def main() -> None:
    for name, (content, truth) in all_samples().items():
        (FOLDER / "documents").mkdir(exist_ok=True)
        (FOLDER / "truth").mkdir(exist_ok=True)
        (FOLDER / "documents" / name).write_bytes(content)
        text = json.dumps(truth, ensure_ascii=False, indent=1) + "\n"
        (FOLDER / "truth" / name).with_suffix(".json").write_text(text, encoding="utf-8")
        print(name, len(content), "bytes")


if __name__ == "__main__":
    main()
