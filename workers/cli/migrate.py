"""`headrace migrate`: bring the ledger's tables to what this version needs."""

import typer

from workers.cli.examples import examples
from workers.cli.output import say
from workers.cli.session import session_of

EPILOG = examples(
    ("After an upgrade, before the processes start again; twice does no harm.", "headrace migrate"),
)  # fmt: skip


def migrate(context: typer.Context) -> None:
    """Bring the ledger's tables up to date."""
    session_of(context).services.ledger.migrate()
    say("The ledger is up to date.")
