import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from headrace.document import Document
from headrace.exports.manifest import PublishedFile
from headrace.ledger.records import Run
from headrace.states import Reason, State
from workers.stack.results import Outcome
from workers.stack.summary import print_outcomes, print_places, print_rows, table_row_columns

FIRST_START = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND_START = FIRST_START + timedelta(hours=1)
HOSTILE = "[red]a\x1b[31m\r\n"


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, color_system=None)


def ended(name, state=State.EXPORTED, *, fields=0, table_rows=0, created_at=FIRST_START, **facts):
    run = Run(
        name,
        Document("inbox", name, "etag"),
        number=1,
        state=state,
        created_at=created_at,
        ended_at=created_at + timedelta(seconds=2.25),
        **facts,
    )
    # Every row is there twice, once in each format, and counts once.
    files = [
        PublishedFile(kind=kind, format=form, key=kind, rows=rows)
        for kind, rows in (("fields", fields), ("table_rows", table_rows))
        for form in ("csv", "json")
    ]
    return Outcome(run, tuple(files), "outbox")


OUTCOMES = (
    ended("one.pdf", fields=5, table_rows=3, pages=1, cost=0.01),
    ended("two.pdf", fields=7, table_rows=10, pages=2, cost=0.02),
    ended("free.pdf", fields=1, pages=4, cost=None),
    Outcome(ended("bad.pdf", State.FAILED, reason=Reason.ENCRYPTED).run, (), "outbox"),
)


def text_of(console):
    return console.file.getvalue()


def rows_of(console):
    """The words of each line of the table, by the first."""
    return {words[0]: words[1:] for line in text_of(console).splitlines() if (words := line.split())}


def test_each_document_has_a_row_with_its_state_and_reason(console):
    print_outcomes(console, OUTCOMES, FIRST_START)
    rows = rows_of(console)
    assert rows["two.pdf"] == ["exported", "2.2", "2", "7", "10", "0.02"]
    # What is not known is empty; what did not cost anything is not known to have a price.
    assert rows["free.pdf"] == ["exported", "2.2", "4", "1", "0"]
    assert rows["bad.pdf"] == ["failed", "(encrypted)", "2.2", "0", "0"]


def test_the_sums_are_those_of_the_rows(console):
    print_outcomes(console, OUTCOMES, FIRST_START)
    assert text_of(console).splitlines()[-1] == (
        "4 documents, 7 pages, 13 fields, 13 table rows, cost 0.03, of which 0.03 in this start."
    )


def test_a_second_start_that_pays_nothing_says_so(console):
    print_outcomes(console, OUTCOMES, SECOND_START)
    assert text_of(console).rstrip().endswith("cost 0.03, of which 0 in this start.")


def test_what_a_second_start_adds_is_told_apart(console):
    new = ended("new.pdf", pages=1, cost=0.05, created_at=SECOND_START)
    print_outcomes(console, (*OUTCOMES, new), SECOND_START)
    assert text_of(console).rstrip().endswith("cost 0.08, of which 0.05 in this start.")


def test_a_hostile_key_and_hostile_columns_are_shown_as_what_they_are(console):
    print_outcomes(console, [ended(HOSTILE)], FIRST_START)
    print_rows(console, HOSTILE, [{HOSTILE: HOSTILE}], [HOSTILE])
    text = text_of(console)
    # The key, the title, the column and the cell.
    assert text.count(r"[red]a\x1b[31m\r\n") == 4
    assert "\x1b" not in text


def test_rows_are_shown_in_the_columns_that_say_something():
    rows = [
        {"document": "id", "page": 1, "Item": "", "Amount": "5", "": "x", "other": {}},
        {"document": "id", "page": 1, "Item": None, "Amount": None, "": "", "other": {}},
    ]
    assert table_row_columns(rows) == ["page", "Amount", ""]
    assert table_row_columns([]) == []


def test_where_nothing_is_no_table_is_shown(console):
    print_rows(console, "The first fields:", [], ["page"])
    assert text_of(console) == ""


def test_a_file_with_brackets_in_its_path_is_named_as_it_is(console):
    print_places(console, Path("/data/[bold]/outbox"), "s3://outbox/[rows]", ["nanonets"])
    text = text_of(console)
    assert "The files are in s3://outbox/[rows], and copied to /data/[bold]/outbox." in text
    assert "SIMULATED: the rows of nanonets." in text
