import json
from datetime import UTC, datetime

import pytest

from headrace.explanations import explain
from headrace.ledger.parked import parked_event
from headrace.states import Reason, State
from workers.cli.exits import Exit


def test_an_empty_ledger_says_so(headrace):
    result = headrace("status")
    assert result.exit_code == 0
    assert "No document has been recorded yet." in result.stdout


def test_counts_are_by_state_reason_and_route_and_the_reasons_are_explained(headrace):
    for number in range(2):
        headrace.bring_to(headrace.drop(f"local/{number}.pdf"), State.FAILED, Reason.ENCRYPTED)
    headrace.bring_to(headrace.drop("local/good.pdf"), State.EXPORTED, pages=3)
    counted = json.loads(headrace("status", "--json").stdout)["counts"]
    assert [(c["state"], c["reason"], c["route"], c["runs"], c["pages"]) for c in counted] == [
        ("exported", None, "local", 1, 3),
        ("failed", "encrypted", None, 2, 0),
    ]
    shown = headrace("status").stdout
    assert "encrypted: The file opens only with a password" in shown
    assert "3 documents, 3 pages." in shown


def test_no_cost_is_shown_where_none_is_known(headrace):
    headrace.bring_to(headrace.drop("local/good.pdf"), State.EXPORTED, pages=3)
    headrace.bring_to(headrace.drop("nanonets/paid.pdf"), State.SUBMITTED, pages=1, cost=0.25)
    counted = json.loads(headrace("status", "--json").stdout)["counts"]
    assert [count["cost"] for count in counted] == [None, 0.25]
    lines = map(str.strip, headrace("status").stdout.splitlines())
    free, paid = [line for line in lines if line.startswith(("exported", "submitted"))]
    assert free.split()[-1] == "3"
    assert paid.split()[-1] == "0.25"


def test_parked_messages_are_told_below_the_totals(headrace):
    assert "parked" not in headrace("status").stdout
    for number in range(2):
        headrace.ledger.park([parked_event("queue", str(number), b"{}", "It is no event.", datetime.now(UTC))])
    assert headrace("status").stdout.endswith(
        "2 messages of the queues are parked: `headrace events parked` says why.\n"
    )
    assert json.loads(headrace("status", "--json").stdout)["parked_messages"] == 2


def test_runs_are_listed_by_what_narrows_them(headrace):
    failed = headrace.bring_to(headrace.drop("local/a.pdf"), State.FAILED, Reason.ENCRYPTED)
    headrace.bring_to(headrace.drop("nanonets/b.pdf"), State.FAILED, Reason.KEY_REFUSED, pages=2)
    for arguments in (
        ["--reason", "encrypted"],
        ["--state", "failed", "--prefix", "s3://inbox/local/"],
        ["--prefix", "s3://inbox/local/a", "--since", "1h"],
    ):
        listed = json.loads(headrace("status", *arguments, "--json").stdout)
        assert [run["run"] for run in listed["runs"]] == [failed.id], arguments
    assert json.loads(headrace("status", "--route", "local", "--json").stdout)["runs"] == []
    shown = headrace("status", "--state", "failed").stdout
    assert "s3://inbox/local/a.pdf" in shown
    assert "s3://inbox/nanonets/b.pdf" in shown


def test_a_list_says_when_there_is_more(headrace):
    for number in range(3):
        headrace.drop(f"local/{number}.pdf")
    listed = json.loads(headrace("status", "--state", "received", "--limit", "2", "--json").stdout)
    assert len(listed["runs"]) == 2
    assert listed["more"] is True
    assert "--limit" in headrace("status", "--state", "received", "--limit", "2").stdout
    assert "--limit" not in headrace("status", "--state", "received").stdout


def test_one_document_tells_its_whole_history_by_address_id_and_run(headrace):
    document = headrace.drop("nanonets/invoice.pdf")
    headrace.bring_to(document, State.WAITING, pages=4)
    run = headrace.bring_to(document, State.FAILED, Reason.QUOTA_USED_UP, detail="Out of credit.")
    for which in (document.url, document.id, run.id):
        shown = headrace("status", which).stdout
        assert "Run 1: failed (quota_used_up) after" in shown
        assert explain(Reason.QUOTA_USED_UP).remedy in shown
        assert "Out of credit." in shown
        assert "lane: nanonets/nanonets/samples" in shown
        assert "pages: 4 (walked)" in shown
        assert "manifest: s3://outbox/rows/documents/received=" in shown
    told = json.loads(headrace("status", document.url, "--json").stdout)["documents"]
    assert [entry["state"] for entry in told[0]["runs"][0]["history"]] == ["received", "waiting", "failed"]
    assert told[0]["runs"][0]["files"]["answers"] == f"s3://private/headrace/runs/{document.id}/1/"


def test_an_exported_document_says_where_its_rows_are(headrace):
    document = headrace.drop("local/invoice.pdf")
    headrace.bring_to(document, State.EXPORTED, pages=1)
    files = json.loads(headrace("status", document.id, "--json").stdout)["documents"][0]["runs"][0]["files"]
    assert files["fields (csv)"].startswith("s3://outbox/rows/csv/fields/received=")
    assert files["cells (json)"].endswith(f"{document.object_id}.jsonl")


def test_every_content_of_a_key_is_told(headrace):
    first = headrace.drop("local/a.pdf", b"first")
    second = headrace.drop("local/a.pdf", b"second")
    told = json.loads(headrace("status", first.url, "--json").stdout)["documents"]
    assert {document["document"] for document in told} == {first.id, second.id}


@pytest.mark.parametrize("which", ["s3://inbox/unknown.pdf", "0" * 32])
def test_what_the_ledger_does_not_know_is_said_and_fails(headrace, which):
    result = headrace("status", which)
    assert result.exit_code == Exit.FAILED
    assert "knows nothing of" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [["invoice.pdf"], ["--since", "yesterday"], ["--state", "lost"], ["--prefix", "inbox/"], ["--limit", "0"]],
)
def test_wrong_calls_are_usage_errors(headrace, arguments):
    assert headrace("status", *arguments).exit_code == Exit.USAGE


def test_a_hostile_key_is_shown_harmlessly(headrace):
    document = headrace.drop("local/\x1b[2J\u202efdp.pdf")
    headrace.bring_to(document, State.FAILED, Reason.UNREADABLE, detail="\x1b]0;owned\x07")
    for arguments in ([document.id], ["--state", "failed"]):
        shown = headrace("status", *arguments).output
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "\x07" not in shown
