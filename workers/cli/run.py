"""`headrace run`: the local stack."""

from typing import Annotated

import typer

from workers.cli.examples import examples

EPILOG = examples(
    ("Start all servers here, drop the samples, show what happens, and stay up.", "headrace run"),
    ("The same, and stop once every sample has ended.", "headrace run --once"),
)


def run(once: Annotated[bool, typer.Option("--once", help="Stop once every sample has ended.")] = False) -> None:
    """Start everything here and watch the samples.

    Servers, workers and a simulated API, all on this machine: drops the samples and shows what comes out.
    """
    from workers.stack.run import run as run_stack

    raise typer.Exit(run_stack(once=once))
