"""docs/operations.md says what the program does: its commands run, its lists are complete."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from workers.cli.exits import Exit
from workers.cli.main import app
from workers.doctor.broker import OLDEST
from workers.doctor.queue import RIGHTS
from workers.stack.processes import BEAT, LISTENER, WORKERS
from workers.verify.findings import Code

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = sorted(
    {
        line.removeprefix("$ ")
        for language, block in BLOCKS
        if not language
        for line in block.splitlines()
        if line.removeprefix("$ ").startswith("headrace ")
    }
)


@pytest.mark.parametrize("process", [*WORKERS, BEAT, LISTENER], ids=lambda process: process.name)
def test_every_process_is_there_with_its_command_and_its_time_to_stop(process):
    command = " ".join(("python", *process.arguments)).replace("{data}", "/var/lib/headrace")
    assert f"\n# {process.name}\n{command}\n" in PAGE
    (row,) = re.findall(rf"^\| `{process.name}` \| (.*) \| .* \| (\d+) \|$", PAGE, re.MULTILINE)
    assert row == (process.about, f"{process.grace_seconds:.0f}")


def test_the_unit_runs_the_same_command_and_waits_longer_than_a_paid_request():
    (threads,) = [process for process in WORKERS if process.name == "worker-threads"]
    assert "ExecStart=/opt/headrace/.venv/bin/python " + " ".join(threads.arguments).replace("%h", "%%h") in PAGE
    (seconds,) = re.findall(r"TimeoutStopSec=(\d+)", PAGE)
    assert int(seconds) > threads.grace_seconds


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_on_the_page_parses(command):
    words = shlex.split(command)[1:]
    found = typer.main.get_command(app)
    while hasattr(found, "commands"):
        name = words.pop(0)
        found = found.commands[name]
    assert not found.make_context(name, words).args


def test_the_exit_codes_are_all_there():
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE.partition("## Exit codes")[2], re.MULTILINE)
    assert rows == [(str(code.value), code.meaning) for code in Exit]


def test_the_policy_is_json_and_grants_only_what_is_named():
    (policy,) = [json.loads(block) for language, block in BLOCKS if language == "json"]
    actions = [statement["Action"] for statement in policy["Statement"]]
    assert not any("*" in action for action in actions)
    assert list(RIGHTS) in actions


def test_the_oldest_broker_is_the_doctors():
    assert f"Version {'.'.join(map(str, OLDEST))} or newer" in PAGE


def test_every_code_of_a_verification_is_explained():
    table = PAGE.partition("## Does it add up?")[2].partition("## ")[0]
    rows = re.findall(r"^\| (`.*`) \| (notice: )?.*\|$", table, re.MULTILINE)
    told = {name: bool(notice) for names, notice in rows for name in re.findall(r"`([a-z_]+)`", names)}
    assert told == {code.value: code.is_notice for code in Code}
