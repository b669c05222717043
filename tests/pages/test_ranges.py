import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.ranges import BLOCK_BYTES, Budget, BudgetSpent, RangedFile
from tests.pages.reading import CountingReader

DATA = bytes(range(256)) * (5 * BLOCK_BYTES // 256) + b"the last, short block"
PLENTY = Budget(requests=100, bytes=10 * len(DATA))

_seeks = st.one_of(
    st.tuples(st.integers(0, len(DATA) + 9), st.just(io.SEEK_SET)),
    st.tuples(st.integers(-len(DATA), 9), st.just(io.SEEK_END)),
    st.tuples(st.integers(0, 99), st.just(io.SEEK_CUR)),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(_seeks, st.one_of(st.none(), st.integers(-1, 3 * BLOCK_BYTES))), max_size=8))
def test_it_reads_like_a_file_and_asks_for_no_byte_twice(steps):
    reader = CountingReader(DATA)
    ranged, plain = RangedFile(reader, len(DATA), PLENTY), io.BytesIO(DATA)
    for (offset, whence), size in steps:
        assert ranged.seek(offset, whence) == plain.seek(offset, whence)
        assert ranged.read(size) == plain.read(size)
        assert ranged.tell() == plain.tell()
    asked = [
        byte // BLOCK_BYTES for start, length in reader.asked for byte in range(start, start + length, BLOCK_BYTES)
    ]
    assert len(asked) == len(set(asked))


def test_neighbouring_blocks_are_one_request():
    reader = CountingReader(DATA)
    file = RangedFile(reader, len(DATA), PLENTY)
    file.seek(2 * BLOCK_BYTES)
    file.read(1)
    file.seek(0)
    file.read()
    assert reader.asked == [
        (2 * BLOCK_BYTES, BLOCK_BYTES),
        (0, 2 * BLOCK_BYTES),
        (3 * BLOCK_BYTES, len(DATA) - 3 * BLOCK_BYTES),
    ]


@pytest.mark.parametrize("budget", [Budget(requests=1, bytes=len(DATA)), Budget(requests=9, bytes=2 * BLOCK_BYTES)])
def test_past_the_budget_nothing_is_asked_for(budget):
    reader = CountingReader(DATA)
    file = RangedFile(reader, len(DATA), budget)
    file.read(BLOCK_BYTES)
    file.seek(2 * BLOCK_BYTES)
    with pytest.raises(BudgetSpent):
        file.read()
    assert reader.requests == 1


def test_a_raised_budget_goes_on_where_the_old_one_ended():
    reader = CountingReader(DATA)
    file = RangedFile(reader, len(DATA), Budget(requests=0, bytes=0))
    with pytest.raises(BudgetSpent):
        file.read()
    file.budget = PLENTY
    assert file.read() == DATA


def test_there_is_nothing_before_the_start():
    with pytest.raises(ValueError, match="-1"):
        RangedFile(CountingReader(DATA), len(DATA), PLENTY).seek(-1)
