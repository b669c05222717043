"""What many asynchronous jobs in flight take: memory of each process, broker, ledger, calls, and how late an answer is
noticed.

    python -m bench.in_flight [--jobs 100000] [--per-second 10] [--minutes 5] [--poll-by file|window] [--engine ...]

It is done twice, with 1,000 jobs in flight and with --jobs, as many taken and answered a second both times, so that the
few take a hundredth of the time (`bench.jobs_in_flight`). Valkey, the object store, the ledger, beat, the workers for
polls and for maintenance are those of an installation, each a process, and Nanonets is simulated. The jobs that are in
flight at the beginning are put into ledger and simulator at once, as they would stand there; those that come meanwhile
go the way of every job from its acceptance on. Nothing exports what was answered. Ends with 1 where an aim is missed.
"""

import argparse
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import redis
from sqlalchemy import create_engine, func, select

from bench.jobs_in_flight import Population
from bench.jobs_put_in import LANE, TIMED_DUE, PutIn, claim_of, fill, job_id, key_of, routes_file, write_journal
from bench.waiting import ENGINES
from config.celery import QUEUES
from config.settings import load_settings
from headrace.clock import SystemClock
from headrace.ledger.records import Postponed, SubmissionChange
from headrace.ledger.schema import GroupState, history, metadata, poll_groups, submissions
from headrace.states import SubmissionState
from workers.factory import WorkerServices, build_services
from workers.stack.child import Child, Command
from workers.stack.ports import Ports, free_ports
from workers.stack.processes import BEAT, WORKERS
from workers.stack.servers import HOST, S3_REGION, Seaweed, Valkey, minimal_environment

PROJECT = Path(__file__).parents[1]
FEW = 1_000
# So long after the workers have started it is measured.
SETTLING_SECONDS = 25.0
SAMPLE_EVERY_SECONDS = 5.0
# A route that knows that its jobs take days: none of them is given up meanwhile.
POLLS = 8_000
WORKS = ("worker-threads", "worker-maintenance")

MOST_CALLS = 8.0
MOST_LATE_MEDIAN, MOST_LATE_P95 = 0.15, 0.30
# What a process may take more with many jobs than with few.
MOST_MORE_MEGABYTES = 25.0
MOST_BROKER_MEGABYTES = 32.0


@dataclass
class Measured:
    """What was seen: the most of memory and messages, milliseconds of each call of ours, and what came of the jobs."""

    in_flight: int = 0
    job_seconds: float = 0.0
    seconds: float = 0.0
    megabytes: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    polls: int = 0
    turns: int = 0

    def most(self, kind: dict[str, Any], name: str, value: float) -> None:
        kind[name] = max(kind.get(name, 0), value)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.milliseconds.setdefault(name, []).append((time.perf_counter() - began) * 1000)

    @property
    def calls(self) -> float:
        return self.polls / max(len(self.late), 1)

    def late_at(self, share: float) -> float:
        ordered = sorted(self.late)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 1.0


class Installation:
    """The processes, in a folder of their own."""

    def __init__(self, folder: Path, ledger_url: str, routes: str, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        ports = Ports(free_ports(13))
        self.valkey = Valkey(folder / "valkey", ports.valkey, "bench-password")
        self._s3 = Seaweed(folder / "s3", ports.s3, "bench", "bench-secret")
        self._simulator_port = ports.simulator
        self.key = "bench-key"
        (folder / "headrace.toml").write_text(routes, encoding="utf-8")
        self.environment = minimal_environment() | {
            "HEADRACE_DATA_FOLDER": str(folder),
            "HEADRACE_ROUTES_FILE": str(folder / "headrace.toml"),
            "HEADRACE_BROKER_URL": self.valkey.url,
            "HEADRACE_LEDGER_URL": ledger_url,
            "HEADRACE_S3_ENDPOINT": self._s3.endpoint,
            "HEADRACE_S3_REGION": S3_REGION,
            "HEADRACE_S3_ACCESS_KEY_ID": self._s3.access_key,
            "HEADRACE_S3_SECRET_ACCESS_KEY": self._s3.secret_key,
            "HEADRACE_NANONETS_BASE_URL": f"http://{HOST}:{ports.simulator}/api/v2",
            "HEADRACE_LOG_LEVEL": "warning",
            "NANONETS_API_KEY": self.key,
        }
        self.journal = folder / "journal.jsonl"
        self.processes: dict[str, psutil.Process] = {}

    def services(self) -> WorkerServices:
        return build_services(load_settings(self.environment))

    def start_servers(self) -> None:
        self._start(self.valkey.command(self._folder / "valkey.log"))
        self._start(self._s3.command(self._folder / "s3.log"))

    def start_simulator(self) -> None:
        arguments = ("--port", str(self._simulator_port), "--key", self.key, "--state", str(self.journal))
        self._start(
            Command(
                "simulator",
                (sys.executable, "-m", "simulator", *arguments),
                folder=PROJECT,
                log=self._folder / "simulator.log",
                environment=minimal_environment(),
                ready=lambda: "simulated" in (self._folder / "simulator.log").read_text(),
                ready_seconds=300,
            )
        )

    def start_workers(self) -> None:
        (self._folder / "beat").mkdir()
        for process in (*(one for one in WORKERS if one.name in WORKS), BEAT):
            self._start(process.command(self._folder, self._folder / f"{process.name}.log", self.environment))

    def _start(self, command: Command) -> None:
        child = Child(command)
        # Nothing of it is needed any more.
        self._stack.callback(child.end)
        child.wait_until_ready(SystemClock())
        self.processes[command.name] = psutil.Process(child.pid)


def measure(folder: Path, ledger_url: str, options: argparse.Namespace, jobs: int) -> Measured:
    """One installation with so many jobs in flight."""
    seconds = options.minutes * 60 + SETTLING_SECONDS
    say(f"{jobs:,} jobs in flight are made up")
    population = Population(jobs, options.per_second, seconds)
    # A lane that is full: more are in flight than it may have, and its dispatcher has to find that out.
    routes = routes_file(POLLS, max(jobs // 2, 1), options.poll_by)
    with ExitStack() as stack:
        installation = Installation(folder, ledger_url, routes, stack)
        installation.start_servers()
        services = installation.services()
        services.ledger.migrate()
        for bucket in ("inbox", "outbox", "outbox-private"):
            services.store.create_bucket(bucket)
        _ = services.marker
        (route,) = services.routes.routes
        services.ledger.record_revision(route)
        began = datetime.now(UTC) + timedelta(seconds=20 + options.prepare_seconds_per_job * jobs)
        say("they are put in")
        put_in = fill(ledger_url, route, population, began)
        write_journal(installation.journal, population, put_in, installation.key)
        installation.start_simulator()
        say("they are in")
        until = (began - datetime.now(UTC)).total_seconds()
        if until < 0:
            sys.stderr.write(f"Preparing took {-until:.0f} s longer than was allowed for: jobs are late at first.\n")
        time.sleep(max(0.0, until))
        installation.start_workers()
        measured = Measured(in_flight=len(population.jobs), job_seconds=jobs / options.per_second)
        _Run(installation, services, population, put_in, measured).last(seconds)
        say("measured")
        return measured


class _Run:
    """What happens while it is measured."""

    def __init__(
        self,
        installation: Installation,
        services: WorkerServices,
        population: Population,
        put_in: PutIn,
        measured: Measured,
    ) -> None:
        self._installation, self._services = installation, services
        self._population, self._put_in, self._measured = population, put_in, measured
        self._engine = create_engine(_with_driver(installation.environment["HEADRACE_LEDGER_URL"]))
        self._redis = redis.Redis.from_url(installation.valkey.url)
        self._generation = 1
        self._over = threading.Event()

    def last(self, seconds: float) -> None:
        accepting = threading.Thread(target=self._accept_all, daemon=True)
        accepting.start()
        time.sleep(SETTLING_SECONDS)
        began, polls, turns, cpu = time.monotonic(), *self._counted(), self._cpu()
        since = datetime.now(UTC)
        while time.monotonic() < began + seconds - SETTLING_SECONDS:
            self._sample()
            time.sleep(SAMPLE_EVERY_SECONDS)
        now = self._cpu()
        found, until = self._counted(), datetime.now(UTC)
        self._over.set()
        accepting.join()
        measured = self._measured
        measured.seconds = time.monotonic() - began
        measured.polls, measured.turns = found[0] - polls, found[1] - turns
        measured.cpu_seconds = {name: now[name] - before for name, before in cpu.items()}
        measured.late = list(self._late(since, until))
        measured.rows = self._rows()
        self._engine.dispose()

    def _accept_all(self) -> None:
        """Those that come meanwhile: taken by the provider now, as the step that sends says."""
        ledger, hints = self._services.ledger, self._services.hints
        (route,) = self._services.routes.routes
        for job in self._population.arrivals:
            wait = (self._put_in.moment(job.accepted) - datetime.now(UTC)).total_seconds()
            if self._over.wait(max(0.0, wait)):
                return
            claim = claim_of(ledger, job)
            change = SubmissionChange(
                key_of(job.number), SubmissionState.ACCEPTED, job=job_id(job.number), pages=job.pages
            )
            with self._measured.timed("accept a job"):
                took = ledger.durations(LANE, job.pages)
                first = route.poll.next_delay(timedelta(), 0, took) or timedelta()
                hint = ledger.accept(claim, change, due_at=datetime.now(UTC) + first)
            if hint is not None:
                hints.poll(hint, first.total_seconds())

    def _sample(self) -> None:
        measured, ledger = self._measured, self._services.ledger
        for name, process in self._installation.processes.items():
            measured.most(measured.megabytes, name, process.memory_full_info().uss / 1e6)
        measured.most(measured.megabytes, "(in valkey)", self._redis.info("memory")["used_memory"] / 1e6)
        for queue in QUEUES:
            measured.most(measured.messages, queue, self._redis.llen(queue))
        measured.most(measured.messages, "with workers", self._redis.hlen("unacked"))
        with measured.timed("dispatch, of a full lane"):
            admitted = ledger.admit(self._services.routes)
        self._services.hints.hint_all(admitted)
        with measured.timed("wake groups"):
            woken = ledger.wake_groups()
        for hint in woken:
            self._services.hints.poll(hint, hint.in_seconds)
        self._take_a_turn()

    def _take_a_turn(self) -> None:
        """The ledger's part of a turn in which eight jobs are asked for, and none is ready."""
        ledger, group = self._services.ledger, self._put_in.timed_group
        with self._engine.connect() as connection:
            generation = select(poll_groups.c.generation).where(poll_groups.c.id == group)
            now_at = connection.execute(generation).scalar_one()
        began = time.perf_counter()
        turn = ledger.take_turn(group, now_at)
        jobs = [] if turn is None else ledger.due_jobs(turn)
        if turn is None or len(jobs) != TIMED_DUE:
            return  # a worker was quicker
        ledger.begin_polls(turn, jobs)
        ledger.postpone(turn, [Postponed(job, datetime.now(UTC)) for job in jobs])
        ledger.finish_turn(turn)
        self._measured.milliseconds.setdefault("turn of 8 jobs", []).append((time.perf_counter() - began) * 1000)

    def _counted(self) -> tuple[int, int]:
        """How many polls were made of all jobs, and how many turns taken."""
        with self._engine.connect() as connection:
            ours = submissions.c.model == LANE.model
            polls = connection.execute(select(func.sum(submissions.c.polls)).where(ours)).scalar_one()
            turns = select(func.sum(poll_groups.c.generation)).where(poll_groups.c.model == LANE.model)
            return int(polls or 0), int(connection.execute(turns).scalar_one() or 0)

    def _cpu(self) -> dict[str, float]:
        return {name: sum(one.cpu_times()[:2]) for name, one in self._installation.processes.items()}

    def _late(self, since: datetime, until: datetime) -> Iterator[float]:
        """Of each job that was answered between, how long after it was ready, as a share of the time that it took."""
        landed = (history.c.event == "landed") & (history.c.at >= since) & (history.c.at < until)
        with self._engine.connect() as connection:
            for row in connection.execute(select(history.c.run_id, history.c.at).where(landed)):
                job = self._put_in.jobs[row.run_id]
                yield (row.at.replace(tzinfo=UTC) - self._put_in.moment(job.ready)).total_seconds() / job.takes

    def _rows(self) -> dict[str, int]:
        names = ("runs", "submissions", "poll_groups", "history")
        with self._engine.connect() as connection:
            found = {
                name: connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one()
                for name in names
            }
            groups = select(func.count()).where(poll_groups.c.state != GroupState.ENDED)
            return found | {"poll_groups that have not ended": connection.execute(groups).scalar_one()}


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _measured(options: argparse.Namespace, jobs: int, new_ledger: Callable[[], str]) -> Measured:
    with tempfile.TemporaryDirectory(prefix="headrace-in-flight-") as folder:
        ledger_url = f"sqlite:///{folder}/ledger.db" if options.engine == "sqlite" else new_ledger()
        return measure(Path(folder), ledger_url, options, jobs)


def report(few: Measured, many: Measured) -> list[str]:
    """Print both beside one another; the aims that were missed."""
    line("", f"{few.in_flight:,}", f"{many.in_flight:,}")
    line("a job takes on average, s", f"{few.job_seconds:.0f}", f"{many.job_seconds:.0f}")
    line("measured for, s", f"{few.seconds:.0f}", f"{many.seconds:.0f}")
    line("answered meanwhile", f"{len(few.late)}", f"{len(many.late)}")
    line("calls per job", f"{few.calls:.1f}", f"{many.calls:.1f}")
    for share, name in ((0.5, "median"), (0.95, "95 of 100")):
        line(f"noticed late, of its time, {name}", f"{few.late_at(share):.1%}", f"{many.late_at(share):.1%}")
    line("turns a second", f"{few.turns / few.seconds:.1f}", f"{many.turns / many.seconds:.1f}")
    for name in many.megabytes:
        line(f"MB {name}", f"{few.megabytes[name]:.0f}", f"{many.megabytes[name]:.0f}")
    for name in many.cpu_seconds:
        line(f"CPU {name}", *(f"{one.cpu_seconds[name] / one.seconds:.0%}" for one in (few, many)))
    for name in many.messages:
        line(f"messages {name}", f"{few.messages[name]}", f"{many.messages[name]}")
    for name, took in many.milliseconds.items():
        line(f"ms {name}, median", f"{statistics.median(few.milliseconds[name]):.1f}", f"{statistics.median(took):.1f}")
    for name, rows in many.rows.items():
        line(f"rows {name}", f"{few.rows[name]:,}", f"{rows:,}")
    return list(missed(few, many))


def line(*columns: str) -> None:
    sys.stdout.write(f"{columns[0]:40}{columns[1]:>12}{columns[2]:>12}\n")


def say(what: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")
    sys.stderr.flush()


def missed(few: Measured, many: Measured) -> Iterator[str]:
    for one in (few, many):
        named = f"With {one.in_flight:,} jobs in flight"
        if one.calls > MOST_CALLS:
            yield f"{named} a job took {one.calls:.1f} calls, not {MOST_CALLS:g}."
        for share, most in ((0.5, MOST_LATE_MEDIAN), (0.95, MOST_LATE_P95)):
            if one.late_at(share) > most:
                yield f"{named} {share:.0%} were noticed within {one.late_at(share):.1%} of their time, not {most:.0%}."
    for name in (*WORKS, "beat"):
        more = many.megabytes[name] - few.megabytes[name]
        if more > MOST_MORE_MEGABYTES:
            yield f"{name} has {more:.0f} MB more with {many.in_flight:,} jobs, not {MOST_MORE_MEGABYTES:g}."
    if many.megabytes["(in valkey)"] > MOST_BROKER_MEGABYTES:
        yield f"The broker holds {many.megabytes['(in valkey)']:.0f} MB, not {MOST_BROKER_MEGABYTES:g}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--jobs", type=int, default=100_000, help="in flight (%(default)s)")
    parser.add_argument("--per-second", type=float, default=10.0, help="taken and answered (%(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of measuring, each of the two (%(default)s)")
    parser.add_argument("--poll-by", choices=("file", "window"), help="how the lane is polled")
    parser.add_argument("--engine", choices=tuple(ENGINES), default="sqlite", help="of the ledger (%(default)s)")
    parser.add_argument(
        "--prepare-seconds-per-job", type=float, default=0.003, help="that putting them in may take (%(default)s)"
    )
    options = parser.parse_args()
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ENGINES[options.engine]() as new_ledger:
        few, many = (_measured(options, jobs, new_ledger) for jobs in (FEW, options.jobs))
    misses = report(few, many)
    for one in misses:
        sys.stdout.write(f"MISSED: {one}\n")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
