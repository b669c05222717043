"""Sequencers order the drops of one key, and the ledger and the exports read them alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import sequencer
from headrace.exports.order import Age
from headrace.exports.order import Order as PublishedOrder
from headrace.ledger import standing
from tests.exports.rows import LAST_MODIFIED, document, run

SEQUENCERS = st.none() | st.text("0123456789abcdefABCDEF", min_size=1, max_size=20) | st.text(max_size=5)


@given(st.integers(0, 2**64), st.integers(0, 4))
def test_a_sequencer_is_the_number_that_it_spells(number, zeros):
    assert sequencer.place("0" * zeros + f"{number:x}") == sequencer.place(f"{number:X}") == number


@pytest.mark.parametrize("text", [None, "", "xyz", "0x1f", "1_0", "-1", "٣", "0a\r\nx: y", "0" * 65])
def test_what_is_no_sequencer_has_no_place(text):
    assert sequencer.place(text) is None
    assert sequencer.spelled(text) is None


@given(SEQUENCERS, SEQUENCERS)
def test_the_ledger_and_the_exports_put_two_drops_in_the_same_order(one, other):
    told = [document(modified=LAST_MODIFIED, sequencer=text) for text in (one, other)]
    by_ledger = standing.compare(*told)
    mine, theirs = (PublishedOrder.of(run(each)) for each in told)
    alike = {
        standing.Order.NEWER: Age.NEWER,
        standing.Order.OLDER: Age.OLDER,
        standing.Order.UNDECIDED: Age.EQUAL,  # one content, and nothing else differs
    }
    assert mine.compare(theirs) is alike[by_ledger]
