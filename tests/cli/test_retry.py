import json

import pytest

from headrace.states import Precedence, Reason, State
from tests.cli.conftest import ROUTES
from workers.cli.exits import Exit


def failed(headrace, key, reason=Reason.QUOTA_USED_UP, pages=4):
    return headrace.bring_to(headrace.drop(key), State.FAILED, reason, pages=pages)


def state_of(headrace, run):
    return headrace.ledger.run(run.id).state


def test_failed_runs_go_on_once_a_person_agrees(headrace):
    run = failed(headrace, "nanonets/a.pdf")
    result = headrace("retry", answer="y\n")
    assert result.exit_code == 0
    assert "Failed: 1 run, 4 pages; at most 0.4 USD is charged for these." in result.stderr
    assert "1 run retried, as batch" in result.stdout
    assert state_of(headrace, run) is State.WAITING
    assert [hint.run_id for hint in headrace.hints.given] == [run.id]


def test_nothing_happens_where_the_person_does_not_agree(headrace):
    run = failed(headrace, "nanonets/a.pdf")
    result = headrace("retry", answer="n\n")
    assert result.exit_code == Exit.FAILED
    assert "Nothing was done." in result.stderr
    assert state_of(headrace, run) is State.FAILED


def test_without_a_person_it_wants_to_be_told_yes(headrace):
    run = failed(headrace, "nanonets/a.pdf")
    result = headrace("retry")
    assert result.exit_code == Exit.USAGE
    assert "--yes" in result.stderr
    assert state_of(headrace, run) is State.FAILED
    assert headrace("retry", "--yes").exit_code == 0
    assert state_of(headrace, run) is State.WAITING


def test_a_dry_run_only_says_what_it_would_be(headrace):
    run = failed(headrace, "nanonets/a.pdf")
    failed(headrace, "local/b.pdf", Reason.POISON, pages=None)
    told = json.loads(headrace("retry", "--dry-run", "--json").stdout)
    assert told == {
        "runs": 2,
        "pages": 4,
        "uncounted_runs": 1,
        "unpriced_pages": 0,
        "runs_in_doubt": 0,
        "cost_at_most": {"USD": "0.40"},
        "dry_run": True,
        "batch": None,
        "retried": 0,
    }
    assert state_of(headrace, run) is State.FAILED
    assert headrace.hints.given == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reason", "quota_used_up"],
        ["--route", "nanonets"],
        ["--prefix", "s3://inbox/nanonets/"],
    ],
)
def test_only_what_matches_is_retried(headrace, arguments):
    meant = failed(headrace, "nanonets/a.pdf")
    other = failed(headrace, "local/b.pdf", Reason.ENCRYPTED)
    told = json.loads(headrace("retry", *arguments, "--yes", "--json").stdout)
    assert told["retried"] == 1
    assert state_of(headrace, meant) is State.WAITING
    assert state_of(headrace, other) is State.FAILED


def test_a_batch_can_be_followed_and_retried_again(headrace):
    run = failed(headrace, "nanonets/a.pdf")
    batch = json.loads(headrace("retry", "--yes", "--json").stdout)["batch"]
    assert [r["run"] for r in json.loads(headrace("status", "--batch", batch, "--json").stdout)["runs"]] == [run.id]
    headrace.bring_to(run.document, State.FAILED, Reason.KEY_REFUSED)
    assert json.loads(headrace("retry", "--batch", batch, "--yes", "--json").stdout)["retried"] == 1


def test_what_is_held_in_doubt_is_never_retried(headrace):
    held = headrace.bring_to(headrace.drop("nanonets/a.pdf"), State.HELD, Reason.IN_DOUBT, pages=1)
    result = headrace("retry", "--yes")
    assert result.exit_code == 0
    assert "No failed run matches." in result.stderr
    assert state_of(headrace, held) is State.HELD


def test_only_the_pages_that_the_route_chose_are_estimated(headrace):
    model = 'model = "samples"\n'
    headrace.routes_file.write_text(ROUTES.replace(model, f"{model}pages_to_process = [1, 3, 9]\n", 1))
    failed(headrace, "nanonets/a.pdf", pages=4)
    # What was routed is sent as it was routed, whatever the table says now.
    headrace.routes_file.write_text(ROUTES)
    assert json.loads(headrace("retry", "--dry-run", "--json").stdout)["cost_at_most"] == {"USD": "0.20"}


@pytest.mark.parametrize("by", ["address", "document", "run"])
def test_one_document_that_is_named_goes_on_like_a_fresh_drop(headrace, by):
    run, other = failed(headrace, "nanonets/a.pdf"), failed(headrace, "nanonets/b.pdf")
    headrace("retry", "--route", "nanonets", "--yes")
    for one in (run, other):
        headrace.bring_to(one.document, State.FAILED, Reason.BAD_REQUEST)
    which = {"address": run.document.url, "document": run.document.id, "run": run.id}[by]
    result = headrace("retry", which, "--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"1 run retried. `headrace status {run.document.id}` follows.\n"
    assert state_of(headrace, run) is State.WAITING
    assert headrace.ledger.run(run.id).precedence is Precedence.FRESH
    assert state_of(headrace, other) is State.FAILED
    assert json.loads(headrace("retry", other.id, "--yes", "--json").stdout)["batch"] is None


def test_what_is_retried_together_goes_after_what_is_dropped(headrace):
    run = failed(headrace, "nanonets/a.pdf")
    headrace("retry", "--yes")
    assert headrace.ledger.run(run.id).precedence is Precedence.BATCH


def test_of_an_address_only_what_lies_there_now_is_retried(headrace):
    before = headrace.bring_to(headrace.drop("nanonets/a.pdf", b"1"), State.FAILED, Reason.BAD_REQUEST, pages=1)
    now = headrace.bring_to(headrace.drop("nanonets/a.pdf", b"2"), State.FAILED, Reason.BAD_REQUEST, pages=1)
    assert headrace("retry", now.document.url, "--yes").exit_code == 0
    assert (state_of(headrace, before), state_of(headrace, now)) == (State.FAILED, State.WAITING)


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (State.EXPORTED, None, "has not failed: it is exported."),
        (State.HELD, Reason.IN_DOUBT, "has not failed: it is held (in_doubt)."),
    ],
)
def test_a_named_document_that_has_not_failed_is_left_alone(headrace, state, reason, words):
    run = headrace.bring_to(headrace.drop("nanonets/a.pdf"), state, reason, pages=1)
    result = headrace("retry", run.document.url, "--yes")
    assert result.exit_code == Exit.FAILED
    assert words in result.stderr
    assert state_of(headrace, run) is state


def test_a_document_that_nobody_knows_is_not_retried(headrace):
    result = headrace("retry", "s3://inbox/unknown.pdf", "--yes")
    assert result.exit_code == Exit.FAILED
    assert "knows nothing of s3://inbox/unknown.pdf" in result.stderr


@pytest.mark.parametrize("arguments", [["invoice.pdf"], ["s3://inbox/a.pdf", "--route", "local"]])
def test_wrong_calls_are_usage_errors(headrace, arguments):
    assert headrace("retry", *arguments, "--yes").exit_code == Exit.USAGE
