"""The help's examples work when they are copied."""

import json
import shlex
import shutil
import subprocess

import pytest

from simulator.help import EPILOG
from simulator.options import Options, read_options
from tests.pdfs import make_pdf
from tests.simulator.in_process import application
from tests.simulator.process import simulator

COMMANDS = [line.strip().removeprefix("$ ") for line in EPILOG.splitlines() if line.strip().startswith("$ ")]
STARTS = [shlex.split(line)[2:] for line in COMMANDS if line.startswith("headrace simulate")]
CALLS = [line for line in COMMANDS if line.startswith("curl")]
MODELS = EPILOG.partition("for --models:\n")[2]


@pytest.mark.parametrize("arguments", STARTS, ids=" ".join)
def test_every_start_that_the_help_shows_is_understood(arguments):
    options = read_options(arguments)
    assert options != Options() or arguments in (["--port", "18080"], [])


def test_the_help_shows_little_else():
    others = [line for line in COMMANDS if line not in CALLS and not line.startswith("headrace simulate")]
    assert others == ["HEADRACE_NANONETS_BASE_URL=http://127.0.0.1:18080/api/v2 NANONETS_API_KEY=any-key headrace run"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the help's calls are made with curl")
def test_every_call_that_the_help_shows_is_answered(tmp_path):
    (tmp_path / "invoice.pdf").write_bytes(make_pdf(2))
    (tmp_path / "models.toml").write_text(MODELS)
    answers = {}
    with simulator("--key", "any-key") as running:
        for line in CALLS:
            command = line.replace("http://127.0.0.1:18080/api/v2", running.base_url)
            command = command.replace("http://127.0.0.1:18080", running.base_url.removesuffix("/api/v2"))
            arguments = ["--silent", "--fail", "--noproxy", "*", "--max-time", "20", *shlex.split(command)[1:]]
            finished = subprocess.run(["curl", *arguments], cwd=tmp_path, capture_output=True, timeout=30, check=True)
            answers[line] = json.loads(finished.stdout)
    assert len(answers) == len(CALLS) == 21
    orders = [line for line in CALLS if line.endswith("simulator/faults") and "-d" in line]
    assert len(answers[orders[-1]]["orders"]) == len(orders)
    assert answers[CALLS[-1]] == {"orders": []}
    assert next(answer for line, answer in answers.items() if line.endswith("bill"))["pages"] == 6


def test_the_models_file_that_the_help_shows_is_one(tmp_path):
    models = tmp_path / "models.toml"
    models.write_text(MODELS)
    with application("--models", str(models)) as running:
        assert running.upload(make_pdf(1), model="invoices").status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        ["--fail-pages", "2"],
        ["--fault-rate", "-0.1"],
        ["--quota-pages", "0"],
        ["--pages-per-minute", "none"],
        ["--dialect", "mindee"],
        ["--first-cell", "2"],
        ["--bodies", "1999"],
        ["--sync-seconds", "inf"],
        ["--moderated", "nan"],
    ],
)
def test_numbers_and_words_that_make_no_sense_are_refused(options, capsys):
    with pytest.raises(SystemExit):
        read_options(options)
    assert options[0] in capsys.readouterr().err
