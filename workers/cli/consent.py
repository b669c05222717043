"""Asking before money is spent, or something is gone for good."""

import getpass

import typer

from workers.cli.exits import Exit
from workers.cli.output import note
from workers.cli.session import Session


def obtain(
    session: Session,
    question: str,
    *,
    yes: bool,
    because: str = "this may cost money",
    remedy: str = "Say --yes, or --dry-run to look first.",
) -> None:
    """Return where the person agrees; else end the command, with nothing done.

    `because`, why it asks, and `remedy` are told where nobody is there to be asked.
    """
    if yes:
        return
    if not session.can_ask():
        note(f"headrace: {because}, and nobody is here to be asked. {remedy}")
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
