"""One process of the local stack: its command, how it is started, and how it is ended."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from headrace.clock import Clock
from workers.stack.errors import StackError, StopAsked

log = structlog.get_logger()

LOG_TAIL_BYTES = 2_000
REAP_SECONDS = 10.0


def _always() -> bool:
    return True


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Command:
    """What a child is: its argument list, its whole environment, its folder and its log.

    `ready` is asked until it says yes, at most `ready_seconds`; after SIGTERM a child has `grace_seconds`.
    `leftovers` are files outside its folder that it may forget to remove.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    leftovers: tuple[Path, ...] = ()
    ready: Callable[[], bool] = field(default=_always, repr=False)
    ready_seconds: float = 30.0
    grace_seconds: float = 10.0


class Child:
    """A running child, in a session of its own: a terminal's Ctrl-C must not reach it before us."""

    def __init__(self, command: Command) -> None:
        """Start it; StackError where the tool is missing or may not run."""
        self.command = command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with command.log.open("ab") as log:
                self._process = subprocess.Popen(
                    command.argv,
                    cwd=command.folder,
                    env=dict(command.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except (FileNotFoundError, PermissionError) as error:
            raise StackError(
                f"{command.name} cannot start: {command.argv[0]} is missing or may not be executed. "
                "Remove .venv and run `make run` again, so that it is installed anew."
            ) from error
        self.pid = self._process.pid
        self.started_at = start_time(self.pid)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.poll()

    def wait_until_ready(self, clock: Clock, stop_asked: Callable[[], bool] = _never) -> None:
        """Return once it answers; StackError with the end of its log where it ends or stays silent.

        StopAsked as soon as `stop_asked` says so.
        """
        deadline = clock.monotonic() + self.command.ready_seconds
        while not self.command.ready():
            if stop_asked():
                raise StopAsked
            if self.exit_code is not None:
                raise StackError(f"{self.command.name} ended with code {self.exit_code} while starting.{self._why()}")
            if clock.monotonic() > deadline:
                raise StackError(
                    f"{self.command.name} did not answer within {self.command.ready_seconds:.0f} s.{self._why()}"
                )
            clock.sleep(0.05)

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.exit_code is None:
            self._process.terminate()

    def end(self) -> None:
        """Kill what is left of it and of the processes it started, and reap it; returns after 10 s at the latest."""
        # No new process gets the id of a group that still has members, so this hits nobody else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            self._process.wait(timeout=REAP_SECONDS)
        except subprocess.TimeoutExpired:
            # A process that waits for a broken disk dies only when the disk answers; the others are to end now.
            log.warning("killed child not gone", name=self.command.name, pid=self.pid)
        for path in self.command.leftovers:
            path.unlink(missing_ok=True)

    def stop(self, clock: Clock) -> None:
        """Ask it to stop, and kill it after its grace."""
        self.ask_to_stop()
        deadline = clock.monotonic() + self.command.grace_seconds
        while self.exit_code is None and clock.monotonic() < deadline:
            clock.sleep(0.05)
        self.end()

    def _why(self) -> str:
        with self.command.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
            tail = log.read().decode("utf-8", "replace").strip()
        return f" Its log {self.command.log} ends:\n{tail}"


def start_time(pid: int) -> float | None:
    """When the process with this id started, as the machine notes it; None where there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
