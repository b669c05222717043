"""Which of two publications is newer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.document import Document
from headrace.exports.order import Age, Order
from tests.exports.rows import LAST_MODIFIED, document, run

LATER = LAST_MODIFIED + timedelta(seconds=1)


def order(**facts) -> Order:
    known = {
        "last_modified": LAST_MODIFIED,
        "sequencer": None,
        "run": 1,
        "token": 1,
        "document": "a",
        "etag": "etag-a",
    }
    return Order(**(known | facts))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (order(run=9, token=9, sequencer="ff"), order(last_modified=LATER)),
        (order(sequencer="0a", run=9), order(sequencer="0b", document="b")),
        (order(sequencer="0A"), order(sequencer="0a1")),
        (order(sequencer="F"), order(sequencer="10")),
        (order(run=1, token=9), order(run=2, token=1)),
        (order(token=1), order(token=2)),
        (order(sequencer="0a", run=1), order(run=2)),  # the same content: no sequencer is needed
    ],
)
def test_the_newer_one_is_newer_and_the_older_one_older(older, newer):
    older, newer = (Order.read(one.metadata()) for one in (older, newer))
    assert newer.compare(older) is Age.NEWER
    assert older.compare(newer) is Age.OLDER


def test_a_publication_is_as_new_as_itself():
    assert order().compare(order()) is Age.EQUAL
    assert order(sequencer="a").compare(order(sequencer="000A")) is Age.EQUAL  # filled up at the left


@pytest.mark.parametrize("sequencers", [(None, None), ("0a", None), (None, "0a")])
def test_other_content_of_the_same_second_without_both_sequencers_is_left_to_the_bucket(sequencers):
    ours, theirs = order(sequencer=sequencers[0]), order(sequencer=sequencers[1], document="b", etag="etag-b", run=7)
    assert ours.compare(theirs) is Age.UNDECIDED
    assert ours.settle(theirs, "etag-a") is Age.NEWER
    assert ours.settle(theirs, "etag-b") is Age.OLDER
    for current in (None, "etag-c"):  # neither is there any more: all workers decide alike
        assert {ours.settle(theirs, current), theirs.settle(ours, current)} == {Age.NEWER, Age.OLDER}


orders = st.builds(
    Order,
    last_modified=st.none()
    | st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    ),
    sequencer=st.none() | st.text("0123456789abcdef", min_size=1, max_size=4),
    run=st.integers(1, 3),
    token=st.integers(1, 3),
    document=st.text("ab", min_size=1, max_size=2),
    etag=st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
)


@given(orders)
def test_an_order_survives_as_metadata(one):
    metadata = one.metadata()
    assert Order.read(metadata) == one
    assert all(text.isascii() and text.isprintable() for text in metadata.values())


@given(st.dictionaries(st.sampled_from(list(order(sequencer="0a").metadata())), st.text(max_size=5)))
def test_metadata_of_somebody_else_is_no_order(metadata):
    assert Order.read(metadata) is None


def test_orders_with_sequencers_stand_in_one_line():
    line = [
        order(sequencer="01", run=2),
        order(sequencer="02", document="b"),
        order(sequencer="03"),
        order(last_modified=LATER, sequencer="01"),
    ]
    for older, newer in pairwise(line):
        assert newer.compare(older) is Age.NEWER
    for some in permutations(line):
        assert all(one.compare(one) is Age.EQUAL for one in some)


def test_a_run_orders_by_its_document_in_whole_seconds():
    of = Document("b", "k", "etag", 1, LAST_MODIFIED + timedelta(microseconds=7), sequencer="00AB")
    made = Order.of(run(of, number=3, token=5))
    assert made == Order(LAST_MODIFIED, "00ab", 3, 5, of.id, "etag")


def test_when_a_document_that_nobody_saw_was_put_there_is_not_known():
    assert Order.of(run(document(modified=None), received_at=LATER)).last_modified is None


def test_what_nobody_saw_is_ordered_by_its_sequencer_else_by_what_lies_there_or_was_told_of_last():
    unseen, seen = order(last_modified=None, document="b", etag="etag-b"), order()
    assert unseen.compare(seen) is seen.compare(unseen) is Age.UNDECIDED
    assert replace(unseen, sequencer="0b").compare(replace(seen, sequencer="0a")) is Age.NEWER
    assert unseen.settle(seen, "etag-a", "b") is Age.OLDER
    assert unseen.settle(seen, None, "b") is Age.NEWER
    assert seen.settle(unseen, None, "b") is Age.OLDER


def test_a_content_that_came_back_stands_where_its_last_drop_is():
    published = order(sequencer="0a")
    again = Document("b", "k", "etag-a", 1, LATER, sequencer="0C")
    assert published.as_known(again) == replace(published, last_modified=LATER, sequencer="0c")
    assert published.as_known(replace(again, sequencer=None)) == order(last_modified=LATER)
    # What the ledger knows less well, or not at all, changes nothing.
    for known in (
        None,
        replace(again, last_modified=None),
        replace(again, last_modified=LAST_MODIFIED - LATER.resolution),
    ):
        assert published.as_known(known) == published


@pytest.mark.parametrize("sequencer", ["", "xyz", "0a\r\nx: y", "0" * 65])
def test_a_sequencer_that_is_none_does_not_count(sequencer):
    assert Order.of(run(document(sequencer=sequencer))).sequencer is None
