"""A long body is taken apart while it arrives."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.providers.nanonets.answers import UnreadableBody
from headrace.providers.nanonets.splitting import Splitter
from headrace.providers.nanonets.windows import records_in
from tests.nanonets.samples import stored, stored_page

BODY = stored(stored_page(0, ocr='a ü 😀 \\ " ]},'), stored_page(1), moderated=[stored_page(2)])


def pieces(text, size):
    body = text if isinstance(text, bytes) else text.encode()
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10**6])
@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (",", ":")}])
def test_it_does_not_matter_where_a_body_is_cut(size, style):
    found = list(records_in(pieces(json.dumps(BODY, **style), size)))
    assert found == [*BODY["moderated_images"], *BODY["unmoderated_images"]]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    first=st.none() | st.lists(JSON, max_size=5),
    others=st.dictionaries(st.text(), JSON, max_size=3),
    size=st.integers(1, 50),
)
def test_the_elements_are_those_that_a_whole_reading_finds(first, others, size):
    body = {**others, "wanted": first, "more": 1.5}
    found = (text for _, text in Splitter(pieces(json.dumps(body), size)).elements({"wanted"}))
    assert [json.loads(element) for element in found] == (first or [])


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(json.dumps(BODY)) - 1), size=st.integers(1, 200))
def test_a_body_that_breaks_off_never_passes_for_whole(cut, size):
    with pytest.raises(UnreadableBody):
        list(records_in(pieces(json.dumps(BODY)[:cut], size)))


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(json.dumps(BODY)) - 1), byte=st.binary(min_size=1, max_size=1))
def test_a_damaged_body_is_read_or_told(at, byte):
    body = json.dumps(BODY).encode()
    with suppress(UnreadableBody):
        assert all(isinstance(record, dict) for record in records_in([body[:at] + byte + body[at + 1 :]]))


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "null",
        "[]",
        "<html>",
        "{}",
        '{"message": "Success"}',
        '{"moderated_images": 7}',
        '{"moderated_images": {"a": []}}',
        '{"moderated_images": []} x',
        '{"moderated_images": [] "x": 1}',
        '{"moderated_images": [],}',
        '{"moderated_images": [{},]}',
        '{"moderated_images": [1]}',
        '{"moderated_images": ["x"]}',
        '{1: 2, "moderated_images": []}',
        '{"moderated_images": [' + '{"a":' * 100_000,
        '{"a": ' + "[" * 100_000,
    ],
)
def test_what_is_no_window_is_told(body):
    with pytest.raises(UnreadableBody):
        list(records_in([body.encode()]))


@pytest.mark.parametrize(
    "body", ['{"moderated_images": null}', '{"x": 1, "unmoderated_images": []}', '\ufeff{"moderated_images": []} ']
)
def test_a_window_may_be_empty(body):
    assert list(records_in([body.encode()])) == []


def test_the_records_before_the_damage_have_been_given():
    records = records_in([b'{"moderated_images": [{"id": "a"}, {"id": "b"}, ', b"<html>"])
    assert [next(records), next(records)] == [{"id": "a"}, {"id": "b"}]
    with pytest.raises(UnreadableBody):
        next(records)


def test_one_record_that_is_too_large_is_told_and_not_kept():
    text = json.dumps({"moderated_images": [{"raw_ocr": "x" * 300_000}]})
    with pytest.raises(UnreadableBody, match="too large"):
        list(records_in(pieces(text, 1000), most_characters=100_000))
    assert len(list(records_in(pieces(text, 1000), most_characters=400_000))) == 1


def test_what_stands_beside_the_lists_may_be_longer_than_a_record():
    links = {f"uploadedfiles/{number}.jpeg": {"original": "https://x/" + "y" * 80} for number in range(3000)}
    text = json.dumps({"signed_urls": links, "unmoderated_images": [{"id": "a"}], "more": [links, [1, 2]]})
    assert len(text) > 600_000
    assert list(records_in(pieces(text, 5000), most_characters=300_000)) == [{"id": "a"}]


def test_numbers_are_read_as_everywhere_else():
    text = '{"moderated_images": [{"a": NaN, "b": 1e999, "c": %s, "d": 1.5, "e": "\\ud800"}]}' % ("9" * 5000)
    assert list(records_in(pieces(text, 11))) == [{"a": None, "b": None, "c": None, "d": 1.5, "e": "\ufffd"}]
