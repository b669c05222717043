from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.dates import read_date, writes_day_first


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01", "2026/03/01", "2026-3-1", "2026-03-01T10:00:00Z", "1.3.2026", "01.03.26", "01. 03. 2026",
        "1 March 2026", "March 1, 2026", "Mar 1 2026", "1st of March 2026", "01-Mar-2026", "01-MAR-26",
        "Sunday, 1 March 2026", "Sunday, March 1, 2026",
        "1. März 2026", "1 mars 2026", "1er mars 2026", "1 de marzo de 2026", "1 de marzo del 2026",
    ],
)  # fmt: skip
def test_a_date_is_read_in_four_languages(text):
    assert read_date(text) == "2026-03-01"


@pytest.mark.parametrize(
    ("text", "day_first", "value"),
    [
        ("3/4/2026", True, "2026-04-03"),
        ("3/4/2026", False, "2026-03-04"),
        ("13/4/2026", False, "2026-04-13"),  # there is no month 13
        ("4/13/2026", True, "2026-04-13"),
        ("3.4.2026", False, "2026-04-03"),  # points always put the day first
        ("3-4-26", True, "2026-04-03"),
    ],
)
def test_the_order_of_day_and_month(text, day_first, value):
    assert read_date(text, day_first=day_first) == value


@pytest.mark.parametrize(
    "text", ["", "soon", "2026", "31.2.2026", "13/13/2026", "2026-00-10", "1 Foo 2026", "12.50", "1/2-2026", "0/1/2026"]
)
def test_what_is_no_day_has_no_value(text):
    assert read_date(text) is None


def test_a_year_of_two_digits_is_near_ours():
    assert read_date("1.1.69") == "2069-01-01"
    assert read_date("1.1.70") == "1970-01-01"


@pytest.mark.parametrize(
    ("texts", "day_first"),
    [([], True), (["1/2/2026"], True), (["1/2/2026", "2/28/2026"], False), (["28/2/2026,"], True)],
)
def test_other_dates_of_the_document_tell_the_order(texts, day_first):
    assert writes_day_first(texts) is day_first


@given(st.dates(min_value=date(1970, 1, 1), max_value=date(2069, 12, 31)), st.booleans())
def test_every_day_reads_back_in_either_order(day, day_first):
    text = f"{day:%d/%m/%Y}" if day_first else f"{day:%m/%d/%Y}"
    assert read_date(text, day_first=day_first) == day.isoformat()


@given(st.text())
def test_any_text_is_read_or_left_alone(text):
    value = read_date(text)
    assert value is None or date.fromisoformat(value)
