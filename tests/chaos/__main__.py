"""`python -m tests.chaos`: documents through real processes while everything is killed at random."""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.chaos.run import Chaos, run
from workers.logging import configure_logging

PIPE_WIDTH = 140


def main(arguments: Sequence[str]) -> int:
    """Exit codes: 0 all is right, 1 something is not, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix=f"chaos-{options.seed}-")).absolute()
    if folder.exists() and any(folder.iterdir()):
        sys.stderr.write(f"{folder} is not empty. Name an empty folder, or one that does not exist.\n")
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _end)
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
    postgres = options.ledger == "postgres"
    chaos = Chaos.of_size(options.documents, options.seed, seconds=options.seconds, postgres=postgres)
    with (folder / "chaos.log").open("w", encoding="utf-8") as log:
        configure_logging("info", "json", frozenset(), stream=log)
        report = run(chaos, folder, console)
    if report.is_right and options.folder is None:
        shutil.rmtree(folder)
    else:
        console.print(f"Logs, ledger, buckets and report.json are in {folder}.", soft_wrap=True)
    return 0 if report.is_right else 1


def _end(number: int, _frame: object) -> None:
    """Leave in good order, so that nothing is left running; only the first SIGTERM counts."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("--documents", type=int, default=1000, help="how many keys (%(default)s)")
    add("--seed", type=int, default=1, help="draws documents, faults and events (%(default)s)")
    add("--seconds", type=float, help="how long faults go on (until nearly all documents have ended)")
    add("--ledger", choices=("sqlite", "postgres"), default="sqlite", help="what keeps the ledger (%(default)s)")
    add("--folder", help="an empty folder for everything, which is kept (a temporary one, kept if something is wrong)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
