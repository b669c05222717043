"""Where all adds up, nothing is told, nothing is written, and what is under way is left alone."""

import pytest

from headrace.document import Document
from headrace.errors import LedgerUnavailable
from headrace.ledger.records import RunFilter
from headrace.providers import Pending
from headrace.storage.read_only import ReadOnlyStore
from tests.tasks.scripted import accepted, answer
from tests.verify.conftest import pdf
from workers.verify.verifying import BATCH, Scope, Verification


def test_an_installation_in_which_all_went_well_adds_up(healthy):
    report = healthy.verify()
    assert report.findings == []
    assert (report.keys, report.keys_meant, report.documents, report.under_way) == (9, 9, 10, 0)
    assert report.listed == {"documents": 8, "notes": 9, "manifests": 8}


def test_nothing_is_written(healthy):
    healthy.store.calls.clear()
    before = healthy.store._buckets.copy()
    healthy.store.delete("inbox", "paid/sync.pdf")
    healthy.store.calls.clear()
    healthy.verify()
    assert {call for call, _ in healthy.store.calls} == {"head", "read", "list"}
    assert healthy.store._buckets.keys() == before.keys()


def test_a_ledger_that_is_looked_at_refuses_to_write(healthy):
    reader = healthy.ledger.for_reading()
    document = Document("inbox", "paid/new.pdf", "1")
    with pytest.raises(LedgerUnavailable):
        reader.record([document])
    with pytest.raises(LedgerUnavailable):
        reader.claim(healthy.run_of("sync").id, set())
    reader.close()
    healthy.ledger.record([document])


def test_a_store_that_is_looked_at_refuses_to_write(healthy):
    store = ReadOnlyStore(healthy.store)
    for write in (
        lambda: store.put("inbox", "a", b""),
        lambda: store.delete("inbox", "a"),
        lambda: store.create_bucket("a"),
    ):
        with pytest.raises(PermissionError):
            write()


def test_what_is_under_way_is_left_alone(healthy):
    """A job that is polled, and a document that was just dropped: neither is where it will be."""
    provider = healthy.providers["nanonets"]
    provider.submits.append(accepted("job-under-way", pages=5))
    provider.polls.append(Pending("in the queue"))
    healthy.drop("paid/under-way.pdf", pdf(5, "under way"))
    while healthy.app.messages and not healthy.app.messages[0].countdown:
        healthy.deliver()
    healthy.store.put("inbox", "paid/just-dropped.pdf", pdf(1, "just dropped"))
    ledger = healthy.ledger.for_reading()
    report = Verification(ledger, healthy.store, healthy.routes, healthy.clock).verify(Scope(RunFilter(), None, 1))
    ledger.close()
    assert report.findings == []
    assert report.under_way == 1


def test_what_comes_right_while_one_looks_is_not_told(healthy):
    """The run is published between the first look and the second."""
    run = healthy.run_of("sync")
    manifest = healthy.keys("out", f"rows/documents/received=2026-11-20/{run.document.object_id}.json")[0]
    body, head = healthy.store.read("out", manifest), healthy.store.head("out", manifest)
    healthy.store.delete("out", manifest)

    class Restoring(type(healthy.clock)):
        def sleep(self, seconds):
            healthy.store.put("out", manifest, body, metadata=head.metadata)
            super().sleep(seconds)

    ledger = healthy.ledger.for_reading()
    verification = Verification(ledger, healthy.store, healthy.routes, Restoring(healthy.clock.now()))
    assert verification.verify(Scope(RunFilter(), None, 1)).findings == []
    ledger.close()


def test_a_sample_is_half_the_newest_and_the_same_by_its_seed(healthy):
    provider = healthy.providers["nanonets"]
    newest = healthy.drop("paid/newest.pdf", pdf(1, "newest"))
    provider.submits.append(answer(1, job="job-newest"))
    healthy.deliver_all()
    healthy.store.delete("private", healthy.note_of("newest"))
    report = healthy.verify(sample=2, seed=3)
    assert 1 <= report.keys <= 2
    assert report.keys_meant == 10
    assert [finding.run for finding in report.findings] == [newest]
    again = healthy.verify(sample=2, seed=3)
    assert (again.keys, again.findings) == (report.keys, report.findings)
    assert healthy.verify(sample=10).keys == 10, "as many as there are is all"


@pytest.mark.parametrize(
    ("which", "keys"),
    [
        (RunFilter(route="free"), 2),
        (RunFilter(bucket="inbox", prefix="paid/"), 6),
        (RunFilter(bucket="inbox", prefix="paid/s", route="paid"), 1),
        (RunFilter(bucket="another"), 0),
    ],
)
def test_only_what_is_meant_is_looked_at(healthy, which, keys):
    report = healthy.verify(which)
    assert (report.keys, report.keys_meant, report.findings) == (keys, keys, [])


def test_many_documents_are_looked_at_in_pieces_and_told_of_as_it_goes(healthy):
    healthy.ledger.record([Document("inbox", f"else/{number}.pdf", "1") for number in range(2 * BATCH)])
    told = []
    ledger = healthy.ledger.for_reading()
    verification = Verification(
        ledger, healthy.store, healthy.routes, healthy.clock, lambda done, of: told.append((done, of))
    )
    verification.verify(Scope(RunFilter(), None, 1))
    ledger.close()
    assert told == [(BATCH, 209), (2 * BATCH, 209), (209, 209)]
