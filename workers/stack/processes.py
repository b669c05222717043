"""The processes of the pipeline: what each is for and how it is started. docs/operations.md shows the same list."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from workers.stack.child import Command
from workers.stack.servers import HOST, minimal_environment

PROJECT = Path(__file__).parents[2]
CELERY = ("-m", "celery", "-A", "workers.app:app")
# Nobody watches these workers' events, and they never ask one another anything.
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


@dataclass(frozen=True)
class Process:
    """One process: `arguments` follow the interpreter; `{data}` stands for the data folder."""

    name: str
    about: str
    arguments: tuple[str, ...]
    grace_seconds: float

    def command(self, data: Path, log: Path, environment: Mapping[str, str]) -> Command:
        """How this machine starts it."""
        arguments = (argument.replace("{data}", str(data)) for argument in self.arguments)
        return Command(
            self.name,
            (sys.executable, *arguments),
            folder=PROJECT,
            log=log,
            environment=environment,
            grace_seconds=self.grace_seconds,
        )


def _worker(pool: str, queues: str, concurrency: int, name: str) -> tuple[str, ...]:
    return (
        *CELERY,
        "worker",
        f"--pool={pool}",
        f"--concurrency={concurrency}",
        f"--queues={queues}",
        f"--hostname={name}@%h",
        *QUIET,
    )


# One worker process a kind of work. The local engine has its own, for its packages take hundreds of megabytes and load
# in its queue only, and a long document must not keep others from being counted.
WORKERS = (
    Process(
        "worker-prefork",
        "Counts and exports, in processes that can be killed.",
        # Half of their time they wait for the store and the ledger.
        _worker("prefork", "route,export", concurrency=4, name="prefork"),
        grace_seconds=15.0,
    ),
    Process(
        "worker-maintenance",
        "Admits, sweeps, scans and keeps schedules.",
        # By itself: what finds again what was lost must not wait behind a backlog, least of all on a bad day.
        _worker("threads", "maintenance", concurrency=4, name="maintenance"),
        grace_seconds=15.0,
    ),
    Process(
        "worker-threads",
        "Waits for the prediction APIs: sends documents and polls.",
        _worker("threads", "submit,poll", concurrency=16, name="threads"),
        # A paid request lasts up to 100 s, and cutting it leaves its document in doubt.
        grace_seconds=110.0,
    ),
    Process(
        "worker-local",
        "Reads documents with the local engine.",
        _worker("prefork", "local", concurrency=1, name="local"),
        grace_seconds=15.0,
    ),
)

BEAT = Process(
    "beat",
    "Gives the hints that come by the clock: sweep, schedules, marker.",
    (*CELERY, "beat", "--schedule={data}/beat/schedule", "--pidfile="),
    grace_seconds=5.0,
)

LISTENER = Process(
    "listener",
    "Watches the buckets, and the queues of their notifications where there are any.",
    ("-m", "workers.listener"),
    grace_seconds=10.0,
)

# A slow provider, so that waiting and polling show.
SYNC_SECONDS = 1.0
ASYNC_SECONDS = 6.0
SIMULATED_DIALECTS = ("openapi", "guide")


def simulator(port: int, key: str, folder: Path, log: Path) -> Command:
    """The remote API on this machine, reading with the local engine; what it billed is kept in `folder`."""

    def answers() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{port}/simulator/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    options = {
        "port": port,
        "key": key,
        "models": folder / "models.toml",
        "engine": "local",
        "sync-seconds": SYNC_SECONDS,
        "async-seconds": ASYNC_SECONDS,
        "state": folder / "journal.jsonl",
    }
    return Command(
        "simulator",
        # Whichever dialect the settings choose is answered.
        (
            sys.executable,
            "-m",
            "simulator",
            *(f"--{name}={value}" for name, value in options.items()),
            *(f"--dialect={dialect}" for dialect in SIMULATED_DIALECTS),
        ),
        folder=PROJECT,
        log=log,
        environment=minimal_environment(),
        ready=answers,
        grace_seconds=5.0,
    )
