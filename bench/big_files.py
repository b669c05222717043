"""What a document of 1 GB costs on its whole way, in memory and time, beside one of 10 MB.

    python -m bench.big_files [--megabytes 1000]

Starts SeaweedFS and a simulated Nanonets on loopback, in a temporary folder; drops PDFs under five routes (sync, async,
Base64, local, PDFs with a password) and takes each step of the pipeline in a process of its own, as its worker does.
Flat is a step whose memory is the same for both documents; ends with 1 where one is not. It needs eight times the
document in disk space.
The simulator takes no Base64 text of more than 64 MB and holds that in memory, so the large document of that route has
45 MB and the simulator's memory is not looked at there. Whoever takes a password off has one attachment or picture at a
time in memory, so those of the protected documents have 1 MB each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import pikepdf
import psutil

from config.settings import load_settings
from headrace.clock import SystemClock
from headrace.document import Document
from headrace.ledger.records import RunFilter
from headrace.states import State
from tasks.export import export
from tasks.hints import Hints
from tasks.maintenance import admit_waiting
from tasks.poll import take_turn
from tasks.route import route
from tasks.step import perform
from tasks.submit import submit
from workers.factory import WorkerServices
from workers.stack.child import Child
from workers.stack.ports import free_ports
from workers.stack.servers import Seaweed

PROJECT = Path(__file__).parents[1]
SMALL_MEGABYTES = 10
MOST_BASE64_MEGABYTES = 45
MOST_ADDED_MEGABYTES = 20
LONGEST_SECONDS = 300
PAGES = 3
KEY = "bench-key"
PASSWORD = "bench-password"
ROUTES = {
    "sync": 'provider = "nanonets"\nmodel = "bench"',
    "async": 'provider = "nanonets"\nmodel = "bench"\nsync_page_limit = 0',
    "base64": 'provider = "nanonets"\nmodel = "bench"\nsend = "base64"',
    "local": 'provider = "local"',
    "protected": 'provider = "nanonets"\nmodel = "bench"\npasswords = ["bench"]',
}
ROUTE = """
[[routes]]
name = "{name}"
bucket = "inbox"
prefix = "{name}/"
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"
most_bytes = 5_000_000_000
poll = {{ first_seconds = 1, longest_seconds = 1, polls = 60 }}
{more}
"""
STEPS = ("drop", "route", "submit", "export")


def write_pdf(path: Path, megabytes: int, attachments: int = PAGES) -> None:
    """A PDF of three pages with a line of text each, and attachments of this size in all that nothing compresses."""
    noise = os.urandom(1_000_000)
    offsets: list[int] = []
    with path.open("wb") as file:

        def write(body: bytes) -> None:
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), body))

        file.write(b"%PDF-1.7\n")
        first = 4 + 2 * PAGES
        kids = b" ".join(b"%d 0 R" % (4 + 2 * page) for page in range(PAGES))
        names = b" ".join(b"(noise %06d) %d 0 R" % (number, first + 1 + 2 * number) for number in range(attachments))
        write(b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [%s] >> >> >>" % names)
        write(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (PAGES, kids))
        write(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        for page in range(PAGES):
            drawn = b"BT /F 12 Tf 72 720 Td (Page %d: total 12.00) Tj ET" % (page + 1)
            font, content = b"<< /Font << /F 3 0 R >> >>", 5 + 2 * page
            write(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources %s /Contents %d 0 R >>"
                % (font, content)
            )
            write(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
        for number in range(attachments):
            pieces = megabytes // attachments
            offsets.append(file.tell())
            head = b"%d 0 obj\n<< /Type /EmbeddedFile /Length %d >>\nstream\n"
            file.write(head % (len(offsets), pieces * len(noise)))
            for _ in range(pieces):
                file.write(noise)
            file.write(b"\nendstream\nendobj\n")
            write(b"<< /Type /Filespec /F (noise %06d) /EF << /F %d 0 R >> >>" % (number, first + 2 * number))
        index = file.tell()
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1))
        file.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
        file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, index))


def write_protected(path: Path, megabytes: int) -> None:
    """Such a PDF with a password (AES-256); its attachments have 1 MB each, as the pictures of scanned pages have."""
    original = path.with_suffix(".plain")
    write_pdf(original, megabytes, megabytes)
    with pikepdf.open(original) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(user=PASSWORD, owner=PASSWORD))
    original.unlink()


class Messages:
    """Stands where the Celery app stands for Hints: this program takes the steps itself."""

    def __init__(self) -> None:
        self.polls: list[list[int]] = []

    def connection_for_read(self) -> None:
        raise OSError("there is no broker")

    def send_task(self, name: str, *, args: list[int], **_: object) -> None:
        if name == "headrace.poll":
            self.polls.append(args)


class Services(WorkerServices):
    """A worker's, without a broker."""

    @cached_property
    def messages(self) -> Messages:
        return Messages()

    @cached_property
    def hints(self) -> Hints:
        return Hints(self.messages, self.clock)  # type: ignore[arg-type]  a stand-in


class ChildPeaks(threading.Thread):
    """Keeps the most memory that each child of this process had, also of those that have ended."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._megabytes: dict[int, float] = {}

    def run(self) -> None:
        while True:
            self.look()
            time.sleep(0.05)

    def look(self) -> None:
        for child in psutil.Process().children(recursive=True):
            # The last look counts: before a child runs its own program it has this process's memory. One that ended
            # has none any more.
            with suppress(OSError):
                if megabytes := peak_megabytes(child.pid):
                    self._megabytes[child.pid] = megabytes

    @property
    def megabytes(self) -> float:
        """Of all children together."""
        self.look()
        return sum(self._megabytes.copy().values())


def take_step(step: str, name: str, file: Path) -> None:
    """One step of the document `file` under the route `name`, as a worker takes it; prints what it cost."""
    services = Services(load_settings(os.environ), None)  # type: ignore[arg-type]  no app is needed
    key = f"{name}/{file.name}"
    children = ChildPeaks()
    children.start()
    began = time.monotonic()
    if step == "drop":
        with file.open("rb") as body:
            services.store.put("inbox", key, body)
        head = services.store.head("inbox", key)
        services.ledger.record([Document("inbox", key, head.etag, head.size, head.last_modified)])
    else:
        (run,) = services.ledger.runs(RunFilter(prefix=key), limit=2)
        if step == "submit":
            admit_waiting(services)
        task = {"route": route, "submit": submit, "export": export}[step]
        perform(services, run.id, task.claims, task.body)
        while services.ledger.run(run.id).state is State.SUBMITTED:
            group_id, generation = services.messages.polls.pop()
            time.sleep(1)
            following = take_turn(services, group_id, generation)
            if following is not None:
                services.messages.polls.append([following.group_id, following.generation])
        run = services.ledger.run(run.id)
        wanted = {"route": State.WAITING, "submit": State.PREDICTED, "export": State.EXPORTED}[step]
        if run.state is not wanted:
            sys.exit(f"{key} is {run.state} after {step}: {run.reason} {run.detail}")
    seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds, "megabytes": peak_megabytes(os.getpid()), "children": children.megabytes}))
    sys.stdout.flush()
    # The children end with us.
    os._exit(0)


def peak_megabytes(pid: int) -> float:
    """The most memory that a process ever had (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    return 0.0


def forget_peak(pid: int) -> None:
    """From now on VmHWM counts anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


@contextmanager
def servers(folder: Path) -> Iterator[tuple[Seaweed, subprocess.Popen[str], str]]:
    """The object store, and a simulated Nanonets with its address; both are stopped in the end."""
    clock = SystemClock()
    seaweed = Seaweed(folder / "s3", free_ports(10), access_key="bench", secret_key=KEY)
    store = Child(seaweed.command(folder / "s3.log"))
    try:
        store.wait_until_ready(clock)
        command = [sys.executable, "-m", "simulator", "--port", "0", "--key", KEY, "--async-seconds", "3"]
        # Its uploads are to lie where there is room, and be gone with the rest.
        environ = os.environ | {"TMPDIR": str(folder)}
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, env=environ) as simulator:
            try:
                assert simulator.stdout is not None
                told = simulator.stdout.readline()
                yield seaweed, simulator, next(word for word in told.split() if word.startswith("http")).rstrip(",")
            finally:
                simulator.terminate()
    finally:
        store.stop(clock)


def environment(folder: Path, seaweed: Seaweed, address: str) -> dict[str, str]:
    """What each step's process is told."""
    routes = "".join(ROUTE.format(name=name, more=more) for name, more in ROUTES.items())
    (folder / "headrace.toml").write_text(routes, encoding="utf-8")
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")} | {
        "HEADRACE_ROUTES_FILE": str(folder / "headrace.toml"),
        "HEADRACE_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
        "HEADRACE_BROKER_URL": "redis://127.0.0.1:1/0",
        "HEADRACE_S3_ENDPOINT": seaweed.endpoint,
        "HEADRACE_S3_ACCESS_KEY_ID": seaweed.access_key,
        "HEADRACE_S3_SECRET_ACCESS_KEY": seaweed.secret_key,
        "HEADRACE_NANONETS_BASE_URL": address,
        "HEADRACE_LOG_LEVEL": "error",
        "HEADRACE_PASSWORDS": json.dumps({"bench": PASSWORD}),
        "NANONETS_API_KEY": KEY,
        # Where there is room for documents, and for their copies.
        "TMPDIR": str(folder),
    }


def cost_of(step: str, name: str, file: Path, environ: dict[str, str]) -> dict[str, float]:
    """One step in a process of its own: seconds, and peak megabytes of it and of its children."""
    command = [sys.executable, "-m", "bench.big_files", "--step", step, "--route", name, "--file", str(file)]
    done = subprocess.run(
        command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )
    if done.returncode:
        sys.exit(f"{step} of {name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def measure(megabytes: int, names: list[str]) -> bool:
    """Print the table; whether every step is flat."""
    flat = True
    with tempfile.TemporaryDirectory(prefix="headrace-big-") as made:
        folder = Path(made)
        small_file, big_file, base64_file = (folder / f"{name}.pdf" for name in ("small", "big", "base64"))
        write_pdf(small_file, SMALL_MEGABYTES)
        write_pdf(big_file, megabytes)
        write_pdf(base64_file, min(megabytes, MOST_BASE64_MEGABYTES))
        protected = [folder / "small-protected.pdf", folder / "big-protected.pdf"]
        if "protected" in names:
            write_protected(protected[0], SMALL_MEGABYTES)
            write_protected(protected[1], megabytes)
        sizes = " and ".join(f"{file.stat().st_size / 1e6:.0f} MB" for file in (small_file, big_file))
        print(f"PDFs of {sizes}; peak memory of a step's process and its children, and of the simulator\n")
        print(f"{'route':9} {'step':11} {'small':>9} {'big':>9} {'added':>9}   {'small':>7} {'big':>7}")
        with servers(folder) as (seaweed, simulator, address):
            environ = environment(folder, seaweed, address)
            services = Services(load_settings(environ), None)  # type: ignore[arg-type]  no app is needed
            services.ledger.migrate()
            for bucket in ("inbox", "outbox", "outbox-private"):
                services.store.create_bucket(bucket)
            for name in names:
                files = (
                    protected if name == "protected" else [small_file, base64_file if name == "base64" else big_file]
                )
                costs: dict[tuple[str, str], dict[str, float]] = {}
                for file in files:
                    forget_peak(simulator.pid)
                    for step in STEPS:
                        costs[step, file.name] = cost_of(step, name, file, environ)
                    served = {"megabytes": peak_megabytes(simulator.pid), "children": 0.0, "seconds": 0.0}
                    costs["(simulator)", file.name] = served
                    services.store.delete("inbox", f"{name}/{file.name}")
                for step in (*STEPS, *(["(simulator)"] if name in {"sync", "async", "protected"} else [])):
                    small, big = (costs[step, file.name] for file in files)
                    used = [cost["megabytes"] + cost["children"] for cost in (small, big)]
                    added = used[1] - used[0]
                    flat = flat and added <= MOST_ADDED_MEGABYTES
                    print(
                        f"{name:9} {step:11} {used[0]:6.0f} MB {used[1]:6.0f} MB {added:+6.0f} MB"
                        f"   {small['seconds']:5.1f} s {big['seconds']:5.1f} s",
                        flush=True,
                    )
    return flat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000, help="of the large document (%(default)s)")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--route", choices=ROUTES, action="append", help="only this route; repeatable (all)")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step is not None:
        take_step(asked.step, asked.route[0], asked.file)
        return
    if not measure(asked.megabytes, asked.route or list(ROUTES)):
        sys.exit(f"Not flat: a step took more than {MOST_ADDED_MEGABYTES} MB more for the large document.")


if __name__ == "__main__":
    main()
