"""Every value of a TOML file is found on its line."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.toml_lines import Path, locate, nearest_line

TRICKY = '''\
# a comment with [brackets] and "quotes"
title = "x # no comment"
when = 1979-05-27 07:32:00 # a space in a scalar
"quoted \\u00e9 key" . 'li.teral' = 1
dotted.key.here = true

[[routes]]
name = """
[[routes]]
name = "inside a string\\""
"""
suffixes = [
  ".pdf", # one
  # a comment between
  ".png",
]
[routes.poll]
first_seconds = 5.0
[[routes.fields]]
label = "a"
[[routes.fields]]
label = 'b'
synonyms = []

[[routes]]
name = \'\'\'it''s\'\'\'
fields = [
  {label = "x", synonyms = ["y", "z"]},
  { label = "w" },
]
poll = {}
[[routes.fields2]]
deep.er = [[1, 2],
  [3]]
[last]
end = 1e3'''


def paths(value: Any, at: Path = ()) -> set[Path]:
    if isinstance(value, dict):
        return {at}.union(*(paths(child, (*at, key)) for key, child in value.items()))
    if isinstance(value, list):
        return {at}.union(*(paths(child, (*at, index)) for index, child in enumerate(value)))
    return {at}


def test_every_value_of_a_tricky_document_has_a_line():
    assert set(locate(TRICKY)) == paths(tomllib.loads(TRICKY)) - {()}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("quoted é key", "li.teral"), 4),
        (("routes", 0), 7),
        (("routes", 0, "name"), 8),
        (("routes", 0, "suffixes", 1), 15),
        (("routes", 0, "poll", "first_seconds"), 18),
        (("routes", 0, "fields", 1, "label"), 22),
        (("routes", 1), 25),
        (("routes", 1, "fields", 1, "label"), 29),
        (("routes", 1, "fields2", 0, "deep", "er", 1, 0), 34),
        (("last", "end"), 36),
    ],
)
def test_a_value_is_on_its_line(path, line):
    assert locate(TRICKY)[path] == line


def test_windows_line_ends_count_once():
    assert locate("a = 1\r\n\r\n[b]\r\nc = 2\r\n")[("b", "c")] == 4


def test_a_missing_value_is_looked_for_where_its_table_stands():
    lines = locate("\n[[routes]]\nname = 'a'\n")
    assert nearest_line(lines, ("routes", 0, "bucket")) == 2
    assert nearest_line(lines, ("lanes", 0)) == 1


KEYS = st.text("abc-_", min_size=1, max_size=3) | st.text(max_size=4)
SCALARS = (
    st.booleans() | st.integers(-99, 99) | st.text(max_size=12) | st.dates() | st.sampled_from(["#", "]]", '"""', "="])
)


def quoted(text: str) -> str:
    return '"' + "".join(char if char.isalnum() and char.isascii() else f"\\U{ord(char):08X}" for char in text) + '"'


def written(value: Any, newline: str) -> str:
    """A TOML value with line breaks wherever TOML 1.0 allows them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(child, newline)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + newline + ("," + newline).join(written(child, newline) for child in value) + newline + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value) if "\n" in value or "'" in value or not value.isprintable() else f"'{value}'"
    return str(value)


VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


@settings(max_examples=60)
@given(
    top=st.dictionaries(KEYS, VALUES, max_size=3),
    rows=st.lists(st.dictionaries(KEYS, VALUES, max_size=3), min_size=1, max_size=3),
    newline=st.sampled_from(["", "\n", " # ] , }\n\n"]),
)
def test_every_value_of_any_document_has_a_line(top, rows, newline):
    top.pop("rows", None)
    text = "\n".join(f"{quoted(key)} = {written(value, newline)}" for key, value in top.items())
    for row in rows:
        text += "\n[[ rows ]] # header\n"
        text += "\n".join(f"{quoted(key)} = {written(value, newline)}" for key, value in row.items())
    assert set(locate(text)) == paths(tomllib.loads(text)) - {()}
