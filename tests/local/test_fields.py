from headrace.labels import LabelRule
from headrace.prediction import Box
from headrace.providers.local.fields import find_fields
from tests.local.pages import lines

NUMBER = LabelRule(label="invoice_number", synonyms=("invoice no", "Rechnungsnr."))
DATE = LabelRule(label="date", kind="date")
DUE = LabelRule(label="due_date", synonyms=("due date",), kind="date")
TOTAL = LabelRule(label="total", synonyms=("total due",), kind="amount")
RULES = (NUMBER, DATE, DUE, TOTAL)


def found(*texts, rules=RULES, **options):
    return [(one.field.label, one.field.text, one.field.value) for one in find_fields(lines(*texts), rules, **options)]


def test_a_value_stands_right_of_its_label():
    assert found((10, 10, "Invoice number: INV-1")) == [("invoice_number", "INV-1", "INV-1")]
    assert found((10, 10, "INVOICE NUMBER"), (200, 10, "INV-1")) == [("invoice_number", "INV-1", "INV-1")]
    assert found((10, 10, "Invoice number : INV-1")) == [("invoice_number", "INV-1", "INV-1")]


def test_a_value_stands_below_its_label():
    texts = [(10, 10, "Invoice no."), (200, 10, "Date"), (10, 24, "INV-1"), (200, 24, "1.2.2026")]
    assert found(*texts) == [("invoice_number", "INV-1", "INV-1"), ("date", "1.2.2026", "2026-02-01")]


def test_a_value_far_below_belongs_to_something_else():
    assert found((10, 10, "Invoice no."), (10, 80, "INV-1")) == []


def test_where_says_on_which_side_to_look():
    right = LabelRule(label="reference", where="right")
    below = LabelRule(label="reference", where="below")
    texts = [(10, 10, "Reference:"), (200, 10, "A"), (10, 24, "B")]
    assert found(*texts, rules=(right,)) == [("reference", "A", "A")]
    assert found(*texts, rules=(below,)) == [("reference", "B", "B")]


def test_a_synonym_may_end_in_a_point():
    assert found((10, 10, "Rechnungsnr. 77")) == [("invoice_number", "77", "77")]


def test_the_longest_label_wins():
    assert found((10, 10, "Due date: 1.2.2026")) == [("due_date", "1.2.2026", "2026-02-01")]
    assert found((10, 10, "Total due: 12.00")) == [("total", "12.00", "12.00")]


def test_a_value_ends_where_the_next_label_starts():
    assert found((10, 10, "Invoice number: INV-1 Date: 1.2.2026")) == [
        ("invoice_number", "INV-1", "INV-1"),
        ("date", "1.2.2026", "2026-02-01"),
    ]


def test_a_date_or_amount_is_the_longest_start_that_reads_as_one():
    assert found((10, 10, "Total: EUR 1 234,50 incl. VAT")) == [("total", "EUR 1 234,50", "1234.50")]


def test_a_value_of_another_kind_is_shown_without_a_meaning():
    (one,) = find_fields(lines((10, 10, "Total: see below")), RULES)
    assert (one.field.text, one.field.value, one.field.score) == ("see below", None, 0.5)


def test_a_sentence_is_no_field():
    assert found((10, 10, "Invoice number and date are printed on each page")) == []
    assert found((10, 10, "we wrote the total 12.00 here")) == []


def test_a_label_that_stands_twice_gives_two_fields():
    assert [text for _, text, _ in found((10, 10, "Total: 1.00"), (10, 40, "Total: 2.00"))] == ["1.00", "2.00"]


def test_headings_of_a_table_label_nothing():
    texts = [(10, 10, "Total"), (10, 24, "12.00")]
    assert found(*texts) == [("total", "12.00", "12.00")]
    assert found(*texts, headings=[Box(xmin=0, ymin=5, xmax=100, ymax=23)]) == []


def test_the_box_is_that_of_the_value():
    (one,) = find_fields(lines((10, 10, "Total: 12.00")), RULES)
    assert one.field.box == Box(xmin=52, ymin=10, xmax=82, ymax=22)


def test_hostile_values_stay_as_they_stand():
    for text in ("=SUM(1)", "+1", "@cmd", '"a";,\'', "-2+3"):
        assert found((10, 10, "Invoice number:"), (200, 10, text)) == [("invoice_number", text, text)]


def test_the_order_of_day_and_month_is_told():
    assert found((10, 10, "Date: 3/4/2026"), day_first=False) == [("date", "3/4/2026", "2026-03-04")]
