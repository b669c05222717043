import json

import pytest

from headrace.states import Precedence, Reason, State
from tests.cli.conftest import ROUTES
from workers.cli.exits import Exit


def exported(headrace, key, content=b"%PDF", pages=2):
    return headrace.bring_to(headrace.drop(key, content), State.EXPORTED, pages=pages)


def test_a_document_gets_its_next_run_once_a_person_agrees_to_pay(headrace):
    run = exported(headrace, "nanonets/a.pdf")
    result = headrace("reprocess", "s3://inbox/nanonets/a.pdf", answer="y\n")
    assert result.exit_code == 0
    assert "at most 0.2 USD" in result.stderr
    latest = headrace.ledger.latest_run(run.document.id)
    assert (latest.number, latest.state) == (2, State.RECEIVED)
    assert [hint.run_id for hint in headrace.hints.given] == [latest.id]


def test_without_a_yes_nothing_is_paid_again(headrace):
    run = exported(headrace, "nanonets/a.pdf")
    assert headrace("reprocess", "s3://inbox/nanonets/").exit_code == Exit.USAGE
    assert headrace("reprocess", "s3://inbox/nanonets/", answer="n\n").exit_code == Exit.FAILED
    assert headrace.ledger.latest_run(run.document.id).number == 1


def test_all_below_a_prefix_but_what_is_under_way(headrace):
    exported(headrace, "nanonets/2024/a.pdf")
    exported(headrace, "nanonets/2024/b.pdf", pages=3)
    exported(headrace, "nanonets/2025/c.pdf")
    headrace.drop("nanonets/2024/d.pdf")
    told = json.loads(headrace("reprocess", "s3://inbox/nanonets/2024/", "--yes", "--json").stdout)
    assert told["started"] == 2
    assert told["under_way"] == 1
    assert told["cost_at_most"] == {"USD": "0.50"}


def test_only_the_content_that_lies_there_now_is_paid_again(headrace):
    first = exported(headrace, "nanonets/a.pdf", b"first")
    second = exported(headrace, "nanonets/a.pdf", b"second")
    for place in ("s3://inbox/nanonets/a.pdf", "s3://inbox/nanonets/"):
        assert json.loads(headrace("reprocess", place, "--dry-run", "--json").stdout)["runs"] == 1
    headrace("reprocess", "s3://inbox/nanonets/", "--yes")
    assert headrace.ledger.latest_run(first.document.id).number == 1
    assert headrace.ledger.latest_run(second.document.id).number == 2


def test_what_may_have_been_paid_already_is_pointed_out(headrace):
    headrace.bring_to(headrace.drop("nanonets/a.pdf"), State.HELD, Reason.IN_DOUBT, pages=1)
    result = headrace("reprocess", "s3://inbox/nanonets/", "--dry-run")
    assert "1 run in doubt may be paid a second time." in result.stderr


def test_an_unknown_place_fails(headrace):
    result = headrace("reprocess", "s3://inbox/unknown/", "--yes")
    assert result.exit_code == Exit.FAILED
    assert "knows no document" in result.stderr


@pytest.mark.parametrize(("chosen", "pages"), [("[1, 3, 9]", 2), ("[5]", 0)])
def test_the_pages_that_todays_route_chooses_are_estimated(headrace, chosen, pages):
    exported(headrace, "nanonets/a.pdf", pages=4)
    model = 'model = "samples"\n'
    headrace.routes_file.write_text(ROUTES.replace(model, f"{model}pages_to_process = {chosen}\n", 1))
    told = json.loads(headrace("reprocess", "s3://inbox/nanonets/", "--dry-run", "--json").stdout)
    assert told["pages"] == pages
    assert told["cost_at_most"] == {"USD": f"{pages / 10:.2f}"}


@pytest.mark.parametrize(
    ("place", "precedence"),
    [("s3://inbox/nanonets/a.pdf", Precedence.FRESH), ("s3://inbox/nanonets/", Precedence.BATCH)],
)
def test_one_object_goes_like_a_fresh_drop_and_a_prefix_after_those(headrace, place, precedence):
    run = exported(headrace, "nanonets/a.pdf")
    told = json.loads(headrace("reprocess", place, "--yes", "--json").stdout)
    assert told["started"] == 1
    latest = headrace.ledger.latest_run(run.document.id)
    assert (latest.precedence, latest.batch) == (precedence, told["batch"])


def test_it_says_how_one_object_is_followed(headrace):
    run = exported(headrace, "nanonets/a.pdf")
    result = headrace("reprocess", "s3://inbox/nanonets/a.pdf", "--yes")
    assert result.stdout == f"1 run started. `headrace status {run.document.id}` follows it.\n"
