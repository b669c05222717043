"""`headrace budget`: what is left, what waits until when, and raising one; wrong calls change nothing."""

import json
from datetime import UTC, datetime, timedelta
from math import nan

import pytest

from headrace.ledger.records import RunFilter
from headrace.states import Reason, State
from tests.cli.conftest import ROUTES
from tests.clocks import ManualClock
from workers.cli.exits import Exit

BUDGETS = """
[[budgets]]
name = "invoices-daily"
route = "nanonets"
period = "day"
pages = 5

[[budgets]]
name = "vendor"
account = "nanonets"
period = "month"
cost = "25.50"
"""


@pytest.fixture
def limited(headrace):
    """An installation whose budgets have room for one document of four pages and not for the next."""
    headrace.routes_file.write_text(ROUTES + BUDGETS)
    for name in "ab":
        headrace.bring_to(headrace.drop(f"nanonets/{name}.pdf", name.encode()), State.WAITING, pages=4)
    headrace.admit()
    return headrace


def midnight():
    now = datetime.now(UTC)
    return (now + timedelta(days=1)).strftime("%Y-%m-%d 00:00 UTC")


def told(headrace, *arguments):
    result = headrace("budget", *arguments, "--json")
    assert result.exit_code == Exit.OK, result.output
    return json.loads(result.stdout)


def test_budgets_tell_what_is_left_and_what_waits_until_when(limited):
    shown = limited("budget", "show").stdout
    rows = [line.split() for line in shown.splitlines() if line.strip().startswith(("invoices-daily ", "vendor "))]
    assert rows[:2] == [
        ["invoices-daily", "pages", "5", "0", "0", "4", "1"],
        ["vendor", "money", "25.5", "0", "0", "0.4", "25.1"],
    ]
    words = f"invoices-daily, of the route nanonets, begins anew at {midnight()}; 1 document (4 pages) waits for it"
    assert words in shown
    assert "vendor, of the account nanonets, begins anew at" in shown
    assert "nothing waits for it." in shown
    table = shown.split("\n\n")[0] if "\n\n" in shown else shown
    assert max(len(line.rstrip()) for line in table.splitlines() if " anew " not in line) <= 80


def test_the_same_is_told_to_scripts(limited):
    daily, vendor = told(limited, "show")["budgets"]
    assert daily["pages"] == {"limit": 5, "raised": 0, "spent": 0, "promised": 4, "left": 1}
    assert daily["cost"]["limit"] is daily["cost"]["left"] is None
    assert (daily["waiting"]["runs"], daily["waiting"]["pages"]) == (1, 4)
    assert daily["waiting"]["until"] == daily["until"]
    assert vendor["cost"] == {"limit": 25.5, "raised": 0.0, "spent": 0.0, "promised": 0.4, "left": 25.1}
    assert vendor["waiting"] == {"runs": 0, "pages": 0, "until": None}


def test_without_budgets_it_says_that_nothing_is_limited(headrace):
    assert "nothing limits what is spent" in headrace("budget", "show").stdout
    assert told(headrace, "show") == {"budgets": []}


def test_a_raise_lets_go_what_waits(limited):
    result = limited("budget", "raise", "invoices-daily", "--pages", "3", "--why", "quarter end", answer="y\n")
    assert result.exit_code == Exit.OK, result.output
    assert f"Raise the budget invoices-daily until {midnight()}?" in result.stderr
    assert ["invoices-daily", "pages", "5", "3", "0", "4", "4"] in [line.split() for line in result.stdout.splitlines()]
    assert "1 document (4 pages) waited for it, and goes on as far as it has room now." in result.stdout
    assert limited.hints.dispatches == 1
    assert len(limited.admit()) == 1
    assert told(limited, "show")["budgets"][0]["waiting"]["runs"] == 0


def test_raises_add_up_and_say_so_to_scripts(limited):
    for cost in ("1.5", "2"):
        raised = told(limited, "raise", "vendor", "--cost", cost, "--why", "audit", "--yes")
    assert raised["cost"]["raised"] == 3.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["invoice-daily", "--pages", "1"], "has no budget 'invoice-daily'. Did you mean \"invoices-daily\"?"),
        (["invoices-daily", "--pages", "-1"], "'--pages'"),
        (["invoices-daily", "--pages", "many"], "'--pages'"),
        (["invoices-daily", "--pages", str(10**20)], "'--pages'"),
        (["vendor", "--cost", str(nan)], "--cost"),
        (["vendor", "--cost", "-0.5"], "'--cost'"),
        (["invoices-daily"], "by how much?"),
        (["invoices-daily", "--cost", "1"], "does not limit money"),
        (["vendor", "--pages", "1"], "does not limit pages"),
    ],
)
def test_wrong_raises_are_usage_errors(limited, arguments, words):
    result = limited("budget", "raise", *arguments, "--why", "because", "--yes")
    assert result.exit_code == Exit.USAGE
    assert words in " ".join(result.stderr.split())
    assert told(limited, "show")["budgets"][0]["pages"]["raised"] == 0


@pytest.mark.parametrize("why", [[], ["--why", "  "]])
def test_a_raise_wants_a_reason(limited, why):
    result = limited("budget", "raise", "vendor", "--cost", "1", "--yes", *why)
    assert result.exit_code == Exit.USAGE
    assert "why" in result.stderr


def test_nobody_raises_by_mistake(limited):
    raising = ("budget", "raise", "vendor", "--cost", "1", "--why", "audit")
    assert limited(*raising).exit_code == Exit.USAGE
    assert limited(*raising, answer="n\n").exit_code == Exit.FAILED
    assert told(limited, "show")["budgets"][1]["cost"]["raised"] == 0


def test_a_raise_that_was_thought_about_past_midnight_raises_nothing(limited):
    """The person was asked about yesterday."""
    limited.clock = ManualClock(datetime.now(UTC) - timedelta(days=1))
    result = limited("budget", "raise", "invoices-daily", "--pages", "1", "--why", "late", "--yes")
    assert result.exit_code == Exit.FAILED
    assert "is over since" in result.stderr
    assert "Traceback" not in result.output
    assert told(limited, "show")["budgets"][0]["pages"]["raised"] == 0


def test_what_waits_for_a_budget_says_so_wherever_it_is_looked_at(limited):
    (run,) = limited.ledger.runs(RunFilter(state=State.WAITING, reason=Reason.BUDGET), 10)
    counted = json.loads(limited("status", "--json").stdout)["counts"]
    (waiting,) = [count for count in counted if count["state"] == "waiting"]
    assert (waiting["reason"], waiting["runs"]) == ("budget", 1)
    assert waiting["until"] is not None
    shown = limited("status").stdout
    assert f"budget, until {midnight()[:10]} 00:00 UTC" in shown
    assert "waiting" in limited("status", "--reason", "budget").stdout
    (listed,) = json.loads(limited("status", "--reason", "budget", "--json").stdout)["runs"]
    assert (listed["run"], listed["reason"]) == (run.id, "budget")
    assert listed["waits_until"].endswith("T00:00:00Z")
    one = limited("status", run.id).stdout
    assert f"Run 1: waiting (budget, until {midnight()[:10]} 00:00 UTC)" in one
    assert "the budget invoices-daily (5 pages a day)" in one


@pytest.mark.parametrize("command", [["show"], ["raise", "vendor", "--cost", "1", "--why", "x", "--yes"]])
def test_without_a_ledger_it_says_what_to_do(limited, command):
    limited.lose_ledger()
    result = limited("budget", *command)
    assert result.exit_code in (Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.FAILED)
    assert "headrace migrate" in result.stderr
    assert "Traceback" not in result.output
