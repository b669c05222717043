"""What a command says when something goes wrong, and how it ends."""

import pytest
import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner

from headrace.errors import (
    ConfigurationError,
    ForeignLedger,
    LedgerUnavailable,
    ObjectNotFound,
    ProviderUnavailable,
    StorageRefused,
    StorageUnavailable,
)
from workers.cli.exits import Exit
from workers.cli.failures import Commands


def failing(error):
    app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback()
    def group() -> None: ...

    @app.command()
    def fail() -> None:
        raise error

    with capture_logs():
        return CliRunner().invoke(app, ["fail"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x is wrong"), 3),
        (ForeignLedger("not ours"), 3),
        (LedgerUnavailable("gone"), 4),
        (StorageUnavailable("gone"), 4),
        (StorageRefused("no right"), 4),
        (ProviderUnavailable("gone"), 4),
        (ObjectNotFound("nothing there"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_no_traceback(error, code):
    result = failing(error)
    assert result.exit_code == code
    assert "Traceback" not in result.output
    assert str(error) in result.stderr
    assert result.stdout == ""


def test_several_mistakes_are_a_line_each():
    result = failing(ConfigurationError("first\nsecond"))
    assert result.stderr == "headrace: first\nheadrace: second\n"


def test_a_fault_of_our_own_says_where_and_how_to_see_more_but_quotes_nothing():
    result = failing(RuntimeError("could not reach redis://:secret@host"))
    assert result.exit_code == Exit.UNEXPECTED
    assert "RuntimeError in test_failures.py" in result.stderr
    assert "HEADRACE_LOG_LEVEL=debug" in result.stderr
    assert "secret" not in result.output


def test_a_message_cannot_steer_the_terminal():
    assert "\x1b" not in failing(ObjectNotFound("no \x1b[2J here")).output


def test_mistakes_in_the_settings_are_named_by_variable_and_never_by_value(headrace):
    headrace.environ |= {"HEADRACE_BROKER_URL": "amqp://:hunter2@host", "HEADRACE_BROKRE": "x"}
    result = headrace("status")
    assert result.exit_code == Exit.CONFIGURATION
    assert "HEADRACE_BROKER_URL must begin with redis://" in result.stderr
    assert "HEADRACE_BROKRE" in result.stderr
    assert "hunter2" not in result.output


def test_a_ledger_without_tables_is_told_what_to_do(tmp_path, headrace):
    headrace.ledger = type(headrace.ledger)(f"sqlite:///{tmp_path}/empty.db", headrace.build(None).clock)
    result = headrace("status")
    assert result.exit_code == Exit.UNREACHABLE
    assert "headrace migrate" in result.stderr
