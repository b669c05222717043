"""Whether the allowed rate is used, kept and shared: the whole local stack against a simulator that refuses more.

    python -m bench.rate [--pages-per-minute 300] [--seconds 75]

Documents of one to three pages wait in one lane, from three routes of the weights 1, 1 and 3, and from a batch. Then
the lane is let go: for so many seconds with one worker process that sends (16 threads), then as long with four. Nothing
is compressed: minutes are minutes. The simulator counts every minute that ends with a request, and answers 429 to what
is more than allowed. Ends with 1 where an aim is missed: at least 97 % of the rate used, at most 1 % refused, no minute
above the rate, and no share of the pages off by more than 2 % of all pages.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from sqlalchemy import create_engine, update

from config.settings import load_settings
from headrace.clock import SystemClock
from headrace.ledger.records import RunFilter
from headrace.ledger.schema import runs
from headrace.routing import Lane
from headrace.states import Precedence, State
from simulator.journal import Accepted
from simulator.pace import Arrival, busiest_minute
from tests.pdfs import make_pdf
from workers.factory import WorkerServices, build_services
from workers.stack.child import Child, Command
from workers.stack.environment import local_environment
from workers.stack.ports import free_ports
from workers.stack.processes import PROJECT, WORKERS

LANE = Lane("nanonets", "nanonets", "samples")
WEIGHTS = {"one": 1.0, "other": 1.0, "heavy": 3.0}
BATCH, BATCHES_SHARE = "batch", 0.1
SIZES = (1, 2, 3)
SENDERS = (1, 4)
# So much more than can go waits at the beginning.
STOCK = 1.25
LEAST_USED = 0.97
MOST_REFUSED = 0.01
MOST_UNFAIR = 0.02
LONGEST_SECONDS = 600.0
_KEY = "bench-key"

CLOCK = SystemClock()


@dataclass(frozen=True)
class Measured:
    """What arrived at the provider while so many processes sent. Shares are parts of 1."""

    senders: int
    used: float
    refused: float
    busiest_minute: int
    shares: dict[str, float]

    @property
    def unfairness(self) -> float:
        """By how much of all pages the worst route is off."""
        return max(abs(self.shares[name] - share) for name, share in fair_shares().items())


def fair_shares() -> dict[str, float]:
    """What part of the pages each route should have."""
    fresh = {name: (1 - BATCHES_SHARE) * weight / sum(WEIGHTS.values()) for name, weight in WEIGHTS.items()}
    return {**fresh, BATCH: BATCHES_SHARE}


def routes_file(pages_per_minute: int) -> str:
    """A lane with this rate, and the routes that share it."""
    lane = f"""
[[lanes]]
provider = "nanonets"
model = "{LANE.model}"
pages_per_minute = {pages_per_minute}
in_flight = 200
"""
    routes = (
        f"""
[[routes]]
name = "{name}"
bucket = "inbox"
prefix = "{name}/"
provider = "nanonets"
model = "{LANE.model}"
weight = {WEIGHTS.get(name, 1.0)}
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"
"""
        for name in fair_shares()
    )
    return lane + "".join(routes)


@contextmanager
def running(command: Command) -> Iterator[None]:
    """A process that answers, and is stopped in the end."""
    child = Child(command)
    try:
        child.wait_until_ready(CLOCK)
        yield
    finally:
        child.stop(CLOCK)


class Stack:
    """Everything in one folder: the simulator, `headrace run`, and further processes that send."""

    def __init__(self, folder: Path, pages_per_minute: int) -> None:
        self._folder = folder
        self._port = free_ports(1)
        (folder / "headrace.toml").write_text(routes_file(pages_per_minute), encoding="utf-8")
        (folder / "models.toml").write_text(f'[[models]]\nid = "{LANE.model}"\n', encoding="utf-8")
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")} | {
            "HEADRACE_DATA_FOLDER": str(folder / "data"),
            "HEADRACE_PORT_BASE": str(free_ports(13)),
            "HEADRACE_ROUTES_FILE": str(folder / "headrace.toml"),
            "HEADRACE_NANONETS_BASE_URL": f"http://127.0.0.1:{self._port}/api/v2",
            "NANONETS_API_KEY": _KEY,
        }
        self._rate = pages_per_minute

    def simulator(self) -> Command:
        """A provider that refuses what is above the rate, and takes a second for each answer."""
        options = {
            "port": self._port,
            "key": _KEY,
            "models": self._folder / "models.toml",
            "pages-per-minute": self._rate,
            "sync-seconds": 1,
            "state": self.journal,
        }
        command = self._command("simulator", "-m", "simulator", *(f"--{name}={is_}" for name, is_ in options.items()))
        return replace(command, ready=self._simulator_answers, ready_seconds=LONGEST_SECONDS)

    def headrace(self) -> Command:
        """The local stack, with one process that sends."""
        data = self._folder / "data"

        def is_up() -> bool:
            processes = data / "processes.json"
            return processes.exists() and "listener" in processes.read_text(encoding="utf-8")

        command = self._command("headrace", "-c", "from workers.cli.main import run; run()", "run")
        return replace(command, ready=is_up, ready_seconds=LONGEST_SECONDS, grace_seconds=LONGEST_SECONDS)

    def sender(self, number: int) -> Command:
        """A further process that sends, as the stack has one."""
        (like,) = (process for process in WORKERS if process.name == "worker-threads")
        arguments = [argument.replace("threads@", f"threads{number}@") for argument in like.arguments]
        log = self._folder / f"sender-{number}.log"
        command = self._command(f"sender-{number}", *arguments)
        environ = self._environ | (local_environment(self._folder / "data") or {})
        return replace(
            command,
            environment=environ,
            ready=lambda: " ready." in log.read_text(encoding="utf-8", errors="replace"),
            ready_seconds=LONGEST_SECONDS,
            grace_seconds=like.grace_seconds,
        )

    def services(self) -> WorkerServices:
        return build_services(load_settings(self._environ | (local_environment(self._folder / "data") or {})))

    @property
    def journal(self) -> Path:
        return self._folder / "journal.jsonl"

    def refused(self) -> int:
        """How many requests the simulator refused as too much so far."""
        lanes = (
            httpx.get(f"http://127.0.0.1:{self._port}/simulator/rate", timeout=30).raise_for_status().json()["lanes"]
        )
        return sum(lane["refused"] for lane in lanes)

    def taken(self) -> list[Accepted]:
        """What the simulator took so far."""
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        return [Accepted.model_validate_json(line) for line in lines]

    def _simulator_answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/simulator/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def _command(self, name: str, *arguments: str) -> Command:
        log = self._folder / f"{name}.log"
        return Command(name, (sys.executable, *arguments), PROJECT, log, self._environ)


def drop(services: WorkerServices, pages: float) -> None:
    """Put so many pages into the inbox, as each route will need them, and have them wait."""
    services.ledger.pause(LANE, by="bench", why="until all of them wait")
    dropped = 0
    for route, share in fair_shares().items():
        for number in range(round(pages * share * STOCK / (sum(SIZES) / len(SIZES)))):
            # A comment behind the end makes it another document, and leaves its pages alone.
            body = make_pdf(SIZES[number % len(SIZES)]) + f"\n%% {route} {number}\n".encode()
            services.store.put("inbox", f"{route}/{route}-{number}.pdf", body)
            dropped += 1
    wait_for(lambda: _waiting(services) == dropped)
    _make_a_batch(services)
    services.ledger.resume(LANE)
    services.hints.dispatch()


def _waiting(services: WorkerServices) -> int:
    return sum(count.runs for count in services.ledger.counts(RunFilter(state=State.WAITING)))


def _make_a_batch(services: WorkerServices) -> None:
    """As if `headrace reprocess` had started them, which would first need their results."""
    engine = create_engine(services.settings.require("ledger_url"))
    with engine.begin() as tx:
        tx.execute(update(runs).where(runs.c.route == BATCH).values(precedence=Precedence.BATCH))
    engine.dispose()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit("It took too long; is the machine busy?")
        time.sleep(0.5)


def measure(stack: Stack, senders: int, rate: int, seconds: float) -> Measured:
    """Count what arrives from now on."""
    began, refused_before = time.time(), stack.refused()
    time.sleep(seconds)
    taken, refused = stack.taken(), stack.refused() - refused_before
    within = [one for one in taken if began <= one.arrived_at < began + seconds]
    pages: Counter[str] = Counter()
    for one in within:
        pages[one.files[0].name.partition("-")[0]] += one.pages
    in_all = sum(pages.values())
    busiest = busiest_minute([Arrival(one.arrived_at, one.pages) for one in taken], rate)
    return Measured(
        senders,
        used=in_all / (rate / 60 * seconds),
        refused=refused / (len(within) + refused) if within else 1.0,
        busiest_minute=int(busiest.amount),
        shares={name: pages[name] / in_all if in_all else 0.0 for name in fair_shares()},
    )


def told(measured: Sequence[Measured], rate: int) -> list[str]:
    """The figures, a column for each number of processes, and what was missed."""
    fair = fair_shares()
    rows: list[tuple[str, list[str]]] = [
        ("share of the rate used", [f"{one.used:.1%}" for one in measured]),
        ("requests refused", [f"{one.refused:.1%}" for one in measured]),
        (f"pages in the busiest minute, of {rate}", [f"{one.busiest_minute}" for one in measured]),
        *(
            (f"pages of {name}, {fair[name]:.0%} is fair", [f"{one.shares[name]:.1%}" for one in measured])
            for name in fair
        ),
        ("largest error of a share", [f"{one.unfairness:.1%}" for one in measured]),
    ]
    head = ("processes that send", [str(one.senders) for one in measured])
    return [f"{name:38}" + "".join(f"{cell:>9}" for cell in cells) for name, cells in (head, *rows)]


def is_kept(one: Measured, rate: int) -> bool:
    """Whether every aim is met."""
    return (
        one.used >= LEAST_USED
        and one.refused <= MOST_REFUSED
        and one.busiest_minute <= rate
        and one.unfairness <= MOST_UNFAIR
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages-per-minute", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=75.0, help="how long to count, each time")
    options = parser.parse_args()
    rate, seconds = options.pages_per_minute, options.seconds
    # Who is told to end stops what it started first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="headrace-rate-") as name, ExitStack() as started:
        stack = Stack(Path(name), rate)
        started.enter_context(running(stack.simulator()))
        started.enter_context(running(stack.headrace()))
        services = stack.services()
        drop(services, rate / 60 * seconds * len(SENDERS))
        wait_for(lambda: bool(stack.taken()))
        for senders in SENDERS:
            # The stack has brought the first one along.
            for number in range(measured[-1].senders if measured else 1, senders):
                started.enter_context(running(stack.sender(number)))
            measured.append(measure(stack, senders, rate, seconds))
    print("\n".join(told(measured, rate)))
    kept = all(is_kept(one, rate) for one in measured)
    print("every aim is met" if kept else "AN AIM IS MISSED")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
