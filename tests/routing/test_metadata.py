"""The user's own metadata: from the route, the key and the object."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.key_pattern import check_pattern, names_in
from headrace.routing import metadata_of
from tests.routing.test_routing import route


@pytest.mark.parametrize(
    ("pattern", "key", "names"),
    [
        ("{vendor}/{po}.pdf", "acme/4711.pdf", {"vendor": "acme", "po": "4711"}),
        ("{vendor}/{po}.pdf", "acme/4711.PDF", {"vendor": "acme", "po": "4711"}),
        ("{vendor}/{po}.pdf", "Ä & co/4711.pdf.pdf", {"vendor": "Ä & co", "po": "4711.pdf"}),
        ("{vendor}/{po}.pdf", "4711.pdf", {}),
        ("{vendor}/{po}.pdf", "acme/2026/4711.pdf", {}),
        ("{vendor}/{po}.pdf", "/4711.pdf", {}),
        ("{vendor}/{po}.pdf", "acme/.pdf", {}),
        ("{date}-{rest}", "2026-11-20", {"date": "2026", "rest": "11-20"}),
        ("{a}--{b}.pdf", "x---y.pdf", {"a": "x", "b": "-y"}),
        ("in/{year}/{name}", "IN/2026/a\nb.pdf", {"year": "2026", "name": "a\nb.pdf"}),
        ("(x)[.]*/{a}", "(x)[.]*/b", {"a": "b"}),
    ],
)
def test_a_pattern_names_parts_of_a_key(pattern, key, names):
    assert names_in(pattern, key) == names


@pytest.mark.parametrize("pattern", ["plain", "", "{a}{b}", "{a}/{a}", "{A}", "{}", "{a", "a}", "{a}/{b-c}", "{1}"])
def test_what_is_no_pattern_says_what_to_do(pattern):
    with pytest.raises(ValueError, match=r"^\"") as caught:
        check_pattern(pattern)
    assert any(word in str(caught.value) for word in ("write", "give", "put", "as in"))


WORDS = st.text(st.characters(exclude_characters="/-", exclude_categories=("Cs",)), min_size=1, max_size=8)


@settings(max_examples=100)
@given(st.lists(WORDS, min_size=1, max_size=4), st.sampled_from(["/", "-", "--/"]))
def test_what_a_pattern_put_together_it_takes_apart(words, between):
    pattern = between.join(f"{{n{index}}}" for index in range(len(words)))
    assert list(names_in(pattern, between.join(words)).values()) == words


def test_a_hostile_key_takes_no_time():
    started = time.process_time()
    assert names_in("{a}-{b}-{c}-{d}-{e}-x{f}.pdf", "-" * 1024) == {}
    assert names_in("{a}-{b}-{c}-{d}-{e}x{f}.pdf", "a-" * 512) == {}
    assert time.process_time() - started < 0.5


def test_the_route_stands_above_the_key_and_the_key_above_the_object():
    given_route = route(prefix="in/", key_pattern="{vendor}/{po}.pdf", metadata={"team": "payables", "vendor": "route"})
    found = metadata_of(given_route, "in/acme/1.pdf", {"team": "mine", "po": "2", "colour": "red"})
    assert found == {"team": "payables", "vendor": "route", "po": "1", "colour": "red"}


def test_a_route_without_a_pattern_leaves_the_key_alone():
    assert metadata_of(route(), "in/acme/1.pdf", {}) == {}
