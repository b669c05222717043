import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.cli.output import as_json, in_cell, in_words, say_table, shown, with_until


@settings(max_examples=200)
@given(st.text(st.characters(), max_size=30))
def test_nothing_shown_can_steer_a_terminal(text):
    assert shown(text).isprintable()


def test_ordinary_text_of_any_script_is_shown_as_it_is():
    assert shown("Rechnung für 株式会社 (1).pdf") == "Rechnung für 株式会社 (1).pdf"


def test_escape_sequences_and_turned_text_are_spelt_out():
    assert shown("a\x1b[31m\u202efdp.exe\n") == "a\\x1b[31m\\u202efdp.exe\\n"


@settings(max_examples=100)
@given(st.text(max_size=30))
def test_json_holds_any_key_and_is_plain_ascii(text):
    written = as_json({"key": text, "at": datetime(2026, 11, 20, tzinfo=UTC)})
    assert written.isascii()
    assert json.loads(written) == {"key": text, "at": "2026-11-20T00:00:00Z"}


def test_a_table_never_cuts_a_value_and_takes_markup_as_text(capsys):
    key = "s3://inbox/" + "x" * 300 + "[bold]y[/bold]"
    say_table(("address",), [(key,)])
    assert key in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (0, "0"), (0.5, "0.5"), (0.0, "0"), (datetime(2026, 11, 20, 8, 1, 2, 99, UTC), "2026-11-20 08:01:02")],
)
def test_a_cell_shows_a_value_plainly(value, cell):
    assert in_cell(value) == cell


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (190, "3 min 10 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_durations_are_in_words(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (None, "in_doubt"),
        (datetime(2026, 11, 20, 23, 59, tzinfo=UTC), "in_doubt, until 23:59 UTC"),
        (datetime(2026, 11, 21, 0, 10, tzinfo=UTC), "in_doubt, until 2026-11-21 00:10 UTC"),
        (datetime(2026, 11, 21, 0, 10, tzinfo=timezone(timedelta(hours=2))), "in_doubt, until 22:10 UTC"),
    ],
)
def test_until_when_doubt_lasts_has_its_date_where_that_is_not_today(until, words):
    assert with_until("in_doubt", until, datetime(2026, 11, 20, 23, 50, tzinfo=UTC)) == words
