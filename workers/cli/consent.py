"""Asking before money is spent."""

import getpass

import typer

from workers.cli.exits import Exit
from workers.cli.output import note
from workers.cli.session import Session


def obtain(session: Session, question: str, *, yes: bool) -> None:
    """Return where the person agrees; else end the command, with nothing done."""
    if yes:
        return
    if not session.can_ask():
        note("headrace: this may cost money, and nobody is here to be asked. Say --yes, or --dry-run to look first.")
        raise typer.Exit(Exit.USAGE)
    if not typer.confirm(question, err=True):
        note("Nothing was done.")
        raise typer.Exit(Exit.FAILED)


def who() -> str:
    """The name under which the ledger remembers who asked."""
    try:
        return f"command line, {getpass.getuser()}"
    except (KeyError, OSError):  # An account without a name, as containers have.
        return "command line"
