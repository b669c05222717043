"""The checks of a chaos notice what they are there for."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace.exports import Exporter
from headrace.ledger.records import Run
from headrace.prediction import Prediction
from headrace.routing import Lane, Route
from headrace.states import Mode, Reason, State
from simulator.invented import invent_pages
from simulator.journal import Accepted, File
from simulator.models import LabelRule
from tests.chaos.breaking import Happened
from tests.chaos.checking import Findings, Truth, billed_twice, check_documents, wrongly_priced
from tests.chaos.documents import INBOX, Kind, Planned
from tests.chaos.faults import Fault
from tests.chaos.installation import OUTPUT, PRIVATE
from tests.chaos.ledger_view import Counted, LastRun, Moved
from tests.chaos.limits import (
    PAGES_PER_MINUTE,
    SCARCE_BUDGET,
    Raise,
    Rates,
    over_budget,
    rate_passed,
    wrongly_counted,
)
from tests.chaos.recovery import Recovery, by_run, longest_stands, recovery
from tests.memory_store import InMemoryStore

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = (LabelRule(label="total"),)
PLANNED = Planned(number=1, kind=Kind.SYNC, pages=2, versions=(0, 1), pauses_seconds=(0.0,))
TRUTH = Truth([PLANNED], RULES, seed=1)
NEWEST = PLANNED.document(1)
ROUTE = Route(
    name="paid",
    bucket=INBOX,
    prefix="paid/",
    provider="nanonets",
    model="chaos",
    output=str(OUTPUT),
    private=str(PRIVATE),
    columns=("Description", "Quantity"),
)


def seconds(number):
    return NOON + timedelta(seconds=number)


def exported(version=1):
    document = PLANNED.document(version)
    return Run(
        id=f"{document.id}-1",
        document=document,
        number=1,
        state=State.EXPORTED,
        route="paid",
        revision=ROUTE.revision,
        lane=Lane("nanonets", "nanonets", "chaos"),
        mode=Mode.SYNC,
        pages=2,
        token=3,
        received_at=seconds(version),
        received_on="2026-11-20",
    )


def last_run(run, **other):
    document = run.document
    known = LastRun(run.id, document.id, document.key, run.state, run.reason, detail="", published=True, pages=2)
    return replace(known, **other)


@pytest.fixture
def store():
    """A store where the newest content lies and is published."""
    store = InMemoryStore()
    store.put(INBOX, PLANNED.key, PLANNED.content(1))
    publish(store, exported())
    return store


def publish(store, run, pages=None):
    if pages is None:
        pages = tuple(invent_pages(PLANNED.digest(1), range(2), RULES, 1))
    Exporter(store).publish(run, ROUTE, Prediction(provider="nanonets", model="chaos", pages=pages))


def found(store, run):
    findings = Findings()
    check_documents(store, TRUTH, {} if run is None else {run.document: run}, findings)
    return {name: some for name, some in vars(findings).items() if some}


def test_what_is_right_is_not_told_of(store):
    assert found(store, last_run(exported())) == {}


def test_a_document_that_the_ledger_does_not_know_is_lost(store):
    assert list(found(store, None)) == ["lost"]


def test_a_document_that_failed_for_no_fault_of_its_own_is_lost(store):
    failed = last_run(exported(), state=State.FAILED, reason=Reason.POISON)
    assert list(found(store, failed)) == ["wrong_rows"], "its manifest tells of another end"


def test_doubt_and_work_left_over_are_told_apart(store):
    held = last_run(exported(), state=State.HELD, reason=Reason.IN_DOUBT)
    assert list(found(store, held)) == ["in_doubt"]
    assert list(found(store, last_run(exported(), published=False))) == ["not_ended"]


@pytest.mark.parametrize("kind", ["json/fields", "csv/cells", "json/table_rows"])
def test_a_row_too_few_is_told(store, kind):
    key = next(head.key for page in store.list(OUTPUT.bucket, "") for head in page if f"/{kind}/" in head.key)
    body = store.read(OUTPUT.bucket, key)
    store.put(OUTPUT.bucket, key, body[: body.rstrip().rindex(b"\n") + 1])
    ((wrong,),) = found(store, last_run(exported())).values()
    assert key in wrong["why"]


def test_rows_that_were_invented_for_another_content_are_told(store):
    publish(store, exported(), tuple(invent_pages(PLANNED.digest(0), range(2), RULES, 1)))
    assert list(found(store, last_run(exported()))) == ["wrong_rows"]


def accepted(submission, digest, pages=(0, 1), at=0.0):
    file = File(
        id=submission,
        model="chaos",
        name="a.pdf",
        suffix=".pdf",
        metadata=json.dumps({"headrace": submission}),
        asynchronous=False,
        pages=pages,
        page_ids=(),
        digest=digest,
        accepted_at=0,
        ready_at=0,
    )
    return Accepted(account="key", submission=submission, arrived_at=at, files=(file,))


def test_a_content_that_was_billed_under_two_keys_was_billed_twice():
    bill = [accepted("a", "one"), accepted("b", "two"), accepted("c", "one")]
    assert [each["submissions"] for each in billed_twice(bill)] == [["a", "c"]]


def test_pages_that_a_document_does_not_have_are_told():
    right, wrong = accepted("a", PLANNED.digest(0)), accepted("b", PLANNED.digest(1), pages=(0, 1, 2))
    assert [each["submissions"] for each in wrongly_priced([right, wrong], TRUTH)] == [["b"]]


def test_a_minute_with_more_pages_than_are_allowed_is_told():
    half = tuple(range(PAGES_PER_MINUTE // 2))
    bill = [accepted(name, name, half, at) for name, at in (("a", 10), ("b", 50), ("c", 70))]
    assert rate_passed(Rates.of(bill)) == []
    late = accepted("d", "d", pages=(0,), at=71)
    (passed,) = rate_passed(Rates.of([*bill, late]))
    assert (passed["pages"], passed["at"]) == (PAGES_PER_MINUTE + 1, 71)


def test_what_arrives_before_its_budget_was_raised_is_told():
    bill = [accepted("a", "one", at=5), accepted("b", "two", at=9), accepted("c", "other", at=9)]
    routes = {"one": SCARCE_BUDGET, "two": SCARCE_BUDGET, "other": "paid"}

    def told(raised_at):
        raises = [Raise(datetime.fromtimestamp(raised_at, UTC), pages=2)]
        return [each["submissions"] for each in over_budget(bill, routes, {SCARCE_BUDGET: 2}, raises)]

    assert told(8) == []
    assert told(10) == [["b"]]


def test_the_ledger_must_count_what_was_billed_but_for_what_is_in_doubt():
    bill = [accepted("a", "one"), accepted("b", "two")]
    routes = {"one": "paid", "two": "thrifty"}

    def told(paid, thrifty, in_doubt=0):
        counted = {"paid": paid, "thrifty": thrifty}
        return [each["route"] for each in wrongly_counted(bill, routes, counted, in_doubt)]

    right = Counted(2, 0)
    assert told(right, right) == []
    assert told(right, Counted(3, 0)) == ["thrifty"]
    assert told(Counted(1, 0), right) == ["paid"]
    assert told(Counted(0, 2), right) == ["paid"], "nothing may stay promised"
    assert told(Counted(0, 2), right, in_doubt=2) == []


def happened(*under_way, back=2.0):
    fault = Fault(1, 0.0, "kill s3", "kill", "s3")
    return Happened(fault, NOON, seconds(back), frozenset(under_way))


def moves(*those):
    return [Moved(run, seconds(at), event, None) for run, at, event in those]


def test_recovery_counts_from_the_server_being_back_until_the_first_and_the_last_run_moved():
    after = moves(("a", -5, "admitted"), ("a", 3, "predicted"), ("b", 9, "predicted"), ("c", 99, "predicted"))
    assert recovery(happened("a", "b"), by_run(after)) == Recovery(first=1.0, all=7.0)


def test_a_run_that_never_moved_again_is_not_passed_over():
    assert recovery(happened("a", "b"), by_run(moves(("a", 3, "predicted")))) == Recovery(first=1.0, all=None)


def test_where_nothing_was_under_way_nothing_is_measured():
    assert recovery(happened(), {}) is None


def test_a_run_stands_still_between_two_moves_and_not_after_its_end():
    stood = moves(("a", 0, "admitted"), ("a", 4, "predicted"), ("a", 5, "exported"), ("a", 6, "published"))
    assert longest_stands([*stood, *moves(("a", 60, "exported"))]) == {
        "admitted": (4.0, "a"),
        "predicted": (1.0, "a"),
        "exported, until its manifest": (1.0, "a"),
    }
