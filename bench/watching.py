"""What it costs to watch a prefix of many keys.

    python -m bench.watching [--keys 200000] [--interval 10] [--store fake|seaweedfs] [--seconds-a-page 0.1]

`fake` is a server that only lists, as S3 does, and takes a while for each page as S3 over a network does; `seaweedfs`
is the real one, which is filled first, at some hundred objects a second. The client and the ledger (SQLite) are the
real ones. The same is measured with a tenth of the keys, to see whether memory grows with them. Ends with 1 where a
limit is broken: of requests, of memory, or where a listing that finds little takes longer than the interval in seconds.
"""

import argparse
import gc
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from bench.listing_server import listing_server
from headrace.clock import SystemClock
from headrace.document import Document
from headrace.ledger import Ledger
from headrace.ledger.records import Recorded
from headrace.storage.s3 import S3Store, s3_client
from headrace.storage.watching import MOST_SIDE_BY_SIDE, Watch
from workers.logging import configure_logging
from workers.stack.child import Child
from workers.stack.ports import free_ports
from workers.stack.servers import S3_REGION, Seaweed

BUCKET, PREFIX = "inbox", "in/"
NEW = 10
MOST_ADDED_REQUESTS = 1.3  # of a section's last page a part belongs to the next section
MOST_ADDED_MEGABYTES = 20  # a page and its answer for each thread, where fewer keys need but one
MOST_ADDED_TO_PROCESS = 40  # and each thread's connection to the ledger, with what that keeps
_ACCESS, _SECRET = "access-of-the-bench", "secret-of-the-bench"


@dataclass(frozen=True)
class Cost:
    """What one listing of the whole prefix took."""

    name: str
    seconds: float
    cpu_seconds: float
    requests: int
    recorded: int
    peak_megabytes: float


@dataclass(frozen=True)
class Measured:
    keys: int
    costs: tuple[Cost, ...]
    new_were_seen: bool
    megabytes_before: float
    megabytes_of_watch: float

    @property
    def first(self) -> Cost:
        """The very first listing, which records all."""
        return self.costs[0]

    @property
    def unchanged(self) -> Cost:
        """A listing in sections, where nothing is new."""
        return self.costs[2]

    @property
    def usual_seconds(self) -> float:
        """What a listing in sections takes at the most."""
        return max(cost.seconds for cost in self.costs[2:4])

    @property
    def restart(self) -> Cost:
        """The first listing of a new process, where nothing is new."""
        return self.costs[-1]

    @property
    def megabytes_of_process(self) -> float:
        return max(cost.peak_megabytes for cost in self.costs)


def keys_of(count: int) -> list[str]:
    """As an intake has them: by customer and month, one folder with half of all, and some names that are awkward."""
    return [
        f"{PREFIX}2026-11/invoice {number:07d}+ü.pdf"
        if number % 2
        else f"{PREFIX}customer-{number % 37:02d}/2026-{number % 12 + 1:02d}/{number:07d}.pdf"
        for number in range(count)
    ]


def store_at(endpoint: str) -> S3Store:
    return S3Store(s3_client(endpoint, S3_REGION, _ACCESS, SecretStr(_SECRET)))


@contextmanager
def filled_seaweed(keys: list[str]) -> Iterator[str]:
    """The address of a real store with these keys."""
    with tempfile.TemporaryDirectory() as folder:
        server = Seaweed(Path(folder), free_ports(10), access_key=_ACCESS, secret_key=_SECRET)
        child = Child(server.command(Path(folder, "log")))
        try:
            child.wait_until_ready(SystemClock())
            store = store_at(server.endpoint)
            store.create_bucket(BUCKET)
            with ThreadPoolExecutor(8) as pool:
                for _ in pool.map(lambda key: store.put(BUCKET, key, b"%PDF"), keys):
                    pass
            yield server.endpoint
        finally:
            child.stop(SystemClock())


def measure(endpoint: str, keys: int) -> Measured:
    """Watch a filled store; to be called in a fresh process, whose memory is measured."""
    configure_logging("warning", "json", ())
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{Path(folder, 'ledger.db')}", SystemClock())
        ledger.migrate()
        store = store_at(endpoint)

        def watch() -> Watch:
            return Watch(store, ledger, BUCKET, PREFIX, lambda key: key.endswith(".pdf"))

        # A listing of one page and a query, so that what every process needs is there before.
        next(store.list(BUCKET, PREFIX))
        ledger.known(["0"])
        gc.freeze()  # as the listener does
        before = _memory("VmRSS")
        watching = watch()
        costs = [_listed("first listing: everything is new", watching)]
        costs += [_listed(f"nothing new, {number}", watching) for number in ("once", "twice")]
        step = max(keys // NEW, 1)
        for key in keys_of(keys)[::step][:NEW]:
            store.put(BUCKET, key.replace(".pdf", " new.pdf"), b"%PDF")
        costs.append(_listed(f"{NEW} new drops", watching))
        seen = costs[-1].recorded == min(NEW, keys)
        costs.append(_listed("nothing new, in a new process", watch()))
        ledger.close()
    return Measured(keys, tuple(costs), seen, before, 0)


class ForgetfulLedger:
    """Has every document and keeps none, so that the memory of the watch alone is measured."""

    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]:
        return dict.fromkeys(document_ids, datetime.max.replace(tzinfo=UTC))

    def record(self, documents: Sequence[Document]) -> list[Recorded]:
        raise AssertionError(f"{len(documents)} documents are known and were recorded all the same.")

    def watch_cursor(self, bucket: str, prefix: str) -> str:  # noqa: ARG002  every place begins at its beginning
        return ""

    def save_watch_cursor(self, bucket: str, prefix: str, cursor: str) -> None:
        pass


def measure_memory(endpoint: str) -> float:
    """The megabytes that watching adds at the most; to be called in a fresh process."""
    store = store_at(endpoint)
    next(store.list(BUCKET, PREFIX))
    gc.freeze()
    before = _memory("VmRSS")
    watch = Watch(store, ForgetfulLedger(), BUCKET, PREFIX, lambda key: key.endswith(".pdf"))
    for _ in range(3):
        _listed("", watch)
    return _memory("VmHWM") - before


def _listed(name: str, watch: Watch) -> Cost:
    began, cpu_began = time.monotonic(), time.process_time()
    requests = recorded = 0
    complete = False
    while not complete:
        found = watch.round()
        requests += found.requests
        recorded += len(found.recorded)
        complete = found.complete
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    return Cost(name, seconds, cpu_seconds, requests, recorded, _memory("VmHWM"))


def _memory(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def in_fresh_processes(endpoint: str, keys: int) -> Measured:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned, max_tasks_per_child=1) as pool:
        megabytes = pool.submit(measure_memory, endpoint).result()
        return replace(pool.submit(measure, endpoint, keys).result(), megabytes_of_watch=megabytes)


def print_costs(measured: Measured) -> None:
    print(f"\n{measured.keys:,} keys")
    print(f"{'':34}{'seconds':>9}{'of CPU':>9}{'requests':>10}{'recorded':>10}{'MB':>7}")
    for cost in measured.costs:
        times = f"{cost.seconds:9.1f}{cost.cpu_seconds:9.1f}"
        print(f"{cost.name:34}{times}{cost.requests:10,}{cost.recorded:10,}{cost.peak_megabytes:7.0f}")
    print(
        f"memory: {measured.megabytes_before:.0f} MB before; watching alone adds {measured.megabytes_of_watch:.1f} MB"
    )


def judged(few: Measured, lots: Measured, interval_seconds: float) -> Iterator[bool]:
    """Say what was found, and of each limit whether it was held."""
    most_requests = math.ceil(lots.keys / 1000 * MOST_ADDED_REQUESTS) + 1
    times = f"for {lots.keys / few.keys:.0f} times the keys"
    grown = lots.megabytes_of_watch - few.megabytes_of_watch
    process_grown = lots.megabytes_of_process - few.megabytes_of_process
    seen = few.new_were_seen and lots.new_were_seen
    print(f"\nnew drops     {'all' if seen else 'NOT ALL'} seen in one listing")
    yield seen
    print(f"requests      {lots.unchanged.requests} where nothing is new (at most {most_requests})")
    yield lots.unchanged.requests <= most_requests
    print(f"memory        {grown:+.1f} MB {times} (at most {MOST_ADDED_MEGABYTES})")
    yield grown <= MOST_ADDED_MEGABYTES
    print(f"whole process {process_grown:+.1f} MB {times} (at most {MOST_ADDED_TO_PROCESS})")
    yield process_grown <= MOST_ADDED_TO_PROCESS
    for measured in (few, lots):
        print(
            f"{measured.keys:,} keys need an interval of {math.ceil(measured.usual_seconds)} s; after a restart the "
            f"first listing takes {measured.restart.seconds:.0f} s, the very first one {measured.first.seconds:.0f} s"
        )
    print(f"interval      {lots.usual_seconds:.1f} s (at most {interval_seconds:g})")
    yield lots.usual_seconds <= interval_seconds


def main() -> int:
    parser = argparse.ArgumentParser(description="What it costs to watch a prefix of many keys.")
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("--interval", type=float, default=10, help="HEADRACE_WATCH_SECONDS that is to hold the keys")
    parser.add_argument("--store", choices=["fake", "seaweedfs"], default="fake")
    parser.add_argument("--seconds-a-page", type=float, default=0.1, help="how long the fake takes for a page")
    options = parser.parse_args()
    serves = (
        filled_seaweed
        if options.store == "seaweedfs"
        else partial(listing_server, seconds_a_page=options.seconds_a_page)
    )
    kind = (
        "SeaweedFS" if options.store == "seaweedfs" else f"a server that only lists, {options.seconds_a_page} s a page"
    )
    print(f"store    {kind}")
    print(f"threads  {MOST_SIDE_BY_SIDE}")
    results = []
    for count in (options.keys // 10, options.keys):
        with serves(keys_of(count)) as endpoint:
            results.append(in_fresh_processes(endpoint, count))
        print_costs(results[-1])
    few, lots = results
    held = list(judged(few, lots, options.interval))
    print("within the limits" if all(held) else "A LIMIT IS BROKEN")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
