"""Texts get the value of the kind that the route gives their label."""

import pytest

from headrace.labels import LabelRule
from headrace.prediction import Field, Page, Prediction
from headrace.values import with_values

RULES = (
    LabelRule(label="total", kind="amount"),
    LabelRule(label="due", kind="date"),
    LabelRule(label="customer", kind="text"),
)


def valued(*fields):
    prediction = Prediction(provider="nanonets", model="m", pages=(Page(number=1, fields=fields),))
    return [(field.kind, field.value) for field in with_values(prediction, RULES).pages[0].fields]


@pytest.mark.parametrize(
    ("label", "text", "kind", "value"),
    [
        ("total", "-1 234,56 €", "amount", "-1234.56"),
        ("due", "1 March 2026", "date", "2026-03-01"),
        ("customer", "Åsa & Co", "text", "Åsa & Co"),
        ("total", "on request", "amount", None),
        ("unknown", "12.00", None, None),
        ("total", None, None, None),
    ],
)
def test_a_label_that_a_rule_names_gets_its_kind_and_value(label, text, kind, value):
    assert valued(Field(label=label, text=text)) == [(kind, value)]


def test_what_the_provider_said_stays():
    assert valued(Field(label="total", text="12", value=12.5)) == [(None, 12.5)]
    assert valued(Field(label="total", text="12", kind="text", value="12")) == [("text", "12")]


def test_the_dates_of_one_answer_decide_together_which_number_is_the_day():
    fields = (Field(label="due", text="3/14/2026"), Field(label="due", text="3/4/2026"))
    assert valued(*fields) == [("date", "2026-03-14"), ("date", "2026-03-04")]
