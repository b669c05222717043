"""The process that tells of dropped documents, badly: `python -m tests.chaos.events SPOOL SEED`.

It stands for a bucket's queue: what is told goes through the listener's own intake, but some events never come, some
come twice, and none in its order. How far it has come is kept in a file, so that a killed one tells some once more.
"""

import heapq
import json
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import quote_plus

from config.settings import environment, load_settings
from headrace.clock import Clock
from headrace.errors import LedgerError, StorageError, TransientError
from tests.chaos.documents import INBOX
from workers.bucket_queue import Message
from workers.factory import build_services
from workers.intake import Intake
from workers.logging import configure_logging
from workers.stack.servers import write_private

MOST_AT_ONCE = 10
TICK_SECONDS = 0.2
_NEVER, _TWICE = 0.15, 0.25
_LATE_SECONDS, _AGAIN_SECONDS = 3.0, 10.0


@dataclass(frozen=True, order=True)
class Telling:
    """One delivery of the event of a line of the spool."""

    due: float
    line: int
    body: str


def tellings(line: int, body: str, now: float, seed: int) -> Iterator[Telling]:
    """When an event is told: not at all, once or twice, each a little late."""
    random = Random(f"{seed}:event:{line}")
    if random.random() < _NEVER:
        return
    yield Telling(now + random.uniform(0, _LATE_SECONDS), line, body)
    if random.random() < _TWICE:
        yield Telling(now + random.uniform(0, _AGAIN_SECONDS), line, body)


def event(key: str, etag: str, size: int, sequencer: str) -> str:
    """The event of one drop, as S3 writes it."""
    told = {"key": quote_plus(key, safe="/"), "eTag": etag, "size": size, "sequencer": sequencer}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
    return json.dumps({"Records": [{**record, "s3": {"bucket": {"name": INBOX}, "object": told}}]})


class Teller:
    """Reads the spool as it grows, and tells."""

    def __init__(self, spool: Path, seed: int, intake: Intake, clock: Clock) -> None:
        self._spool = spool
        self._cursor = spool.with_suffix(".cursor")
        self._seed = seed
        self._intake = intake
        self._clock = clock
        self._waiting: list[Telling] = []
        self._line, self._offset = self._come_so_far()

    def look(self) -> None:
        """Take up what is new, and tell what is due; whoever fails is told again."""
        now = self._clock.monotonic()
        for line, body in self._new():
            for telling in tellings(line, body, now, self._seed):
                heapq.heappush(self._waiting, telling)
        while self._waiting and self._waiting[0].due <= now:
            self._tell([heapq.heappop(self._waiting) for _ in range(min(MOST_AT_ONCE, self._due(now)))])
        if not self._waiting:
            write_private(self._cursor, json.dumps([self._line, self._offset]))

    def _due(self, now: float) -> int:
        return sum(telling.due <= now for telling in self._waiting)

    def _tell(self, some: list[Telling]) -> None:
        try:
            self._intake.check()
            taken = self._intake.take("chaos", [Message(f"{one.line}", one.body, "") for one in some])
        except (TransientError, LedgerError, StorageError):
            again = some
        else:
            finished = {message.id for message in (*taken.finished, *taken.parked)}
            again = [one for one in some if str(one.line) not in finished]
        later = self._clock.monotonic() + 1
        for one in again:
            heapq.heappush(self._waiting, Telling(later, one.line, one.body))

    def _new(self) -> Iterator[tuple[int, str]]:
        with self._spool.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                # The writer may be in the middle of one.
                if not line.endswith(b"\n"):
                    return
                self._line, self._offset = self._line + 1, self._offset + len(line)
                yield self._line, event(**json.loads(line))

    def _come_so_far(self) -> tuple[int, int]:
        try:
            line, offset = json.loads(self._cursor.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return 0, 0
        return line, offset


def main(spool: str, seed: str) -> None:
    """Tell until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = load_settings(environment())
    configure_logging(settings.log_level, settings.log_format, settings.secrets())
    services = build_services(settings)
    intake = Intake(services.ledger, services.store, services.routes, services.hints.hint, services.clock)
    teller = Teller(Path(spool), int(seed), intake, services.clock)
    while not stop.wait(TICK_SECONDS):
        teller.look()


if __name__ == "__main__":
    main(*sys.argv[1:])
