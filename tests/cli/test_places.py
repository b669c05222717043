import contextlib
from datetime import UTC, datetime, timedelta

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.cli.places import Place, parse_place, parse_since

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://inbox", Place("inbox", "")),
        ("s3://inbox/", Place("inbox", "")),
        ("s3://inbox/2024/", Place("inbox", "2024/")),
        ("s3://inbox/a b?#%2F.pdf", Place("inbox", "a b?#%2F.pdf")),  # a key is taken as it is written
        ("s3://inbox//x", Place("inbox", "/x")),
    ],
)
def test_an_s3_address_is_a_bucket_and_a_key_as_written(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["inbox/x.pdf", "http://inbox/x.pdf", "s3://", "s3:///x.pdf", ""])
def test_what_is_no_s3_address_is_said_to_be_none(text):
    with pytest.raises(typer.BadParameter, match="s3://bucket/key"):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("6h", NOW - timedelta(hours=6)),
        ("2d", NOW - timedelta(days=2)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-11-19", datetime(2026, 11, 19, tzinfo=UTC)),
        ("2026-11-19T08:00", datetime(2026, 11, 19, 8, tzinfo=UTC)),
        ("2026-11-19T08:00+02:00", datetime(2026, 11, 19, 6, tzinfo=UTC)),
        ("2026-11-19T08:00Z", datetime(2026, 11, 19, 8, tzinfo=UTC)),
    ],
)
def test_since_is_an_age_or_a_moment_in_utc(text, moment):
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "6 h", "-6h", "6x", "999999w", "٣h"])
def test_what_is_neither_is_a_usage_error(text):
    with pytest.raises(typer.BadParameter):
        parse_since(text, NOW)


@settings(max_examples=200)
@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_since(text):
    with contextlib.suppress(typer.BadParameter):
        assert parse_since(text, NOW).tzinfo is not None
