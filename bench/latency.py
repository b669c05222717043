"""Seconds from drop to export, and the memory of each process: local, sync, and async with a provider that takes 20 s.

    python -m bench.latency

Starts the local stack and a simulated Nanonets in a temporary folder, drops one document at a time, stops all of it.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from config.settings import load_settings
from headrace.states import State
from workers.factory import WorkerServices, build_services
from workers.stack.environment import local_environment
from workers.stack.ports import free_ports

PROJECT = Path(__file__).parents[1]
HEADRACE = str(Path(sys.executable).parent / "headrace")
KEY = "bench-key"
ASYNC_SECONDS = 20
TIMES = 5
LONGEST_SECONDS = 120

ROUTES = """
[[routes]]
name = "local"
bucket = "inbox"
prefix = "local/"
provider = "local"
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"

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
poll = { first_seconds = 5, longest_seconds = 5, polls = 60 }
"""


@contextmanager
def stopped_at_the_end(command: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, and stop it by its own process id."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LONGEST_SECONDS)


def wait_for(what, seconds: float = LONGEST_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            sys.exit("It took too long; see the logs in the data folder.")
        time.sleep(0.05)


def drop_to_export(services: WorkerServices, route: str, number: int) -> float:
    """Put one sample, and wait for its rows."""
    # A comment behind the end makes it another document, and leaves its pages alone.
    body = (PROJECT / "samples" / "documents" / "invoice-plain.pdf").read_bytes() + b"\n%% %d\n" % number
    key = f"{route}/{number}.pdf"
    services.store.put("inbox", key, body)
    began = time.monotonic()

    def exported() -> bool:
        documents = services.ledger.documents_of_object("inbox", key)
        run = services.ledger.latest_run(documents[0].id) if documents else None
        if run is not None and run.state.is_end and run.state is not State.EXPORTED:
            sys.exit(f"{key} is {run.state}: {run.detail}")
        return run is not None and run.published

    wait_for(exported)
    return time.monotonic() - began


def megabytes(data: Path) -> dict[str, float]:
    """The memory of each process with its children (unique set size)."""
    found = {}
    for entry in json.loads((data / "processes.json").read_text(encoding="utf-8")):
        process = psutil.Process(entry["pid"])
        family = [process, *process.children(recursive=True)]
        found[entry["name"]] = sum(one.memory_full_info().uss for one in family) / 1e6
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "headrace.toml").write_text(ROUTES, encoding="utf-8")
        (folder / "models.toml").write_text('[[models]]\nid = "samples"\n', encoding="utf-8")
        port = free_ports(1)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")} | {
            "HEADRACE_DATA_FOLDER": str(folder / "data"),
            "HEADRACE_PORT_BASE": str(free_ports(13)),
            "HEADRACE_ROUTES_FILE": str(folder / "headrace.toml"),
            "HEADRACE_NANONETS_BASE_URL": f"http://127.0.0.1:{port}/api/v2",
            "NANONETS_API_KEY": KEY,
        }
        simulator = [sys.executable, "-m", "simulator", "--port", str(port), "--key", KEY, "--engine", "invented"]
        simulator += ["--models", str(folder / "models.toml"), "--async-seconds", str(ASYNC_SECONDS)]
        with (
            stopped_at_the_end(simulator, environ, folder / "simulator.log"),
            stopped_at_the_end([HEADRACE, "run"], environ, folder / "run.log"),
        ):
            data = folder / "data"
            wait_for(lambda: (data / "processes.json").exists() and "listener" in (data / "processes.json").read_text())
            services = build_services(load_settings(environ | (local_environment(data) or {})))
            drop_to_export(services, "local", 0)  # loads the local engine
            idle = megabytes(data)
            for route, times in (("local", TIMES), ("sync", TIMES), ("async", 3)):
                took = [drop_to_export(services, route, number) for number in range(1, times + 1)]
                print(f"{route:8} median {statistics.median(took):5.1f} s, worst {max(took):5.1f} s of {times}")
            busy = megabytes(data)
        print(f"(async: the simulated provider takes {ASYNC_SECONDS} s; watching lists every 2 s)\n")
        for process, used in busy.items():
            print(f"{process:16} {used:6.0f} MB (at first {idle.get(process, 0):.0f} MB)")


if __name__ == "__main__":
    main()
