"""`headrace simulate`: a provider's API on this machine, for developing without a key."""

import os
import sys

import typer


def simulate(context: typer.Context) -> None:
    """Answer in a provider's place, at no cost.

    For developing without network, key or bill. All options are the simulator's own, and so is the help.
    """
    os.execv(sys.executable, [sys.executable, "-m", "simulator", *context.args])  # noqa: S606  a list, no shell
