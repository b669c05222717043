"""Recording documents: each once, and what is told again is noticed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.document import Document
from headrace.errors import LedgerError, StaleClaim
from headrace.ledger.records import Advance, RunFilter
from headrace.ledger.standing import Order, compare
from headrace.states import State
from tests.ledger.lives import MORNING, advanced, claimed, document, events, exported, received

LATER = MORNING + timedelta(minutes=1)
EVENING = MORNING + timedelta(hours=9)


def test_a_new_document_gets_its_first_run(ledger, clock):
    told = document(version_id="v1", sequencer="0A")
    (recorded,) = ledger.record([told])
    assert (recorded.document, recorded.new, recorded.hint) == (told, True, State.RECEIVED)
    run = ledger.run(recorded.run_id)
    assert (run.id, run.number, run.state) == (f"{told.id}-1", 1, State.RECEIVED)
    assert run.document == ledger.document(told.id) == told
    assert (run.received_at, run.created_at, run.received_on) == (clock.now(), clock.now(), "2026-11-20")
    assert run.due_at == clock.now() + timedelta(seconds=5)


def test_a_document_told_twice_is_one(ledger):
    told = document()
    first, second = ledger.record([told, told])
    assert (first.new, second.new, second.hint) == (True, False, None)
    (again,) = ledger.record([told])
    assert (again.new, again.hint) == (False, None)
    assert len(ledger.runs(RunFilter(latest=False), 10)) == 1


def test_quotes_around_an_etag_do_not_matter(ledger):
    ledger.record([document(etag='"abc"')])
    assert ledger.record([document(etag="abc")])[0].new is False


def test_more_documents_than_one_transaction_takes(ledger):
    told = [document(f"{number:04}") for number in range(1003)]
    recorded = ledger.record(told)
    assert [one.document for one in recorded] == told
    assert len({one.run_id for one in recorded}) == 1003
    assert len(ledger.known([one.id for one in told])) == 1003


def test_recorders_at_once_make_one_run_each(ledger, open_ledger):
    told = [document(f"{number}") for number in range(40)]
    orders = [told, told[::-1], told[20:] + told[:20], told[::2] + told[1::2]]
    others = [open_ledger() for _ in orders]
    with ThreadPoolExecutor(len(others)) as pool:
        results = list(pool.map(lambda other, order: other.record(order), others, orders))
    assert sum(one.new for result in results for one in result) == 40
    assert len(ledger.runs(RunFilter(latest=False), 100)) == 40


def test_contents_of_one_key_share_the_day_on_which_it_was_first_seen(ledger, clock):
    ledger.record([document(etag="1")])
    clock.pass_(timedelta(days=3))
    (recorded,) = ledger.record([document(etag="2")])
    run = ledger.run(recorded.run_id)
    assert run.received_on == "2026-11-20"
    assert run.received_at == clock.now()


@pytest.mark.parametrize(
    "key",
    [
        "a'b\"c;--%_\\.pdf",
        "ünï/日本語/🧾.pdf",
        "x" * 1024,
        "\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe\r\n\t",
        "\ufffe\uffff\U0010ffff",
        " ",
    ],
)
def test_any_key_comes_back_as_it_was(ledger, key):
    told = Document("inbox", key, "e")
    ledger.record([told])
    assert ledger.document(told.id) == told
    assert ledger.documents_at("inbox", key, 10) == [told]
    assert ledger.documents_of_object("inbox", key) == [told]


@pytest.mark.parametrize("key", ["a\0b", "a\ud800b"])
def test_a_key_that_cannot_be_is_refused_before_anything_is_written(ledger, key):
    with pytest.raises(LedgerError, match="no S3 key has"):
        ledger.record([document(), Document("inbox", key, "e")])
    assert ledger.runs(RunFilter(), 10) == []


def test_what_is_told_later_fills_gaps_and_raises_the_place_in_the_order(ledger):
    ledger.record([Document("inbox", "k", "e", sequencer="0A")])
    ledger.record([Document("inbox", "k", "e", 7, MORNING, "v1")])
    (known,) = ledger.documents_of_object("inbox", "k")
    assert known == Document("inbox", "k", "e", 7, MORNING, "v1", "0A")
    ledger.record([replace(known, last_modified=LATER, version_id="v2", sequencer="0B")])
    ledger.record([replace(known, last_modified=MORNING, version_id="v1", sequencer="0A")])  # a late duplicate
    (known,) = ledger.documents_of_object("inbox", "k")
    assert known == Document("inbox", "k", "e", 7, LATER, "v2", "0B")


def test_a_sequencer_of_an_earlier_drop_says_nothing_about_a_later_one(ledger):
    ledger.record([document(sequencer="0A", version_id="v1")])
    ledger.record([document(last_modified=LATER)])
    assert ledger.document(document().id) == document(last_modified=LATER)


def test_a_content_that_comes_back_is_published_again_and_nothing_more(ledger, clock):
    first = exported(ledger, ledger.record([document(etag="A")])[0].run_id)
    exported(ledger, ledger.record([document(etag="B", last_modified=LATER)])[0].run_id)
    clock.pass_(timedelta(hours=1))
    (back,) = ledger.record([document(etag="A", last_modified=EVENING)])
    assert (back.run_id, back.new, back.hint) == (first, False, State.EXPORTED)
    run = ledger.run(first)
    assert (run.state, run.published, run.due_at) == (State.EXPORTED, False, clock.now())
    assert run.document.last_modified == EVENING
    ledger.published(claimed(ledger, first))
    assert ledger.record([document(etag="A", last_modified=EVENING)])[0].hint is None


def test_a_content_that_goes_back_and_forth_is_published_each_time(ledger):
    moments = [MORNING + timedelta(minutes=minute) for minute in range(6)]
    told = [document(etag=etag, last_modified=moment) for etag, moment in zip("AB", moments, strict=False)]
    runs = [exported(ledger, ledger.record([one])[0].run_id) for one in told]
    for turn, moment in enumerate(moments[2:]):
        (back,) = ledger.record([document(etag="AB"[turn % 2], last_modified=moment)])
        assert (back.run_id, back.hint) == (runs[turn % 2], State.EXPORTED)


def test_a_late_duplicate_of_an_older_content_changes_nothing(ledger):
    exported(ledger, ledger.record([document(etag="A", sequencer="0A")])[0].run_id)
    second = ledger.record([document(etag="B", last_modified=LATER, sequencer="0B")])[0]
    assert ledger.record([document(etag="A", sequencer="0A")])[0].hint is None
    assert ledger.known([document(etag="A").id, second.document.id]) == {second.document.id: LATER}


def test_contents_of_one_second_count_as_they_are_told(ledger):
    """A listing has no sequencer; where nobody can tell, publishing asks the bucket."""
    a, b = document(etag="A"), document(etag="B")
    first = exported(ledger, ledger.record([a])[0].run_id)
    exported(ledger, ledger.record([b])[0].run_id)
    assert set(ledger.known([a.id, b.id])) == {b.id}, "a watch that sees A must tell of it"
    (back,) = ledger.record([a])
    assert (back.run_id, back.hint) == (first, State.EXPORTED)
    assert set(ledger.known([a.id, b.id])) == {a.id}


def test_events_in_the_wrong_order_leave_the_newer_content_current(ledger):
    newer, older = document(etag="B", sequencer="10"), document(etag="A", sequencer="F")
    ledger.record([newer])
    assert ledger.record([older])[0].hint is State.RECEIVED
    assert list(ledger.known([newer.id, older.id])) == [newer.id]


def test_a_worker_that_publishes_while_its_content_comes_back_has_to_do_it_again(ledger):
    run_id = ledger.record([document(etag="A")])[0].run_id
    advanced(ledger, run_id, State.EXPORTED)
    publishing = claimed(ledger, run_id)
    ledger.record([document(etag="B", last_modified=LATER)])
    assert ledger.record([document(etag="A", last_modified=EVENING)])[0].hint is State.EXPORTED
    with pytest.raises(StaleClaim):
        ledger.published(publishing)
    assert claimed(ledger, run_id).run.document.last_modified == EVENING


def test_an_export_under_way_while_its_content_comes_back_is_done_again(ledger):
    run_id = ledger.record([document(etag="A")])[0].run_id
    advanced(ledger, run_id, State.PREDICTED)
    exporting = claimed(ledger, run_id)
    ledger.record([document(etag="B", last_modified=LATER)])
    assert ledger.record([document(etag="A", last_modified=EVENING)])[0].hint is State.PREDICTED
    with pytest.raises(StaleClaim):
        ledger.advance(exporting, Advance(State.EXPORTED, published=True))


def test_a_run_that_has_not_come_to_publishing_goes_on_undisturbed(ledger):
    run_id = ledger.record([document(etag="A")])[0].run_id
    claim = claimed(ledger, run_id)
    ledger.record([document(etag="B", last_modified=LATER)])
    assert ledger.record([document(etag="A", last_modified=EVENING)])[0].hint is None
    assert ledger.advance(claim, Advance(State.FAILED)).document.last_modified == EVENING


@pytest.mark.parametrize("state", [State.REMOVED, State.SUPERSEDED])
def test_a_content_that_was_never_read_and_is_there_again_gets_its_next_run(ledger, state):
    run_id = received(ledger)
    advanced(ledger, run_id, state)
    (again,) = ledger.record([document(last_modified=LATER)])
    assert (again.new, again.hint) == (True, State.RECEIVED)
    assert again.run_id == f"{document().id}-2"
    assert events(ledger, again.run_id) == ["received again"]


def test_a_superseded_drop_that_is_told_twice_gets_no_further_run(ledger):
    advanced(ledger, received(ledger), State.SUPERSEDED)
    assert ledger.record([document()])[0].hint is None


def test_what_was_gone_is_looked_for_again_however_it_is_told_of(ledger):
    advanced(ledger, received(ledger), State.REMOVED)
    assert ledger.record([document()])[0].hint is State.RECEIVED, "it may have been dropped again within the second"


def test_a_superseded_content_that_returns_within_the_second_gets_its_next_run(ledger):
    advanced(ledger, ledger.record([document(etag="A")])[0].run_id, State.SUPERSEDED)
    ledger.record([document(etag="B")])
    assert ledger.record([document(etag="A")])[0].new


def test_the_exported_run_is_published_again_though_a_later_one_failed(ledger):
    first = exported(ledger, ledger.record([document(etag="A")])[0].run_id)
    (second,) = ledger.reprocess([document(etag="A").id], by="a test")
    advanced(ledger, second.run_id, State.FAILED)
    ledger.record([document(etag="B", last_modified=LATER)])
    assert ledger.record([document(etag="A", last_modified=EVENING)])[0].run_id == first


_TIMES = st.none() | st.sampled_from([MORNING, LATER, EVENING])
_SEQUENCERS = st.none() | st.sampled_from(["1", "0A", "a", "00F", "10", "0055AED6DCD90281E5"])


@given(_TIMES, _SEQUENCERS, _TIMES, _SEQUENCERS)
def test_of_two_tellings_one_is_newer_exactly_if_the_other_is_older(time, sequencer, other_time, other_sequencer):
    one = document(last_modified=time, sequencer=sequencer)
    other = document(last_modified=other_time, sequencer=other_sequencer)
    opposite = {Order.NEWER: Order.OLDER, Order.OLDER: Order.NEWER, Order.UNDECIDED: Order.UNDECIDED}
    assert compare(other, one) is opposite[compare(one, other)]
    assert compare(one, one) is Order.UNDECIDED


def test_sequencers_are_numbers_whatever_their_length():
    assert compare(document(sequencer="10"), document(sequencer="F")) is Order.NEWER
    assert compare(document(sequencer="000F"), document(sequencer="10")) is Order.OLDER
