"""Each thing that does not add up is provoked, and told; nothing else is."""

import gzip
import json

import pytest

from headrace.ledger.records import RunFilter
from tests.memory_store import InMemoryStore
from tests.tasks.conftest import PAID
from tests.verify.conftest import pdf
from workers.verify.findings import Code


def move(store: InMemoryStore, bucket: str, key: str, to: str) -> None:
    head = store.head(bucket, key)
    store.put(bucket, to, store.read(bucket, key), metadata=head.metadata)


def forget(installation, name: str) -> None:
    """The ledger loses a document, as an old copy of it never had it."""
    document = installation.run_of(name).document
    runs = "SELECT id FROM runs WHERE document_id = ?"
    installation.damage(f"DELETE FROM history WHERE run_id IN ({runs})", document.id)
    installation.damage(f"DELETE FROM submissions WHERE run_id IN ({runs})", document.id)
    installation.damage("DELETE FROM runs WHERE document_id = ?", document.id)
    installation.damage("DELETE FROM documents WHERE id = ?", document.id)
    installation.damage("DELETE FROM objects WHERE id = ?", document.object_id)


def doubt(installation, name: str) -> None:
    """The ledger has the document's request in doubt, and its run held for it."""
    run = installation.run_of(name).id
    installation.damage("UPDATE submissions SET state = 'in_doubt', reason = 'worker_died' WHERE run_id = ?", run)
    installation.damage("UPDATE runs SET state = 'held', reason = 'in_doubt' WHERE id = ?", run)


def test_the_marker_of_another_ledger(healthy):
    healthy.store.put("private", "notes/ledger.json", json.dumps({"ledger": "another", "sequence": 1}).encode())
    assert healthy.codes() == ["marker"]


def test_an_object_that_nobody_recorded(healthy):
    healthy.store.put("inbox", "paid/unheard-of.pdf", pdf(1, "unheard of"))
    healthy.store.put("inbox", "paid/no-document.txt", b"of no route")
    assert healthy.codes() == ["object_unknown"]


def test_a_new_content_that_nobody_recorded_is_told_once(healthy):
    healthy.store.put("inbox", "paid/sync.pdf", pdf(1, "another content"))
    assert healthy.codes() == ["object_unknown"]


def test_an_earlier_content_that_lies_there_again(healthy):
    healthy.store.put("inbox", "paid/replaced.pdf", pdf(1, "version 1"))
    assert healthy.codes() == ["not_current"]


def test_an_object_that_is_gone_is_a_notice_until_a_scan_has_found_it(healthy):
    healthy.store.delete("inbox", "paid/sync.pdf")
    assert healthy.codes() == ["object_gone"]
    assert healthy.verify().wrong == 0
    object_id = healthy.run_of("sync").document.object_id
    healthy.damage("UPDATE objects SET gone_at = '2026-11-20 12:00:00' WHERE id = ?", object_id)
    assert healthy.codes() == []


def test_what_headrace_did_not_write(healthy):
    healthy.store.put("private", "notes/submissions/readme.txt", b"whose is it?")
    healthy.store.put("out", "rows/documents/received=2026-11-20/index.html", b"whose is it?")
    assert healthy.codes() == ["stranger", "stranger"]
    assert healthy.codes(RunFilter(route="paid")) == [], "nobody knows of which route it is"


def test_a_run_that_nobody_takes_on(healthy):
    healthy.drop("paid/stuck.pdf", pdf(1, "stuck"))
    assert healthy.codes() == ["stuck"]


def test_a_run_that_is_never_due(healthy):
    healthy.drop("paid/never.pdf", pdf(1, "never"))
    healthy.damage("UPDATE runs SET due_at = NULL WHERE state = 'received'")
    assert healthy.codes() == ["stuck"]


def test_a_request_in_doubt_is_a_notice(healthy):
    doubt(healthy, "rejected")
    healthy.rewrite("private", healthy.note_of("rejected"), outcome="none", reason=None)
    healthy.rewrite("out", manifest_of(healthy, "rejected"), state="held", reason="in_doubt")
    report = healthy.verify()
    assert [finding.code for finding in report.findings] == [Code.IN_DOUBT]
    assert report.wrong == 0


def test_a_doubt_whose_answer_is_known(healthy):
    doubt(healthy, "rejected")
    healthy.rewrite("out", manifest_of(healthy, "rejected"), state="held", reason="in_doubt")
    assert healthy.codes() == ["doubt_is_known", "in_doubt"]


def test_a_revision_that_the_ledger_lost(healthy):
    healthy.damage("DELETE FROM route_revisions WHERE revision = ?", PAID.revision)
    healthy.ledger._routes.clear()
    assert set(healthy.codes()) == {"revision_lost"}


def test_a_note_that_is_gone(healthy):
    healthy.store.delete("private", healthy.note_of("sync"))
    assert healthy.codes() == ["note_missing"]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\x00", b"[" * 5000])
def test_a_note_that_cannot_be_read(healthy, body):
    healthy.store.put("private", healthy.note_of("sync"), body)
    assert healthy.codes() == ["note_damaged"]


def test_an_accepted_job_that_its_note_does_not_name_is_a_notice(healthy):
    healthy.damage(
        "UPDATE submissions SET state = 'accepted' WHERE run_id = ?", healthy.run_of("given-up").id
    )  # of two submissions both, so that this is told too
    healthy.damage("DELETE FROM submissions WHERE run_id = ? AND n = 2", healthy.run_of("given-up").id)
    healthy.rewrite("private", healthy.note_of("given-up"), outcome="none", job=None, reason=None)
    codes = healthy.codes()
    assert "note_without_job" in codes


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt": 7},
        {"outcome": "refused", "job": None},
        {"document": {"bucket": "inbox", "key": "paid/other.pdf", "etag": "0"}},
    ],
    ids=["a later attempt", "another outcome", "another document"],
)
def test_a_note_that_says_otherwise(healthy, changes):
    healthy.rewrite("private", healthy.note_of("sync"), **changes)
    assert healthy.codes() == ["note_differs"]


def test_a_note_of_a_submission_that_the_ledger_has_forgotten(healthy):
    note = healthy.note_of("sync")
    move(healthy.store, "private", note, note.replace("all-1.json", "all-2.json"))
    assert healthy.codes() == ["note_unknown"]


def test_a_document_that_the_ledger_has_forgotten(healthy):
    forget(healthy, "sync")
    assert healthy.codes() == ["manifest_unknown", "note_unknown", "object_unknown"]
    assert healthy.codes(RunFilter(route="free")) == []
    assert healthy.codes(RunFilter(bucket="inbox", prefix="paid/s")) == [
        "manifest_unknown",
        "note_unknown",
        "object_unknown",
    ]


def answer_of(installation, name: str) -> str:
    (key,) = installation.keys("private", f"/{installation.run_of(name).document.id}/1/nanonets-all-1/prediction")
    return key


def manifest_of(installation, name: str) -> str:
    (key,) = installation.keys(
        "out", f"rows/documents/received=2026-11-20/{installation.run_of(name).document.object_id}.json"
    )
    return key


def test_an_exported_run_without_its_answer(healthy):
    healthy.store.delete("private", answer_of(healthy, "sync"))
    assert healthy.codes() == ["answer_missing"]


@pytest.mark.parametrize("body", [b"", b"no gzip", gzip.compress(b"no JSON", mtime=0), gzip.compress(b"{}", mtime=0)])
def test_an_answer_that_cannot_be_read(healthy, body):
    healthy.store.put("private", answer_of(healthy, "sync"), body)
    assert healthy.codes() == ["answer_damaged"]


def test_an_answer_that_nothing_uses(healthy):
    healthy.damage("UPDATE submissions SET state = 'rejected' WHERE run_id = ?", healthy.run_of("async").id)
    assert "answer_unused" in healthy.codes()


def test_an_answer_of_a_submission_that_the_ledger_has_forgotten(healthy):
    answer = answer_of(healthy, "sync")
    move(healthy.store, "private", answer, answer.replace("-all-1/", "-all-2/"))
    assert healthy.codes() == ["answer_unused"]


def test_another_job_in_the_note_or_in_the_answer(healthy):
    healthy.rewrite("private", healthy.note_of("async"), job="another")
    assert healthy.codes() == ["two_jobs"]


def test_two_jobs_that_the_note_itself_tells_of(healthy):
    healthy.rewrite("private", healthy.note_of("async"), others=["another"])
    assert healthy.codes() == ["two_jobs"]


def test_one_job_under_two_submissions(healthy):
    shared = healthy.ledger.submissions(healthy.run_of("async").id)[0].job
    healthy.damage("UPDATE submissions SET job = ? WHERE run_id = ?", shared, healthy.run_of("sync").id)
    assert healthy.codes() == ["shared_job", "two_jobs"]


def test_two_submissions_of_one_run_that_were_both_taken(healthy):
    """The first was given up by the provider; were it answered, both would have been paid."""
    run = healthy.run_of("given-up").id
    healthy.damage("UPDATE submissions SET state = 'accepted' WHERE run_id = ? AND n = 1", run)
    assert "paid_twice" in healthy.codes()


def test_a_submission_that_was_abandoned_and_sent_again_is_a_notice(healthy):
    run = healthy.run_of("given-up").id
    healthy.damage("UPDATE submissions SET state = 'abandoned' WHERE run_id = ? AND n = 1", run)
    healthy.rewrite("private", healthy.note_of("given-up"), outcome="abandoned", job=None)
    report = healthy.verify()
    assert [finding.code for finding in report.findings] == [Code.PERHAPS_PAID_TWICE]
    assert report.wrong == 0


def test_an_abandoned_submission_that_turned_out_to_be_taken(healthy):
    run = healthy.run_of("given-up").id
    healthy.damage("UPDATE submissions SET state = 'abandoned' WHERE run_id = ? AND n = 1", run)
    healthy.rewrite("private", healthy.note_of("given-up"), outcome="abandoned", job="job-first")
    assert healthy.codes() == ["paid_twice"]


def test_a_manifest_that_is_gone(healthy):
    healthy.store.delete("out", manifest_of(healthy, "sync"))
    assert healthy.codes() == ["manifest_missing"]


def test_a_manifest_that_cannot_be_read(healthy):
    healthy.store.put("out", manifest_of(healthy, "sync"), b"{")
    assert healthy.codes() == ["manifest_damaged"]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "failed"},
        {"reason": "poison"},
        {"pages": 3},
        {"cost": 1.5},
        {"etag": "another"},
        {"run": 2},
        {"published": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_manifest_that_says_otherwise(healthy, changes):
    healthy.rewrite("out", manifest_of(healthy, "sync"), **changes)
    (finding,) = healthy.verify().findings
    assert finding.code is Code.MANIFEST_DIFFERS


def test_a_manifest_of_an_older_run(healthy):
    """The rows of the earlier content stand, though a later one was exported."""
    manifest = manifest_of(healthy, "replaced")
    runs = [run for run in healthy.ledger.runs(RunFilter(latest=False), 100) if run.document.key == "paid/replaced.pdf"]
    older = min(runs, key=lambda run: run.document.last_modified)
    there = json.loads(healthy.store.read("out", manifest))["published"]
    healthy.rewrite("out", manifest, published=there | {"document": older.document.id})
    assert healthy.codes() == ["manifest_differs"]


def test_the_facts_of_a_run_that_are_gone(healthy):
    (facts,) = healthy.keys("private", f"/{healthy.run_of('damaged').document.id}/1/run.json")
    healthy.store.delete("private", facts)
    assert healthy.codes() == ["run_facts_missing"]


def rows_of(installation, name: str, kind: str) -> str:
    (key,) = installation.keys("out", f"{kind}/received=2026-11-20/{installation.run_of(name).document.object_id}")
    return key


def test_a_file_that_the_manifest_names_and_that_is_gone(healthy):
    healthy.store.delete("out", rows_of(healthy, "sync", "csv/cells"))
    assert healthy.codes() == ["file_missing"]


def test_a_file_of_another_run_or_of_nobody(healthy):
    store, of_sync = healthy.store, rows_of(healthy, "sync", "json/fields")
    move(store, "out", rows_of(healthy, "async", "json/fields"), of_sync)
    store.put("out", rows_of(healthy, "sync", "csv/fields"), store.read("out", rows_of(healthy, "sync", "csv/fields")))
    assert healthy.codes() == ["file_of_another_run", "file_of_another_run"]


@pytest.mark.parametrize("kind", ["json/fields", "json/cells", "csv/table_rows"])
@pytest.mark.parametrize("name", ["sync", "parts"])
def test_rows_that_are_not_those_of_the_stored_answer(healthy, name, kind):
    key = rows_of(healthy, name, kind)
    lines = healthy.store.read("out", key).splitlines(keepends=True)
    healthy.store.put("out", key, b"".join(lines[:-1]), metadata=healthy.store.head("out", key).metadata)
    assert healthy.codes() == ["rows_differ"]


def test_a_changed_value_in_a_row(healthy):
    key = rows_of(healthy, "sync", "json/fields")
    changed = healthy.store.read("out", key).replace(b"1.00", b"9.00")
    healthy.store.put("out", key, changed, metadata=healthy.store.head("out", key).metadata)
    assert healthy.codes() == ["rows_differ"]
