"""What it costs to compare a prefix of many keys with the ledger.

    python -m bench.scan [--keys 1000000] [--seconds-a-page 0.1]

The store is a server that only lists, as S3 does, and takes a while for each page as S3 over a network does; client and
ledger (SQLite) are the real ones. The ledger is filled beforehand but for ten keys, and has ten that the store lacks.
Ends with 1 where one of those was not found, or memory grows by more than a page and its answer take.
"""

import argparse
import gc
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path

from sqlalchemy import create_engine, insert

from bench.listing_server import listing_server
from bench.watching import BUCKET, PREFIX, keys_of, store_at
from headrace.clock import SystemClock
from headrace.document import Document
from headrace.errors import ObjectNotFound
from headrace.ledger import Ledger
from headrace.ledger.records import Lying
from headrace.ledger.schema import documents, objects
from headrace.storage import ObjectHead
from headrace.storage.s3 import S3Store
from headrace.storage.scanning import Found, Progress, Scan
from workers.logging import configure_logging

CHANGED = 10
MOST_ADDED_MEGABYTES = 30
_LISTED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
_DAY = "2026-11-20"
_ROWS = 50_000
_SAVE_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Cost:
    found: Found
    seconds: float
    cpu_seconds: float
    ledger_seconds: float
    megabytes: float


class HeadlessStore:
    """The listing server answers no HEAD, so what is asked for is not there; the rest is the real client."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self.list = store.list

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectHead:  # noqa: ARG002
        raise ObjectNotFound(f"There is nothing at s3://{bucket}/{key}.")


class TimedLedger:
    """The ledger, and how long its answers took."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.seconds = 0.0

    def lying(self, bucket: str, start: str, stop: str | None, limit: int) -> list[Lying]:
        began = time.monotonic()
        lying = self._ledger.lying(bucket, start, stop, limit)
        self.seconds += time.monotonic() - began
        return lying

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)


def fill(url: str, keys: list[str]) -> None:
    """Have the ledger know all but some of these keys, and some others; straight into its tables saves minutes."""
    ledger = Ledger(url, SystemClock())
    ledger.migrate()
    ledger.close()
    missed = set(keys[:: len(keys) // CHANGED][:CHANGED])
    gone = [f"{PREFIX}gone/{number}.pdf" for number in range(CHANGED)]
    told = [key for key in keys if key not in missed] + gone
    engine = create_engine(url)
    with engine.connect() as connection:
        # Should the machine fail, there is nothing to be lost.
        connection.exec_driver_sql("PRAGMA synchronous = OFF")
        connection.exec_driver_sql("PRAGMA cache_size = -400000")
    for start in range(0, len(told), _ROWS):
        rows = [_document(key) for key in told[start : start + _ROWS]]
        with engine.begin() as tx:
            tx.execute(insert(objects), [{"id": r["object_id"], "received_on": _DAY, "current": r["id"]} for r in rows])
            tx.execute(insert(documents), rows)
    engine.dispose()


def _document(key: str) -> dict[str, object]:
    etag = md5(key.encode(), usedforsecurity=False).hexdigest()
    document = Document(BUCKET, key, etag)
    return {
        "id": document.id,
        "object_id": document.object_id,
        "bucket": BUCKET,
        "key": key,
        "etag": etag,
        "size": 1234,
        "last_modified": _LISTED_AT,
        "received_at": _LISTED_AT,
        "received_on": _DAY,
    }


def measure(endpoint: str, url: str) -> Cost:
    """Scan once; to be called in a fresh process, whose memory is measured."""
    configure_logging("warning", "json", ())
    store, ledger = store_at(endpoint), Ledger(url, SystemClock())
    timed = TimedLedger(ledger)
    next(store.list(BUCKET, PREFIX))
    begun = ledger.begin_pass("scan", {})
    gc.freeze()
    before = _memory("VmRSS")
    began, cpu_began, saved = time.monotonic(), time.process_time(), time.monotonic()
    found = Found()
    scan = Scan(HeadlessStore(store), timed, BUCKET, PREFIX, lambda key: key.endswith(".pdf"))  # type: ignore[arg-type]
    for step in scan.steps(Progress()):
        found = step.progress.found
        if time.monotonic() - saved >= _SAVE_EVERY_SECONDS:
            saved = time.monotonic()
            ledger.save_pass(begun, step.progress.cursor, step.progress.facts)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    ledger.close()
    return Cost(found, seconds, cpu_seconds, timed.seconds, _memory("VmHWM") - before)


def _memory(name: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description="What it costs to compare a prefix of many keys with the ledger.")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--seconds-a-page", type=float, default=0.1, help="how long the listing takes for a page")
    options = parser.parse_args()
    keys = keys_of(options.keys)
    spawned = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, listing_server(keys, options.seconds_a_page) as endpoint:
        url = f"sqlite:///{Path(folder, 'ledger.db')}"
        fill(url, keys)
        with ProcessPoolExecutor(1, mp_context=spawned) as pool:
            cost = pool.submit(measure, endpoint, url).result()
    found = cost.found
    print(f"{options.keys:,} keys, {options.seconds_a_page} s a page")
    print(f"seconds   {cost.seconds:.0f}: {cost.cpu_seconds:.0f} CPU, {cost.ledger_seconds:.0f} the ledger's")
    print(f"requests  {found.requests} pages, {found.heads} single objects")
    print(f"memory    +{cost.megabytes:.1f} MB (at most {MOST_ADDED_MEGABYTES})")
    print(f"found     {found.new} missing, {found.gone} gone")
    held = (found.new, found.gone) == (CHANGED, CHANGED) and cost.megabytes <= MOST_ADDED_MEGABYTES
    print("within the limits" if held else "A LIMIT IS BROKEN")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
