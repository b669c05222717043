import json
from datetime import UTC, datetime, timedelta

import pytest

from headrace.document import SubmissionKey
from headrace.ledger.records import Advance, SubmissionChange
from headrace.states import Mode, Reason, State, SubmissionState
from headrace.storage import Location
from tests.tasks.scripted import prediction
from workers.cli.exits import Exit


def exported(headrace, key, *, stored=True):
    """A document whose run is exported and published, with or without its answer in the bucket."""
    admitted = headrace.bring_to(headrace.drop(key, key.encode()), State.ADMITTED, pages=1)
    claim = headrace.ledger.claim(admitted.id, {State.ADMITTED})
    submission = SubmissionKey(admitted.document.id, 1, "nanonets", "all", 1)
    soon = datetime.now(UTC) + timedelta(seconds=120)
    headrace.ledger.intend(claim, submission, admitted.lane, Mode.SYNC, pages=1, send_before=soon)
    change = SubmissionChange(submission, SubmissionState.ANSWERED)
    headrace.ledger.advance(claim, Advance(State.EXPORTED, published=True), change)
    if stored:
        headrace.build(None).answers.keep(Location("private", "headrace"), submission, b"{}", prediction())
    return headrace.ledger.run(admitted.id)


def published(headrace, run):
    headrace.ledger.published(headrace.ledger.claim(run.id, {run.state}))
    return headrace.ledger.run(run.id)


def test_it_asks_nothing_and_leaves_the_rest_to_the_workers(headrace):
    run = exported(headrace, "nanonets/a.pdf")
    result = headrace("republish")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "1 run published again by the workers, as soon as they come to it.\n"
    again = headrace.ledger.run(run.id)
    assert (again.state, again.published, again.number) == (State.EXPORTED, False, 1)
    assert [(hint.run_id, hint.state) for hint in headrace.hints.given] == [(run.id, State.EXPORTED)]


def test_a_dry_run_only_says_how_many_it_would_be(headrace):
    run = exported(headrace, "nanonets/a.pdf")
    told = json.loads(headrace("republish", "--dry-run", "--json").stdout)
    assert told == {"runs": 1, "dry_run": True, "republished": 0, "left_out": []}
    assert "1 run would be published again" in headrace("republish", "--dry-run").stdout
    assert headrace.ledger.run(run.id) == run
    assert headrace.hints.given == []


@pytest.mark.parametrize(
    "arguments", [["--prefix", "s3://inbox/nanonets/2024/"], ["--reason", "encrypted"], ["--route", "local"]]
)
def test_only_what_matches_is_published_again(headrace, arguments):
    first, other = exported(headrace, "nanonets/2024/a.pdf"), exported(headrace, "nanonets/2025/a.pdf")
    failed = headrace.bring_to(headrace.drop("local/b.pdf"), State.FAILED, Reason.ENCRYPTED, pages=1)
    published(headrace, failed)
    assert json.loads(headrace("republish", *arguments, "--json").stdout)["republished"] == 1
    meant = first if arguments[0] == "--prefix" else failed
    assert [hint.run_id for hint in headrace.hints.given] == [meant.id]
    assert headrace.ledger.run(other.id) == other


def test_what_has_lost_its_answer_is_left_out_and_stays_as_it_is(headrace):
    lost, whole = exported(headrace, "nanonets/lost.pdf", stored=False), exported(headrace, "nanonets/whole.pdf")
    result = headrace("republish")
    assert result.exit_code == Exit.FAILED
    assert "s3://inbox/nanonets/lost.pdf is left out: The stored answer of" in result.stderr
    assert headrace.ledger.run(lost.id) == lost
    assert [hint.run_id for hint in headrace.hints.given] == [whole.id]
    (left_out,) = json.loads(headrace("republish", "--json").stdout)["left_out"]
    assert (left_out["run"], left_out["address"]) == (lost.id, "s3://inbox/nanonets/lost.pdf")


def test_where_nothing_is_published_nothing_is_done(headrace):
    headrace.drop("nanonets/a.pdf")
    result = headrace("republish")
    assert (result.exit_code, result.stdout) == (0, "No published run matches.\n")
