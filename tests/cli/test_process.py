"""The command as it is installed: a process of its own, a .env file, the real servers, the real services."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headrace.clock import SystemClock
from headrace.ledger import Ledger
from tests.cli.conftest import ROUTES

PROJECT = Path(__file__).parents[2]


class Command:
    """`headrace` in a folder with a .env file, and nothing of ours in its environment."""

    def __init__(self, folder, settings):
        self.folder = folder
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self.environ = {name: value for name, value in os.environ.items() if "HEADRACE" not in name}
        self.environ |= {"PYTHONPATH": str(PROJECT), "NO_PROXY": "*"}

    def __call__(self, *arguments, **environ):
        return subprocess.run(
            [sys.executable, "-c", "from workers.cli.main import run; run()", *arguments],
            cwd=self.folder,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def command(tmp_path, valkey_url, s3_server, s3_bucket):
    routes = ROUTES.replace('bucket = "inbox"', f'bucket = "{s3_bucket}"')
    (tmp_path / "headrace.toml").write_text(routes)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", SystemClock())
    with capture_logs():
        ledger.migrate()
    ledger.close()
    return Command(
        tmp_path,
        {
            "HEADRACE_BROKER_URL": valkey_url,
            "HEADRACE_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
            "HEADRACE_S3_ENDPOINT": s3_server.endpoint,
            "HEADRACE_S3_ACCESS_KEY_ID": s3_server.access_key,
            "HEADRACE_S3_SECRET_ACCESS_KEY": s3_server.secret_key,
            "NANONETS_API_KEY": "the-api-key",
        },
    )


def test_a_file_is_dropped_and_taken_in_even_while_the_broker_is_away(command, s3_bucket):
    (command.folder / "a.pdf").write_bytes(b"%PDF-1.7")
    dropped = command("drop", "a.pdf", f"s3://{s3_bucket}/local/")
    assert (dropped.returncode, dropped.stderr) == (0, "")
    away = {"HEADRACE_BROKER_URL": "redis://:broker-password@127.0.0.1:1/0", "HEADRACE_LOG_LEVEL": "debug"}
    ingested = command("ingest", f"s3://{s3_bucket}/local/", "--json", **away)
    assert ingested.returncode == 0, ingested.stderr
    assert json.loads(ingested.stdout)["new"] == 1
    logged = {json.loads(line)["event"] for line in ingested.stderr.splitlines()}
    assert {"documents recorded", "broker away, the sweep hints later"} <= logged
    assert "broker-password" not in ingested.stderr


def test_without_servers_it_says_what_to_set(tmp_path):
    result = Command(tmp_path, {})("status")
    assert result.returncode == 3
    assert "HEADRACE_BROKER_URL must be set" in result.stderr
    assert "headrace run" in result.stderr


def test_a_store_that_is_away_is_a_code_of_its_own(command):
    result = command("ingest", "s3://inbox/local/a.pdf", HEADRACE_S3_ENDPOINT="http://127.0.0.1:1")
    assert result.returncode == 4
    assert "Traceback" not in result.stderr


def test_the_simulators_options_are_its_own(command):
    result = command("simulate", "--help")
    assert result.returncode == 0
    assert "--async-seconds" in result.stdout
    # One page: the simulator's.
    assert [result.stdout.lower().count(word) for word in ("usage:", "\nexamples:")] == [1, 1]


def test_the_command_line_starts_as_a_module_too(command):
    line = [sys.executable, "-m", "workers.cli.main", "--help"]
    done = subprocess.run(
        line, env=command.environ, cwd=command.folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert "examples:" in done.stdout


def test_the_local_stacks_store_that_is_down_is_told_to_be_started(tmp_path):
    command = Command(tmp_path, {})
    (tmp_path / "headrace.toml").write_text(ROUTES)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "data").mkdir()
    environment = {
        "HEADRACE_BROKER_URL": "redis://127.0.0.1:1/0",
        "HEADRACE_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
        "HEADRACE_S3_ENDPOINT": "http://127.0.0.1:1",
        "HEADRACE_S3_ACCESS_KEY_ID": "id",
        "HEADRACE_S3_SECRET_ACCESS_KEY": "word",
        "NANONETS_API_KEY": "simulated",
    }
    (tmp_path / "data" / "stack.json").write_text(json.dumps({"secrets": {}, "environment": environment}))
    away = command("drop", "a.pdf", "s3://inbox/local/")
    assert away.returncode == 4, away.stderr
    assert "start `headrace run`" in away.stderr
    theirs = command("drop", "a.pdf", "s3://inbox/local/", **environment)
    assert theirs.returncode == 4, theirs.stderr
    assert "start `headrace run`" not in theirs.stderr


def test_a_pipe_that_closes_early_is_no_error_of_ours(command):
    line = f"{sys.executable} -c 'from workers.cli.main import run; run()' --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line],
        env=command.environ,
        cwd=command.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
