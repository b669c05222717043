"""`headrace scan` compares buckets with the ledger, and `headrace status` shows what it found."""

import json
from datetime import UTC, datetime, timedelta

from headrace.ledger import Ledger
from headrace.states import State
from tests.clocks import ManualClock
from workers.cli.exits import Exit


def test_what_no_event_told_of_is_taken_up_and_started_on(headrace):
    headrace.drop("local/known.pdf")
    headrace.store.put("inbox", "local/missed.pdf", b"%PDF")
    headrace.store.put("inbox", "local/readme.txt", b"text")
    headrace.store.put("inbox", "nowhere/other.pdf", b"%PDF")
    result = headrace("scan", "--json")
    assert result.exit_code == Exit.OK
    told = {place["place"]: place for place in json.loads(result.stdout)["places"]}
    assert told["s3://inbox/local/"]["listed"] == 3
    assert told["s3://inbox/local/"]["new"] == 1
    assert told["s3://inbox/local/"]["no_documents"] == 1
    assert told["s3://inbox/nanonets/"]["listed"] == 0
    (document,) = headrace.ledger.documents_at("inbox", "local/missed.pdf", 2)
    assert [hint.run_id for hint in headrace.hints.given] == [f"{document.id}-1"]
    assert headrace.ledger.documents_at("inbox", "nowhere/", 2) == []
    assert "Nothing stands still." in headrace("scan").stdout


def test_what_was_removed_is_marked_and_status_shows_it(headrace):
    document = headrace.drop("local/gone.pdf")
    headrace.store.delete("inbox", "local/gone.pdf")
    assert json.loads(headrace("scan", "--json").stdout)["places"][0]["gone"] == 1
    assert "Nothing lies there any more" in headrace("status", "s3://inbox/local/gone.pdf").stdout
    (shown,) = json.loads(headrace("status", document.id, "--json").stdout)["documents"]
    assert shown["gone_at"] is not None
    headrace.store.put("inbox", "local/gone.pdf", b"%PDF")
    headrace("scan")
    (shown,) = json.loads(headrace("status", document.id, "--json").stdout)["documents"]
    assert shown["gone_at"] is None


def test_one_prefix_is_scanned_alone(headrace):
    for key in ("local/a/1.pdf", "local/b/1.pdf"):
        headrace.store.put("inbox", key, b"%PDF")
    (place,) = json.loads(headrace("scan", "s3://inbox/local/a/", "--json").stdout)["places"]
    assert (place["place"], place["listed"], place["new"]) == ("s3://inbox/local/a/", 1, 1)


def test_a_place_of_no_route_is_a_mistake(headrace):
    result = headrace("scan", "s3://inbox/elsewhere/")
    assert result.exit_code == Exit.USAGE
    assert "no route takes anything" in result.output


def test_a_scan_that_was_broken_off_goes_on_and_says_so(headrace):
    headrace.store.create_bucket("inbox")
    begun = headrace.ledger.begin_pass("headrace scan s3://inbox/local/", {})
    headrace.ledger.save_pass(begun, "local/m.pdf", {"listed": 7})
    headrace.store.put("inbox", "local/a.pdf", b"%PDF")
    headrace.store.put("inbox", "local/z.pdf", b"%PDF")
    result = headrace("scan", "s3://inbox/local/", "--json")
    assert "going on" in result.stderr
    assert "local/m.pdf" in result.stderr
    (place,) = json.loads(result.stdout)["places"]
    assert (place["listed"], place["new"]) == (8, 1)
    (place,) = json.loads(headrace("scan", "s3://inbox/local/", "--json").stdout)["places"]
    assert (place["listed"], place["new"]) == (2, 1)


def test_what_stands_still_is_named_with_what_to_do(headrace):
    now = headrace.ledger
    headrace.ledger = Ledger(
        headrace.environ["HEADRACE_LEDGER_URL"], ManualClock(datetime.now(UTC) - timedelta(minutes=16))
    )
    run = headrace.bring_to(headrace.drop("local/stuck.pdf"), State.PREDICTED, pages=1)
    headrace.ledger.close()
    headrace.ledger = now
    headrace.bring_to(headrace.drop("local/new.pdf"), State.PREDICTED, pages=1)
    result = headrace("scan")
    assert result.exit_code == Exit.FAILED
    assert "predicted: its rows were not published" in result.stdout
    assert "s3://inbox/local/stuck.pdf" in result.stdout
    assert "s3://inbox/local/new.pdf" not in result.stdout
    (kind,) = json.loads(headrace("scan", "--json").stdout)["stuck_runs"]
    assert (kind["state"], kind["runs"], kind["first"][0]["run"]) == ("predicted", 1, run.id)
