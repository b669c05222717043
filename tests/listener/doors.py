"""A queue's door as a test opens it, and ledgers that are away or slow."""

import json
import threading
import time
from collections.abc import Callable

from config.routes import RouteTable
from headrace.clock import SystemClock
from headrace.errors import LedgerUnavailable
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from headrace.routing import Route
from headrace.states import State
from headrace.storage import ObjectStore
from tests.listener.clouds import Queue
from tests.memory_store import InMemoryStore
from workers.intake import Intake
from workers.queue_door import QueueDoor

WAIT_SECONDS = 20


def routes(*buckets: str) -> RouteTable:
    return RouteTable(
        tuple(
            Route(name=f"in-{n}", bucket=bucket, prefix="in/", provider="local", output="s3://o/rows", private="s3://p/own")
            for n, bucket in enumerate(buckets)
        )
    )  # fmt: skip


def wait_until(done: Callable[[], bool], seconds: float = WAIT_SECONDS, every_seconds: float = 0.05) -> None:
    """Wait for something that happens by itself."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not come to that in time"
        time.sleep(every_seconds)


class OpenDoor:
    """A door at a queue, with what it hinted and a ledger that can be asked what it recorded."""

    def __init__(self, queue: Queue, bucket: str, *, ledger: Ledger, store: ObjectStore | None = None) -> None:
        self.queue = queue
        self.hints: list[tuple[str, State]] = []
        self.stop = threading.Event()
        self._ledger = ledger
        self._intake = Intake(
            ledger,
            store if store is not None else InMemoryStore(),
            routes(bucket),
            lambda run, state: self.hints.append((run, state)),
            SystemClock(),
        )
        self.door = self.opened_beside(queue)

    def opened_beside(self, queue: Queue) -> QueueDoor:
        """Another door of the same process."""
        return QueueDoor(queue.opened(), self._intake, SystemClock(), self.stop)

    def look(self) -> float:
        return self.door.look()

    def look_until(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not done():
            assert time.monotonic() < until, "it did not come to that in time"
            self.look()

    def empty_the_queue(self) -> None:
        self.look_until(lambda: self.queue.messages() == 0)

    def keys(self) -> list[str]:
        return recorded_keys(self._ledger)


def recorded_keys(ledger: Ledger) -> list[str]:
    """The key of every run, in order: one that was recorded twice is there twice."""
    return sorted(run.document.key for run in ledger.runs(RunFilter(latest=False), limit=100))


class OtherLedger:
    """A ledger to which something happens before it records."""

    def __init__(self, ledger: Ledger, before: Callable[[], None]) -> None:
        self._ledger = ledger
        self._before = before

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def record(self, documents):
        self._before()
        return self._ledger.record(documents)


class AwayLedger(OtherLedger):
    """A ledger that answers the first so many checks and records, and is away for so many after these."""

    def __init__(self, ledger: Ledger, failures: int, answers: int = 0) -> None:
        super().__init__(ledger, self._fail)
        self._answers = answers
        self._failures = failures

    def check(self):
        self._fail()
        self._ledger.check()

    def _fail(self):
        if self._answers:
            self._answers -= 1
        elif self._failures:
            self._failures -= 1
            raise LedgerUnavailable("The ledger is away.")


def s3_record(bucket: str, key: str, etag: str | None = "e", **more: object) -> dict[str, object]:
    """A record as S3 writes it; `key` is written as it is given."""
    told = {"key": key, "size": 1, **({} if etag is None else {"eTag": etag}), **more}
    return {
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": told},
    }  # fmt: skip


def s3_message(*records: dict[str, object]) -> str:
    return json.dumps({"Records": list(records)})
