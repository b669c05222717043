"""What people ask the ledger."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, Text, create_engine, insert, select

from headrace.document import Document
from headrace.ledger.records import Advance, Count, RunFilter
from headrace.ledger.rows import below
from headrace.ledger.schema import documents
from headrace.states import Reason, State
from tests.ledger.lives import LANE, MORNING, ROUTED, advanced, claimed, document, exported, received, waiting


def _ids(runs):
    return [run.id for run in runs]


@pytest.fixture
def three(ledger, clock):
    """A failed run, an exported one and a waiting one, a minute apart each."""
    failed = received(ledger, "a")
    ledger.advance(claimed(ledger, failed), Advance(State.FAILED, Reason.UNREADABLE))
    clock.pass_(timedelta(minutes=1))
    out = received(ledger, "b")
    advanced(ledger, out, State.EXPORTED, **{**ROUTED, "cost": 0.25})
    clock.pass_(timedelta(minutes=1))
    return failed, out, waiting(ledger, "c")


def test_runs_are_counted_by_state_reason_and_route(ledger, three):
    assert sorted(ledger.counts(RunFilter()), key=lambda count: count.state) == [
        Count(State.EXPORTED, None, "invoices", 1, 5, 0.25),
        Count(State.FAILED, Reason.UNREADABLE, None, 1, 0, None),
        Count(State.WAITING, None, "invoices", 1, 5, None),
    ]


def test_runs_come_newest_first_page_by_page(ledger, three):
    failed, out, waits = three
    assert _ids(ledger.runs(RunFilter(), 10)) == [waits, out, failed]
    assert _ids(ledger.runs(RunFilter(), 2)) == [waits, out]
    assert _ids(ledger.runs(RunFilter(), 2, after=out)) == [failed]
    assert ledger.runs(RunFilter(), 2, after=failed) == []


def test_pages_of_runs_that_began_at_once_neither_repeat_nor_miss_one(ledger):
    ledger.record([document(f"{number}") for number in range(7)])
    seen, after = [], None
    while page := ledger.runs(RunFilter(), 3, after=after):
        seen += _ids(page)
        after = seen[-1]
    assert len(seen) == len(set(seen)) == 7


def test_a_filter_names_what_matters(ledger, clock, three):
    failed, out, waits = three
    batch = ledger.start_batch("retry", "ann", "")
    for filter_, expected in (
        (RunFilter(state=State.FAILED), [failed]),
        (RunFilter(reason=Reason.UNREADABLE), [failed]),
        (RunFilter(reason=Reason.POISON), []),
        (RunFilter(route="invoices"), [waits, out]),
        (RunFilter(bucket="other"), []),
        (RunFilter(bucket="inbox", prefix="in/b"), [out]),
        (RunFilter(document=document("c").id), [waits]),
        (RunFilter(since=clock.now()), [waits]),
        (RunFilter(since=clock.now() - timedelta(minutes=1)), [waits, out]),
        (RunFilter(state=State.FAILED, since=clock.now()), []),
        (RunFilter(batch=batch), []),
    ):
        assert _ids(ledger.runs(filter_, 10)) == expected, filter_
        assert sum(count.runs for count in ledger.counts(filter_)) == len(expected), filter_


def test_since_means_the_end_of_a_run_that_has_ended(ledger, clock):
    run_id = received(ledger)
    clock.pass_(timedelta(hours=1))
    assert ledger.runs(RunFilter(since=clock.now()), 1) == []
    advanced(ledger, run_id, State.FAILED)
    assert _ids(ledger.runs(RunFilter(since=clock.now()), 1)) == [run_id]


def test_earlier_runs_of_a_document_are_shown_when_asked_for(ledger):
    first = exported(ledger, received(ledger))
    second = ledger.reprocess([document().id], by="ann")[0].run_id
    assert _ids(ledger.runs(RunFilter(), 10)) == [second]
    assert sorted(_ids(ledger.runs(RunFilter(latest=False), 10))) == [first, second]
    assert ledger.latest_run(document().id).id == second
    assert {entry.run_id for entry in ledger.history(document().id)} == {first, second}


def test_what_is_unknown_is_none(ledger):
    assert ledger.run("x-1") is None
    assert ledger.latest_run("x") is None
    assert ledger.document("x") is None
    assert ledger.history("x") == []
    assert ledger.documents_of_object("inbox", "nothing") == []
    assert ledger.known(["x"]) == {}
    assert ledger.known([]) == {}
    assert ledger.submissions("x-1") == []


def test_the_current_content_of_each_key_is_found_by_prefix(ledger):
    for name, etag, minute in (("b", "1", 0), ("a", "1", 0), ("a", "2", 1), ("c", "1", 0)):
        ledger.record([document(name, etag=etag, last_modified=MORNING + timedelta(minutes=minute))])
    found = ledger.documents_at("inbox", "in/", 10)
    assert [(one.key, one.etag) for one in found] == [("in/a.pdf", "2"), ("in/b.pdf", "1"), ("in/c.pdf", "1")]
    assert [one.key for one in ledger.documents_at("inbox", "in/", 1, after="in/a.pdf")] == ["in/b.pdf"]
    assert ledger.documents_at("other", "", 10) == []
    assert [one.etag for one in ledger.documents_of_object("inbox", "in/a.pdf")] == ["2", "1"]


def test_queues_count_what_is_due_now(ledger, clock):
    waiting(ledger, "a")
    received(ledger, "b")
    assert ledger.queue_depths() == {State.WAITING: 1}
    clock.pass_(timedelta(seconds=5))
    assert ledger.queue_depths() == {State.WAITING: 1, State.RECEIVED: 1}


@pytest.mark.parametrize("prefix", ["%", "_", "in/%", "a\0", "\ud800", "in/\U0010ffff"])
def test_a_hostile_prefix_matches_nothing_else(ledger, prefix):
    received(ledger)
    assert ledger.runs(RunFilter(prefix=prefix), 10) == []
    assert ledger.documents_at("inbox", prefix, 10) == []
    assert ledger.retry(RunFilter(prefix=prefix), by="ann") == []


def test_the_lane_of_a_run_is_whole_or_none(ledger):
    assert ledger.run(received(ledger, "a")).lane is None
    assert ledger.run(waiting(ledger, "b")).lane == LANE


_TEXT = st.text(
    st.one_of(
        st.sampled_from("ab/%_\ud7ff\ue000\uffff\U00010000\U0010ffff"), st.characters(codec="utf-8", min_codepoint=1)
    ),
    max_size=4,
)


@given(st.lists(_TEXT, unique=True, max_size=20), _TEXT)
def test_a_prefix_finds_exactly_the_keys_that_start_with_it(keys, prefix):
    engine = create_engine("sqlite://")
    table = Table("documents", MetaData(), Column("key", Text))
    with engine.connect() as connection:
        table.create(connection)
        if keys:
            connection.execute(insert(table), [{"key": key} for key in keys])
        found = set(connection.execute(select(documents.c.key).where(below(prefix))).scalars())
    engine.dispose()
    assert found == {key for key in keys if key.startswith(prefix)}


def test_keys_sort_by_their_bytes_as_s3_lists_them(ledger):
    keys = ["Z", "a", "ä", "z", "\uffff", "\U00010000", "A/b", "a-b", "a b"]
    ledger.record([Document("inbox", key, "e") for key in keys])
    assert [one.key for one in ledger.documents_at("inbox", "", 20)] == sorted(keys, key=str.encode)
