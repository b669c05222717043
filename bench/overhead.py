"""What headrace costs beside the calls that a document needs anyway: documents a second, and processor time by process.

    python -m bench.overhead [--documents 500]

Starts Valkey and SeaweedFS as the local stack does, and an API that answers at once, on loopback. Then, once for sync
and once for async, the same documents go through headrace, with a rate, a budget and breakers on, and through
(a) the same S3 and HTTP calls without a queue, (b) the same number of empty chained tasks with those calls, under the
same delivery settings, (c) the usual tutorial: prefork, files and answers in messages, no ledger. What headrace calls
is noted while it takes a document through (`bench.one_document`). Ends with 1 where an aim is missed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import redis

from bench.instant_nanonets import FILE_ID, METADATA
from bench.one_document import note_calls
from bench.replayed_calls import Call
from bench.rivals import DONE, calling, chained, teaching, tutorial
from config.settings import load_settings
from headrace.clock import SystemClock
from headrace.document import Document
from headrace.ledger.records import RunFilter
from headrace.states import State
from workers.doors import hint_all
from workers.factory import WorkerServices, build_services
from workers.logging import configure_logging
from workers.stack.child import Child, Command
from workers.stack.environment import Secrets, plan
from workers.stack.folder import DataFolder
from workers.stack.ports import free_ports
from workers.stack.processes import BEAT, WORKERS, Process
from workers.stack.servers import minimal_environment

PROJECT = Path(__file__).parents[1]
SAMPLE = PROJECT / "samples" / "documents" / "invoice-plain.pdf"
KEY = "bench-key"
WARM = 20
LONGEST_SECONDS = 600.0
PLAIN_PROCESSES = 4
AIMS = {"b": 0.5, "c": 0.8}
QUEUE_OF = {"route": "route", "submit": "submit", "poll": "poll", "export": "export"}

ROUTES = """
[[routes]]
name = "sync"
bucket = "inbox"
prefix = "sync/"
provider = "nanonets"
model = "samples"
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"

[[routes]]
name = "async"
bucket = "inbox"
prefix = "async/"
provider = "nanonets"
model = "samples"
sync_page_limit = 0
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"
poll = { first_seconds = 1, longest_seconds = 1, polls = 100 }

[[lanes]]
provider = "nanonets"
model = "samples"
in_flight = 1000
pages_per_minute = 1000000
price_per_page = 0.01

[[budgets]]
name = "all"
account = "nanonets"
period = "month"
pages = 100000000
cost = 1000000
"""


@dataclass(frozen=True)
class Figures:
    """What one way of doing it took: documents a second, and CPU-milliseconds a document by kind of process."""

    name: str
    per_second: float
    milliseconds: Mapping[str, float]

    @property
    def whole(self) -> float:
        return sum(self.milliseconds.values())


class Bench:
    """The servers, and what is needed to reach them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.clock = SystemClock()
        self._stack = stack
        (folder / "headrace.toml").write_text(ROUTES, encoding="utf-8")
        self.api_port = free_ports(1)
        given = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "NANONETS_"))}
        given |= {
            "HEADRACE_DATA_FOLDER": str(folder / "data"),
            "HEADRACE_PORT_BASE": str(free_ports(13)),
            "HEADRACE_ROUTES_FILE": str(folder / "headrace.toml"),
            "HEADRACE_NANONETS_BASE_URL": f"http://127.0.0.1:{self.api_port}/api/v2",
            "NANONETS_API_KEY": KEY,
        }
        settings = load_settings(given)
        data = DataFolder(settings.data_folder.absolute())
        data.make()
        planned = plan(settings, data, Secrets.kept(data))
        if planned.valkey is None or planned.s3 is None:
            raise LookupError("The stack brings no servers of its own.")
        self.data = data
        self.environ = {**given, **planned.environment}
        self.settings = load_settings(self.environ)
        self.broker_url, self.s3_url = planned.valkey.url, planned.s3.endpoint
        self.servers = {
            "broker": self._start(planned.valkey.command(data.log("valkey"))),
            "S3": self._start(planned.s3.command(data.log("s3"))),
            "API": self._start(self._api()),
        }
        self.services: WorkerServices = build_services(self.settings)
        self.services.ledger.migrate()
        for bucket in ("inbox", "outbox", "outbox-private"):
            self.services.store.create_bucket(bucket)
        _ = self.services.marker
        self.redis = redis.Redis.from_url(self.broker_url)
        self._dropped = 0

    def _start(self, command: Command) -> int:
        child = Child(command)
        self._stack.callback(child.stop, self.clock)
        child.wait_until_ready(self.clock)
        return child.pid

    def _api(self) -> Command:
        bodies = self.folder / "bodies.json"
        bodies.write_text(json.dumps(captured_bodies(self.folder)), encoding="utf-8")
        return Command(
            "api",
            (sys.executable, "-m", "bench.instant_nanonets", f"--port={self.api_port}", f"--bodies={bodies}"),
            folder=PROJECT,
            log=self.data.log("api"),
            environment=minimal_environment(),
            ready=lambda: _answers(f"http://127.0.0.1:{self.api_port}/"),
        )

    def drop(self, route: str, count: int) -> list[Document]:
        """Put so many different documents below a route's prefix; nobody is told."""
        body = SAMPLE.read_bytes()
        first = self._dropped
        self._dropped += count
        for number in range(first, self._dropped):
            # A comment behind the end makes it another document, and leaves its pages alone.
            self.services.store.put("inbox", f"{route}/{number:06}.pdf", body + b"\n%% %d\n" % number)
        # As the listener learns of them.
        listed = self.services.store.list("inbox", f"{route}/", start_after=f"{route}/{first - 1:06}.pdf")
        heads = [head for page in listed for head in page]
        return [Document("inbox", head.key, head.etag, head.size, head.last_modified) for head in heads]

    @contextmanager
    def workers(self, processes: Sequence[Process], environ: Mapping[str, str]) -> Iterator[dict[str, int]]:
        """Workers that are up, by name; stopped at the end."""
        with ExitStack() as running:
            pids = {}
            for process in processes:
                log = self.data.log(process.name)
                child = Child(process.command(self.data.path, log, environ))
                running.callback(child.stop, self.clock)
                pids[process.name] = child.pid
            yield pids

    def measure(
        self,
        name: str,
        kinds: Mapping[str, Sequence[int]],
        count: int,
        begin: Callable[[], None],
        done: Callable[[], int],
    ) -> Figures:
        """Begin, wait until so many are done, and reckon."""
        families = {**kinds, **{kind: [pid] for kind, pid in self.servers.items()}, "feeding": [os.getpid()]}
        before = {kind: sum(map(seconds_of, pids)) for kind, pids in families.items()}
        began = time.monotonic()
        begin()
        wait_until(lambda: done() >= count)
        took = time.monotonic() - began
        after = {kind: sum(map(seconds_of, pids)) for kind, pids in families.items()}
        milliseconds = {kind: 1000 * (after[kind] - before[kind]) / count for kind in families}
        return Figures(name, count / took, milliseconds)


def seconds_of(pid: int) -> float:
    """Processor time of a process and of all that it ever started; for ourselves only our own."""
    process = psutil.Process(pid)
    if pid == os.getpid():
        return sum(process.cpu_times()[:2])
    return sum(sum(one.cpu_times()[:4]) for one in (process, *process.children(recursive=True)))


def wait_until(what: Callable[[], bool], seconds: float = LONGEST_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            sys.exit("It took too long; see the logs in the data folder.")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=2)
    except httpx.HTTPError:
        return False
    return True


def captured_bodies(folder: Path) -> dict[str, str]:
    """What the simulator answers for the sample: sync, async, and once the pages are there."""
    (folder / "models.toml").write_text('[[models]]\nid = "samples"\n', encoding="utf-8")
    port = free_ports(1)
    command = [sys.executable, "-m", "simulator", "--port", str(port), "--key", KEY, "--engine", "invented"]
    command += ["--models", str(folder / "models.toml"), "--async-seconds", "0"]
    with (folder / "simulator.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=minimal_environment(), stdout=log, stderr=log)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(f"{base}/simulator/health"), 120)
        with httpx.Client(base_url=f"{base}/api/v2", auth=(KEY, ""), timeout=60) as client:
            return _bodies(client)
    finally:
        process.terminate()
        process.wait(30)


def _bodies(client: httpx.Client) -> dict[str, str]:
    form = {
        "files": {"file": (SAMPLE.name, SAMPLE.read_bytes(), "application/pdf")},
        "data": {"request_metadata": METADATA},
    }
    sync = client.post("OCR/Model/samples/LabelFile/", **form).raise_for_status().text
    accepted = client.post("OCR/Model/samples/LabelFile/", params={"async": "true"}, **form).raise_for_status().text
    address = f"Inferences/Model/samples/InferenceRequestFiles/GetPredictions/{_file_id(accepted)}"
    wait_until(lambda: '"prediction"' in client.get(address).text or "predicted_boxes" in client.get(address).text, 30)
    stored = client.get(address).raise_for_status().text
    return {
        name: body.replace(_file_id(body), FILE_ID)
        for name, body in (("sync", sync), ("accepted", accepted), ("stored", stored))
    }


def _file_id(body: str) -> str:
    pages = json.loads(body)
    found = pages.get("result") or pages.get("unmoderated_images") or pages.get("moderated_images")
    while "result" in found[0]:
        found = found[0]["result"]
    return str(found[0]["request_file_id"])


def ours(bench: Bench, mode: str, count: int) -> tuple[Figures, float]:
    """headrace as `headrace run` starts it; and how many messages a document cost."""
    every = (*(one for one in WORKERS if one.name != "worker-local"), BEAT)
    with bench.workers(every, bench.environ) as pids:
        ledger = bench.services.ledger

        def exported() -> int:
            return sum(one.runs for one in ledger.counts(RunFilter(route=mode)) if one.state is State.EXPORTED)

        def begin(documents: Sequence[Document]) -> None:
            # As the listener does it with what it finds.
            for first in range(0, len(documents), 100):
                hint_all(ledger.record(documents[first : first + 100]), bench.services.hints.hint)

        already, warm = exported(), bench.drop(mode, WARM)
        begin(warm)
        wait_until(lambda: exported() - already >= WARM)
        documents, before = bench.drop(mode, count), published(bench.redis)
        already += WARM
        kinds = {"workers": [pid for name, pid in pids.items() if name != "beat"], "beat": [pids["beat"]]}
        figures = bench.measure("headrace", kinds, count, lambda: begin(documents), lambda: exported() - already)
        return figures, (published(bench.redis) - before) / count


def published(client: redis.Redis) -> int:
    """How many messages were ever published: each is one LPUSH."""
    return int(client.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))


def plainly(bench: Bench, mode: str, count: int, calls: Path) -> Figures:
    """(a): the calls alone, in processes that share the documents."""
    documents = bench.drop(f"plain-{mode}", count + PLAIN_PROCESSES)
    command = [sys.executable, "-m", "bench.rivals", str(calls)]
    environ = rival_environment(bench)
    running = []
    for number in range(PLAIN_PROCESSES):
        keys = [document.key for document in documents[number::PLAIN_PROCESSES]]
        running.append(
            subprocess.Popen(
                [*command, *keys], cwd=PROJECT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
    try:
        for one in running:
            one.stdout.readline()

        def begin() -> None:
            for one in running:
                one.stdin.write("go\n")
                one.stdin.flush()
            for one in running:
                one.stdout.readline()

        kinds = {"workers": [one.pid for one in running]}
        # They end only once they are asked to, so their processor time can still be read.
        return bench.measure("(a) the calls alone", kinds, count, begin, lambda: count)
    finally:
        for one in running:
            one.communicate(timeout=30)


def in_empty_tasks(bench: Bench, mode: str, count: int, calls: Path, steps: Sequence[str], messages: float) -> Figures:
    """(b): the calls in a chain of as many tasks as headrace's messages."""
    links = [(QUEUE_OF[step], [step]) for step in steps]
    links[1:1] = [("maintenance", [])] * (round(messages) - len(links))
    workers = [rival_worker(one, "bench.rivals:calling") for one in WORKERS if one.name != "worker-local"]
    calling.conf.update(broker_url=bench.broker_url)

    def send(documents: Sequence[Document]) -> None:
        for document in documents:
            chained(str(calls), document.key, links).apply_async()

    name = f"(b) {len(links)} empty tasks with them"
    return in_queue(bench, name, f"empty-{mode}", count, workers, send)


def as_tutorial(
    bench: Bench, name: str, mode: str, count: int, kinds: list[str], *, new_clients: bool = False
) -> Figures:
    """(c): a chain that hands on files and answers."""
    teaching.conf.update(broker_url=bench.broker_url)
    arguments = ("-m", "celery", "-A", "bench.rivals:teaching", "worker", "--pool=prefork", "--concurrency=4")
    worker = Process("tutorial", "", (*arguments, "--loglevel=WARNING"), grace_seconds=15.0)

    def send(documents: Sequence[Document]) -> None:
        for document in documents:
            tutorial("inbox", document.key, mode, kinds).apply_async()

    more = {"BENCH_NEW_CLIENTS": "1"} if new_clients else {}
    prefix = f"tutorial-{mode}-{len(kinds)}{len(more)}"
    return in_queue(bench, name, prefix, count, [worker], send, more)


def in_queue(
    bench: Bench,
    name: str,
    prefix: str,
    count: int,
    workers: Sequence[Process],
    send: Callable[[Sequence[Document]], None],
    environ: Mapping[str, str] | None = None,
) -> Figures:
    def done() -> int:
        return int(bench.redis.get(DONE) or 0)

    with bench.workers(workers, rival_environment(bench) | dict(environ or {})) as pids:
        bench.redis.delete(DONE)
        send(bench.drop(prefix, WARM))
        wait_until(lambda: done() >= WARM)
        documents = bench.drop(prefix, count)
        bench.redis.delete(DONE)
        return bench.measure(name, {"workers": list(pids.values())}, count, lambda: send(documents), done)


def rival_worker(process: Process, app: str) -> Process:
    """The same pool and queues for another app."""
    arguments = tuple(app if argument == "workers.app:app" else argument for argument in process.arguments)
    return Process(f"rival-{process.name}", "", (*arguments, "--loglevel=WARNING"), grace_seconds=15.0)


def rival_environment(bench: Bench) -> dict[str, str]:
    settings = bench.settings
    return minimal_environment() | {
        "BENCH_S3": bench.s3_url,
        "BENCH_S3_ID": settings.s3_access_key_id or "",
        "BENCH_S3_SECRET": settings.s3_secret_access_key.get_secret_value() if settings.s3_secret_access_key else "",
        "BENCH_BROKER": bench.broker_url,
        "BENCH_API": settings.nanonets_base_url,
        "BENCH_KEY": KEY,
    }


def said(calls: Sequence[Call]) -> str:
    counts: dict[str, int] = {}
    for call in calls:
        counts[call.kind] = counts.get(call.kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


ALL_ROWS = ["fields", "table_rows", "cells"]
KINDS = ("workers", "beat", "S3", "broker", "API", "feeding")


def tell(figures: Figures, us: Figures) -> None:
    parts = " + ".join(f"{figures.milliseconds.get(kind, 0):.1f}" for kind in KINDS)
    share = "" if figures is us else f"   headrace: {us.per_second / figures.per_second:.2f} of its documents/s"
    sys.stdout.write(f"{figures.name:44} {figures.per_second:11.1f}  {figures.whole:6.1f} = {parts}{share}\n")
    sys.stdout.flush()


def missed(mode: str, every: Sequence[Figures]) -> list[str]:
    us, _, b, c = every[:4]
    shares = {"b": us.per_second / b.per_second, "c": us.per_second / c.per_second}
    return [
        f"{mode}: {shares[name]:.2f} of ({name}), the aim is {aim}" for name, aim in AIMS.items() if shares[name] < aim
    ]


def measured(bench: Bench, mode: str, count: int, *, verbose: bool) -> list[str]:
    path = bench.folder / f"calls-{mode}.json"
    noting = load_settings(bench.environ | {"HEADRACE_BROKER_URL": bench.broker_url.removesuffix("/0") + "/15"})
    calls = note_calls(noting, bench.drop(mode, 3), path)
    if verbose:
        sys.stdout.write("".join(f"{call}\n" for call in calls))
    steps = list(dict.fromkeys(call.step for call in calls))
    us, messages = ours(bench, mode, count)
    sys.stdout.write(f"\n{mode}: a document costs {said(calls)}, and {messages:.2f} messages\n")
    sys.stdout.write(f"{'':44} documents/s  CPU-ms a document: all = {' + '.join(KINDS)}\n")
    tell(us, us)
    every = [us]
    for measure in (
        lambda: plainly(bench, mode, count, path),
        lambda: in_empty_tasks(bench, mode, count, path, steps, messages),
        lambda: as_tutorial(bench, "(c) the tutorial, all kinds of rows", mode, count, ALL_ROWS),
        lambda: as_tutorial(bench, "    with an S3 client made in each task", mode, count, ALL_ROWS, new_clients=True),
        lambda: as_tutorial(bench, "    with the fields alone", mode, count, ["fields"]),
    ):
        every.append(measure())
        tell(every[-1], us)
    return missed(mode, every)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--mode", action="append", choices=("sync", "async"))
    parser.add_argument("--calls", action="store_true", help="show each call that is noted")
    given = parser.parse_args()
    configure_logging("warning", "console")
    # What was started is stopped then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        bench = Bench(Path(name), stack)
        failures = []
        for mode in given.mode or ("sync", "async"):
            failures += measured(bench, mode, given.documents, verbose=given.calls)
    if failures:
        sys.exit("\n".join(["Missed:", *failures]))


if __name__ == "__main__":
    main()
