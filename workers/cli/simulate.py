"""`headrace simulate`: a provider's API on this machine, for developing without a key."""

import os
import sys

import typer

from workers.cli.examples import examples
from workers.cli.output import say

EPILOG = examples(
    ("Answer as Nanonets would, on port 8100, for anybody with the key `sample`.",
     "headrace simulate --port 8100 --key sample"),
)  # fmt: skip


def simulate(context: typer.Context) -> None:
    """Answer in a provider's place, at no cost.

    For developing without network, key or bill. All options are the simulator's own.
    """
    if "--help" in context.args:
        say(context.get_help() + "\n")
        sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "simulator", *context.args])  # noqa: S606  a list, no shell
