"""Which children run, noted on disk, so that the next start can end what a killed supervisor left behind."""

import contextlib
import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil
import structlog

from headrace.clock import Clock
from workers.stack.child import Child, start_time

log = structlog.get_logger()

GRACE_SECONDS = 10.0
# The machine gives start times in ticks of 10 ms.
SAME_START_SECONDS = 0.05


class Noted(NamedTuple):
    """A child as it was noted: an id alone could be another process by now, so its start time counts too."""

    name: str
    pid: int
    started_at: float

    @property
    def is_running(self) -> bool:
        """Whether the process of this id is the one that was noted."""
        started_at = start_time(self.pid)
        if started_at is None or abs(started_at - self.started_at) > SAME_START_SECONDS:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE)
        return False


def note(path: Path, children: Iterable[Child]) -> None:
    """Replace what is noted, at once and as a whole."""
    noted = [
        {"name": child.command.name, "pid": child.pid, "started_at": child.started_at}
        for child in children
        if child.started_at is not None
    ]
    new = path.with_suffix(".new")
    new.write_text(json.dumps(noted, indent=1), encoding="utf-8")
    new.replace(path)


def read_noted(path: Path) -> list[Noted]:
    """What is noted; nothing where the file is missing or damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Noted(str(row["name"]), int(row["pid"]), float(row["started_at"])) for row in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError):
        log.warning("process notes unreadable", path=str(path))
        return []


def end_orphans(path: Path, clock: Clock) -> list[str]:
    """End what is noted and still runs, the last started first; return the names."""
    orphans = [noted for noted in reversed(read_noted(path)) if noted.is_running]
    for orphan in orphans:
        log.warning("orphan stopped", name=orphan.name, pid=orphan.pid)
        _signal(orphan, signal.SIGTERM)
        deadline = clock.monotonic() + GRACE_SECONDS
        while orphan.is_running and clock.monotonic() < deadline:
            clock.sleep(0.05)
        if orphan.is_running:
            # It leads its own session, so its group is what it started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(orphan.pid, signal.SIGKILL)
    return [orphan.name for orphan in orphans]


def _signal(orphan: Noted, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(orphan.pid, number)
