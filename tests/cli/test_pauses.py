"""`headrace pause` and `resume`: what is stopped says by whom, why and until when; wrong calls change nothing."""

import json
from datetime import timedelta

import pytest

from headrace.clock import SystemClock
from headrace.routing import Lane
from headrace.states import Reason, State
from tests.clocks import ManualClock
from workers.cli.exits import Exit

LANE = Lane("nanonets", "nanonets", "samples")
ACCOUNT = Lane("nanonets", "nanonets", "")


def stopped(headrace):
    return json.loads(headrace("status", "--json").stdout)["stopped"]


def fail(headrace, reason=Reason.SERVER_ERROR, times=5):
    for _ in range(times):
        headrace.ledger.heard(LANE, "x", reason, "It said 503.")


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("nanonets", "nanonets/nanonets"),
        ("nanonets/nanonets", "nanonets/nanonets"),
        ("nanonets/nanonets/samples", "nanonets/nanonets/samples"),
        ("local", "local/local"),
    ],
)
def test_what_is_paused_says_who_why_and_since_when_and_goes_on_when_it_is_resumed(headrace, what, place):
    result = headrace("pause", what, "--why", "the vendor is at work")
    assert result.exit_code == Exit.OK, result.output
    assert result.stdout == f"{place} is paused. `headrace resume {place}` lets it go on.\n"
    shown = headrace("status").stdout
    assert f"{place} is stopped since {SystemClock().now():%Y-%m-%d}" in shown
    assert f"(paused, until `headrace resume {place}`): the vendor is at work (command line" in shown
    (known,) = stopped(headrace)
    assert (known["reason"], known["next_try"]) == ("paused", None)
    result = headrace("resume", what)
    assert result.stdout == f"{place} goes on.\n"
    assert headrace.hints.dispatches == 1
    assert stopped(headrace) == []


def test_runs_that_a_pause_keeps_say_so(headrace):
    run = headrace.bring_to(headrace.drop("nanonets/a.pdf"), State.WAITING, pages=1)
    headrace("pause", "nanonets", "--why", "audit")
    assert headrace.admit() == []
    assert "Run 1: waiting (paused)" in headrace("status", run.id).stdout
    assert "audit (command line" in headrace("status", run.id).stdout
    (listed,) = json.loads(headrace("status", "--reason", "paused", "--json").stdout)["runs"]
    assert (listed["reason"], listed["waits_until"]) == ("paused", None)
    headrace("resume", "nanonets")
    assert [hint.run_id for hint in headrace.admit()] == [run.id]


def test_pausing_twice_changes_nothing_and_says_what_stands(headrace):
    headrace("pause", "nanonets", "--why", "the first reason")
    result = headrace("pause", "nanonets", "--why", "another")
    assert result.exit_code == Exit.FAILED
    assert "was paused before, and that stands" in result.stderr
    assert "the first reason" in result.stderr
    assert [known["detail"].partition(" (")[0] for known in stopped(headrace)] == ["the first reason"]
    assert json.loads(headrace("pause", "nanonets", "--why", "x", "--json").stdout) == {"paused": []}


def test_a_pause_takes_the_place_of_what_stopped_it_by_itself(headrace):
    fail(headrace, Reason.KEY_REFUSED, times=1)
    assert headrace("pause", "nanonets", "--why", "a new key comes tomorrow").exit_code == Exit.OK
    assert [known["reason"] for known in stopped(headrace)] == ["paused"]


@pytest.mark.parametrize("what", ["nanonets", "nanonets/nanonets", "nanonets/nanonets/samples"])
def test_resuming_what_runs_says_so(headrace, what):
    result = headrace("resume", what)
    assert result.exit_code == Exit.FAILED
    assert result.stdout == ""
    assert f"nothing of {what} is stopped" in result.stderr
    assert headrace.hints.dispatches == 0


@pytest.mark.parametrize("what", ["nanonets", "nanonets/nanonets", "nanonets/nanonets/samples"])
def test_an_outage_of_one_model_ends_with_the_provider_the_account_or_the_model(headrace, what):
    fail(headrace)
    (known,) = stopped(headrace)
    assert (known["model"], known["reason"], known["failures"]) == ("samples", "provider_failing", 5)
    assert known["next_try"] is not None
    shown = headrace("status").stdout
    assert "nanonets/nanonets/samples is stopped since" in shown
    assert "(provider_failing, next try " in shown
    assert headrace("resume", what).stdout == "nanonets/nanonets/samples goes on.\n"
    assert stopped(headrace) == []


def test_a_model_whose_account_is_stopped_does_not_go_on_by_itself(headrace):
    headrace("pause", "nanonets", "--why", "audit")
    result = headrace("resume", "nanonets/nanonets/samples")
    assert result.exit_code == Exit.FAILED
    assert "its account nanonets/nanonets is stopped as well: `headrace resume nanonets/nanonets`" in result.stderr
    assert len(stopped(headrace)) == 1


def test_the_run_that_tries_is_named(headrace):
    run = headrace.bring_to(headrace.drop("nanonets/a.pdf"), State.WAITING, pages=1)
    fail(headrace)
    headrace.ledger._clock = ManualClock(SystemClock().now() + timedelta(minutes=1))
    headrace.admit()
    assert [known["tried_by"] for known in stopped(headrace)] == [run.id]
    assert f"(provider_failing, {run.id} tries it)" in headrace("status").stdout


@pytest.mark.parametrize("command", [["pause", "--why", "x"], ["resume"]])
@pytest.mark.parametrize(
    "what", ["nanonet", "mindee", "nanonets/emea", "nanonets/nanonets/other", "", "/", "nanonets/nanonets/samples/x"]
)
def test_what_nobody_knows_is_a_usage_error_that_names_what_there_is(headrace, command, what):
    result = headrace(command[0], what, *command[1:])
    assert result.exit_code == Exit.USAGE
    words = " ".join(result.stderr.split())
    assert "no route goes to" in words
    assert "nanonets/nanonets" in words
    assert stopped(headrace) == []


@pytest.mark.parametrize("why", [[], ["--why", " "]])
def test_a_pause_wants_a_reason(headrace, why):
    result = headrace("pause", "nanonets", *why)
    assert result.exit_code == Exit.USAGE
    assert "why" in result.stderr
    assert stopped(headrace) == []


def test_a_hostile_reason_is_shown_harmlessly(headrace):
    headrace("pause", "nanonets", "--why", "\x1b[2Jgone")
    assert "\x1b" not in headrace("status").output
    assert "\x1b" not in headrace("pause", "nanonets", "--why", "x").output


@pytest.mark.parametrize("command", [["pause", "nanonets", "--why", "x"], ["resume", "nanonets"], ["status"]])
def test_without_a_ledger_it_says_what_to_do(headrace, command):
    headrace.lose_ledger()
    result = headrace(*command)
    assert result.exit_code in (Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.FAILED)
    assert "headrace migrate" in result.stderr
    assert "Traceback" not in result.output
