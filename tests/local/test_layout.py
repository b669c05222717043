from headrace.providers.local.layout import reading_text, text_of
from tests.local.pages import lines, words

LEFT = """the summer was dry and
the pond stood low for
weeks so that the wheel
had to rest until it was
October again at last""".splitlines()
RIGHT = """in the spring the race
will be cleaned from the
weir down to the mill and
the bank will be planted
with willows by friends""".splitlines()


def test_words_on_one_baseline_are_a_line_and_gaps_part_phrases():
    (first, second) = lines((10, 10, "Invoice number"), (200, 11, "INV-1"), (10, 30, "Date"))
    assert [phrase.text for phrase in first.phrases] == ["Invoice number", "INV-1"]
    assert [phrase.text for phrase in second.phrases] == ["Date"]


def test_two_columns_of_prose_are_read_one_after_the_other():
    found = lines(
        (10, 0, "A letter"), (250, 0, "2026"),
        *((10, 40 + 14 * n, text) for n, text in enumerate(LEFT)),
        *((250, 44 + 14 * n, text) for n, text in enumerate(RIGHT)),
    )  # fmt: skip
    assert reading_text(found).splitlines() == ["A letter  2026", *LEFT, *RIGHT]


def test_columns_of_a_table_are_read_row_by_row():
    found = lines(*((x, 14 * n, f"cell {n}") for n in range(8) for x in (10, 250)))
    assert reading_text(found).splitlines() == [f"cell {n}  cell {n}" for n in range(8)]


def test_right_to_left_words_are_read_from_the_right():
    assert text_of(words(10, 10, "עולם שלום")) == "שלום עולם"
    assert text_of(words(10, 10, "paid עולם שלום 12")) == "paid שלום עולם 12"
    assert text_of(words(10, 10, "12 עולם שלום")) == "שלום עולם 12"


def test_a_page_without_words_has_no_text():
    assert reading_text([]) == ""
