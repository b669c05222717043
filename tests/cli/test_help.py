import re
import shlex
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from workers.cli.exits import Exit
from workers.cli.main import app

ROOT = typer.main.get_command(app)


def commands(group=ROOT, path=()):
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands())
EXAMPLES = sorted(
    {
        line.strip().removeprefix("$ ")
        for command in [ROOT, *COMMANDS.values()]
        for line in (command.epilog or "").splitlines()
        if line.strip().startswith("$ ")
    }
)


def plain(*arguments):
    return CliRunner().invoke(app, [*arguments], prog_name="headrace").output


def test_the_help_has_a_line_for_each_command():
    lines = plain("--help").splitlines()
    for name in ROOT.commands:
        line = next(line for line in lines if line.startswith(f"  {name} "))
        assert line.endswith("."), line
        assert len(line) <= 80


def test_the_help_names_every_exit_code():
    shown = plain("--help")
    for code in Exit:
        assert re.search(rf"^ +{code:d}  {re.escape(code.meaning)}$", shown, re.MULTILINE)


# The help of `simulate` is the simulator's own.
@pytest.mark.parametrize("path", [path for path in COMMANDS if path != ("simulate",)], ids=" ".join)
def test_every_command_has_examples_with_what_they_do(path):
    epilog = COMMANDS[path].epilog
    assert epilog.startswith("\b\nexamples:\n")
    lines = epilog.splitlines()[2:]
    for sentence, command in zip(lines[::2], lines[1::2], strict=True):
        assert re.fullmatch(r"  # [A-Z].*[.?]", sentence)
        assert command.startswith("  $ headrace ")


@pytest.mark.parametrize("path", [path for path in COMMANDS if path != ("simulate",)], ids=" ".join)
def test_help_shows_the_examples_as_they_are_written(path):
    shown = plain(*path, "--help")
    for line in COMMANDS[path].epilog.splitlines()[1:]:
        assert f"  {line}\n" in shown


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_parses(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("invoice.pdf", "receipt.png", "scan0001.pdf"):
        (tmp_path / name).write_bytes(b"x")
    words = shlex.split(example)
    assert words.pop(0) == "headrace"
    command = ROOT
    while hasattr(command, "commands"):
        name = words.pop(0)
        command = command.commands[name]
    # Parses all of it, and would fail on an option or an argument that the command has not.
    context = command.make_context(name, words)
    assert not context.args


def test_help_is_quick_and_loads_nothing_heavy():
    script = (
        "import sys; sys.argv = ['headrace', '--help']\n"
        "from workers.cli.main import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "heavy = {'celery', 'boto3', 'sqlalchemy', 'pandas', 'pydantic', 'httpx', 'redis'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout


def test_an_unknown_command_is_a_usage_error():
    result = CliRunner().invoke(app, ["retri"])
    assert result.exit_code == Exit.USAGE
    assert "retry" in result.output
