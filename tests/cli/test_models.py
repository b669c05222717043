"""`headrace models` against the simulator: listing, showing, and creating only with consent."""

import json
import re

import pytest

from tests.simulator.process import API_KEY, simulator
from workers.cli.exits import Exit


@pytest.fixture(scope="module")
def running():
    with simulator() as started:
        yield started


@pytest.fixture
def headrace(headrace, running):
    headrace.environ |= {
        "HEADRACE_NANONETS_BASE_URL": running.base_url,
        "NANONETS_API_KEY": API_KEY,
        "HEADRACE_ACCOUNTS": json.dumps({"emea": "a-wrong-key"}),
    }
    return headrace


def test_models_are_listed_with_their_state(headrace):
    result = headrace("models", "list")
    assert result.exit_code == Exit.OK
    assert "demo" in result.stdout
    assert "live" in result.stdout
    assert "can be asked." in result.stdout


def test_a_list_for_a_script(headrace):
    listed = json.loads(headrace("models", "list", "--json").stdout)
    assert listed["account"] == "nanonets"
    (demo,) = [model for model in listed["models"] if model["model"] == "demo"]
    assert (demo["state"], demo["state_in_words"], demo["live"]) == (5, "live", True)
    assert {"label": "total", "annotated_files": 0} in demo["labels"]


def test_one_model_is_shown_with_its_labels(headrace):
    result = headrace("models", "show", "invoices")
    assert result.exit_code == Exit.OK
    assert "invoices: live" in result.stdout
    assert "invoice_number" in result.stdout
    assert json.loads(headrace("models", "show", "invoices", "--json").stdout)["model"] == "invoices"


def test_a_model_is_created_after_a_yes(headrace):
    result = headrace("models", "create", "total", "due date", answer="y\n")
    assert result.exit_code == Exit.OK
    assert "Create a model with 2 labels?" in result.stderr
    (created,) = re.findall(r"([0-9a-f-]{36}): created", result.stdout)
    assert created in [model["model"] for model in json.loads(headrace("models", "list", "--json").stdout)["models"]]


def test_no_model_is_created_without_one(headrace):
    before = headrace("models", "list", "--json").stdout
    declined = headrace("models", "create", "total", answer="n\n")
    unattended = headrace("models", "create", "total")
    assert (declined.exit_code, unattended.exit_code) == (Exit.FAILED, Exit.USAGE)
    assert "Say --yes." in unattended.stderr
    assert "--dry-run" not in unattended.stderr
    assert headrace("models", "list", "--json").stdout == before
    created = json.loads(headrace("models", "create", "total", "--yes", "--json").stdout)
    assert (created["state"], created["live"], [label["label"] for label in created["labels"]]) == (0, False, ["total"])


def test_a_wrong_key_is_told_and_never_shown(headrace):
    result = headrace("models", "list", "--account", "emea")
    assert result.exit_code == Exit.UNREACHABLE
    assert "refused the API key" in result.stderr
    assert "a-wrong-key" not in result.output


@pytest.mark.parametrize("command", [("list",), ("show", "invoices"), ("create", "total", "--yes")])
def test_a_server_that_is_away_is_told_with_its_address_and_what_to_look_at(headrace, command):
    # Nothing answers on the port of another protocol's discard service.
    headrace.environ["HEADRACE_NANONETS_BASE_URL"] = "http://127.0.0.1:9/api/v2"
    result = headrace("models", *command)
    assert result.exit_code == Exit.UNREACHABLE
    assert "Asked was http://127.0.0.1:9/api/v2: check HEADRACE_NANONETS_BASE_URL, the network" in result.stderr


def test_an_account_without_a_key_is_told(headrace):
    result = headrace("models", "list", "--account", "apac")
    assert result.exit_code == Exit.CONFIGURATION
    assert "apac" in result.stderr


def test_a_server_that_is_away_is_told(headrace):
    headrace.environ["HEADRACE_NANONETS_BASE_URL"] = "http://127.0.0.1:9/api/v2"
    for arguments in (["list"], ["show", "x"], ["create", "x", "--yes"]):
        result = headrace("models", *arguments)
        assert result.exit_code == Exit.UNREACHABLE
        assert "Traceback" not in result.output


def test_a_model_that_is_not_there_is_told(headrace, tmp_path):
    models = tmp_path / "models.toml"
    models.write_text('[[models]]\nid = "only"\n')
    with simulator("--models", str(models)) as strict:
        headrace.environ["HEADRACE_NANONETS_BASE_URL"] = strict.base_url
        result = headrace("models", "show", "other")
    assert result.exit_code == Exit.FAILED
    assert "knows no such model" in result.stderr
