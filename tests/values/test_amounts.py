from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.amounts import read_amount


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", "1234.50"),
        ("1.234,50 €", "1234.50"),
        ("EUR 1 234,50", "1234.50"),
        ("1\u202f234\u202f567,50", "1234567.50"),
        ("CHF 1'234.50", "1234.50"),
        ("1’234.50", "1234.50"),
        ("₹ 1,23,456.00", "123456.00"),
        ("$4.11", "4.11"),
        ("USD4.11", "4.11"),
        ("0.125", "0.125"),
        ("1.234", "1234"),
        ("12345.678", "12345.678"),
        ("1,234,567", "1234567"),
        ("007", "7"),
        ("12,-", "12"),
        ("-12.00", "-12.00"),
        ("−12,00", "-12.00"),
        ("12.00-", "-12.00"),
        ("(12.00)", "-12.00"),
        ("€ -12.00", "-12.00"),
        ("+12.00", "12.00"),
        ("-0.00", "0.00"),
    ],
)
def test_an_amount_is_read_as_its_country_writes_it(text, value):
    assert read_amount(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "€", "-", "()", "see below", "12 11", "12.00 13.00", "1,2,3", "1.2.3", "1.234,567.8", "12%", "=SUM(1)",
     "2026-03-01", "12a", "1..2", "٣٤", "1,23.456,00", "12 345 67"],
)  # fmt: skip
def test_what_is_no_amount_has_no_value(text):
    assert read_amount(text) is None


AMOUNTS = st.decimals(min_value=Decimal("-9999999999.99"), max_value=Decimal("9999999999.99"), places=2)


@given(AMOUNTS, st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u00a0", ",")]))
def test_grouping_and_decimal_marks_never_change_the_number(amount, marks):
    group, point = marks
    written = f"{amount:,.2f}".replace(",", "g").replace(".", point).replace("g", group)
    value = read_amount(written)
    assert value is not None
    assert Decimal(value) == amount


@given(st.text())
def test_any_text_is_read_or_left_alone(text):
    value = read_amount(text)
    assert value is None or Decimal(value).is_finite()
