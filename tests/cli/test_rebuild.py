"""`headrace rebuild`: asks, makes the ledger the bucket's own, and says what came of it."""

import json

import pytest

from headrace.ledger.marker import Marker
from headrace.states import State
from headrace.storage import Location
from headrace.storage.answers import Answers
from workers.cli.exits import Exit

PLACE = Location("private", "headrace")


@pytest.fixture
def lost(headrace):
    """An installation whose bucket is another, lost ledger's, with one failed run of it; the marker's key."""
    marker = PLACE.key("ledger.json")
    headrace.store.put("private", marker, json.dumps({"ledger": "lost", "sequence": 5}).encode())
    document = headrace.drop("nanonets/a.pdf")
    run = headrace.bring_to(document, State.FAILED, pages=2, detail="It would not.")
    Answers(headrace.store).keep_run_facts(PLACE, run)
    headrace.ledger.close()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (headrace.folder / name).unlink(missing_ok=True)
    headrace.ledger.migrate()
    return marker


def check(headrace):
    from headrace.clock import SystemClock

    Marker(headrace.store, headrace.ledger, SystemClock()).check(PLACE)


def test_it_asks_and_then_says_what_was_put_back(headrace, lost):
    result = headrace("rebuild", answer="y\n")
    assert result.exit_code == Exit.OK, result.output
    assert "s3://private/headrace: 0 notes and 1 run with files." in result.stderr
    assert "The ledger is rebuilt: 1 run put back." in result.stdout
    assert "failed" in result.stdout
    check(headrace)


def test_who_says_no_changes_nothing(headrace, lost):
    before = headrace.store.read("private", lost)
    result = headrace("rebuild", answer="n\n")
    assert result.exit_code == Exit.FAILED
    assert headrace.store.read("private", lost) == before
    assert not headrace.ledger.holds_documents()


def test_where_nobody_can_be_asked_it_wants_to_be_told(headrace, lost):
    assert headrace("rebuild").exit_code == Exit.USAGE
    assert headrace("rebuild", "--yes").exit_code == Exit.OK


def test_a_dry_run_only_looks(headrace, lost):
    before = headrace.store.read("private", lost)
    told = json.loads(headrace("rebuild", "--dry-run", "--json").stdout)
    assert told == {
        "needed": True,
        "dry_run": True,
        "ledger": "lost",
        "places": ["s3://private/headrace"],
        "notes": 0,
        "runs": 1,
        "resumed": False,
    }
    assert headrace.store.read("private", lost) == before


def test_a_file_that_cannot_be_used_is_named_and_ends_with_a_code(headrace, lost):
    (run,) = [key for key in headrace.store.keys("private") if key.endswith("run.json")]
    headrace.store.put("private", run, b"{")
    result = headrace("rebuild", "--yes", "--json")
    assert result.exit_code == Exit.FAILED
    told = json.loads(result.stdout)
    assert told["problem_count"] == 1
    assert told["problems"][0]["place"] == f"s3://private/{run}"
    check(headrace)


def test_a_ledger_that_is_the_buckets_own_has_nothing_to_rebuild(headrace, lost):
    headrace("rebuild", "--yes")
    result = headrace("rebuild")
    assert result.exit_code == Exit.OK
    assert "nothing to rebuild" in result.stdout
    assert json.loads(headrace("rebuild", "--json").stdout) == {"needed": False}


def test_a_ledger_with_documents_of_its_own_is_told_what_to_do(headrace, lost):
    headrace.drop("local/b.pdf")
    result = headrace("rebuild", "--yes")
    assert result.exit_code == Exit.CONFIGURATION
    assert "headrace migrate" in result.stderr
    assert "Traceback" not in result.output
