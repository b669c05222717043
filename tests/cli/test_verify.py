"""`headrace verify`: what it says, its exit codes, and its JSON."""

import json

from headrace.states import Reason, State
from workers.cli.exits import Exit


def test_where_all_adds_up_it_says_what_was_looked_at(headrace):
    headrace.marker_stands()
    result = headrace("verify", "--all")
    assert result.exit_code == Exit.OK
    assert result.stdout.splitlines() == [
        "Looked at all 0 keys, 0 documents; in the bucket at nothing.",
        "Everything adds up.",
    ]


def test_what_does_not_add_up_is_told_with_what_to_do(headrace):
    headrace.marker_stands()
    document = headrace.drop("local/\x1b[31mred.pdf")
    headrace.bring_to(document, State.FAILED, Reason.NO_PAGES, pages=1)
    run = headrace.ledger.latest_run(document.id)
    headrace.ledger.published(headrace.ledger.claim(run.id, {State.FAILED}))
    result = headrace("verify")
    assert result.exit_code == Exit.FAILED
    assert "wrong  manifest_missing: s3://outbox/rows/documents/" in result.stdout
    assert "found nothing; expected the manifest of run 1" in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stdout.splitlines()[-1] == "2 things not adding up."


def test_json_has_every_fact_of_a_finding(headrace):
    headrace.store.create_bucket("private")
    result = headrace("verify", "--json", "--seed", "7")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"], told["seed"]) == (Exit.FAILED, False, 7)
    (finding,) = told["findings"]
    assert finding["code"] == "marker"
    assert set(finding) == {"code", "subject", "found", "expected", "document", "run", "remedy", "notice"}


def test_looking_sets_no_marker_up(headrace):
    headrace("verify")
    assert headrace.store.keys("private") == ()
