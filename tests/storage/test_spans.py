"""What lies between two keys of a listing is found in the ledger's order, whatever the store's."""

import random

import pytest

from headrace.storage.sections import by_bytes, by_folders
from headrace.storage.spans import Span, below, between_by_bytes, between_by_folders, within

ORDERS = pytest.mark.parametrize(
    ("place", "between"), [(by_bytes, between_by_bytes), (by_folders, between_by_folders)], ids=["bytes", "folders"]
)


def lies_in(span, key):
    return span.start <= key and (span.stop is None or key < span.stop)


def some_keys(letters, how_many=600):
    chance = random.Random(4)
    return sorted({"".join(chance.choices(letters, k=chance.randint(1, 6))) for _ in range(how_many)})


@ORDERS
@pytest.mark.parametrize("letters", ["a/!0b", "/.\ud7ff\ue000\U0010fffe\x01"], ids=["usual", "edges"])
def test_between_two_keys_lies_what_the_store_lists_there_and_in_one_span_only(place, between, letters):
    keys = some_keys(letters)
    listed = sorted(keys, key=place)
    chance = random.Random(5)
    for _ in range(600):
        first = chance.randrange(-1, len(listed) - 1)
        last = chance.randrange(first + 1, min(len(listed), first + 40))
        after = listed[first] if first >= 0 else ""
        to_the_end = chance.random() < 0.1
        spans = between(after, None if to_the_end else listed[last])
        found = [key for key in keys for span in spans if lies_in(span, key)]
        assert sorted(found) == sorted(listed[first + 1 : None if to_the_end else last + 1])


def test_a_page_in_one_folder_is_few_spans():
    assert len(between_by_bytes("in/2026/0001.pdf", "in/2026/1000.pdf")) == 1
    assert len(between_by_folders("in/2026/0001.pdf", "in/2026/1000.pdf")) <= 12


def test_what_lies_outside_a_prefix_is_cut_off():
    keys = some_keys("a/!0b")
    for prefix in ("", "a", "a/", "b/!"):
        spans = within(between_by_folders("", None), below(prefix))
        assert [key for key in keys for span in spans if lies_in(span, key)] == [
            k for k in keys if k.startswith(prefix)
        ]
    assert within([Span("x", "y")], below("a/")) == []
