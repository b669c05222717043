"""Starts the children in order, starts again what dies, and stops them in order."""

import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from headrace.clock import Clock
from workers.stack import processes_file
from workers.stack.child import Child, Command
from workers.stack.errors import StackError
from workers.stack.stopping import StopRequest

log = structlog.get_logger()

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 10.0
# A child that lived this long is well: its next death counts as the first.
HEALTHY_SECONDS = 30.0
FAILING_DEATHS = 5
TICK_SECONDS = 0.1
# A child that was killed and does not go is waited for half of this.
LAST_LOOK_SECONDS = 20.0


def backoff_after(deaths: int) -> float:
    """Seconds to wait before the next start after this many deaths in a row."""
    return float(min(FIRST_BACKOFF_SECONDS * 2.0 ** min(deaths - 1, 10), LONGEST_BACKOFF_SECONDS))


class _Supervised:
    """A command, the child that runs it now, and how often it died."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.child: Child | None = None
        self.up_since = 0.0
        self.deaths = 0
        self.start_at = 0.0
        self.restarts = 0


class Supervisor:
    """Keeps groups of commands running.

    `groups` stand in the order of starting; the last group is stopped first, and its members at once.
    """

    def __init__(
        self, groups: Sequence[Sequence[Command]], notes: Path, clock: Clock, stop: StopRequest | None = None
    ) -> None:
        self._groups = [[_Supervised(command) for command in group] for group in groups]
        self._notes = notes
        self._clock = clock
        self._request = stop or StopRequest()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.trouble: str | None = None
        """Why supervising ended by itself; None while it goes on."""

    def start(self, up_to: int | None = None) -> None:
        """Start the groups not started yet, up to this number of them, each once the one before it answers.

        StackError where one cannot start, StopAsked where a stop is asked for meanwhile. Whatever started is
        supervised from then on.
        """
        for group in self._groups[:up_to]:
            waiting = [one for one in group if one.child is None and not one.deaths]
            for one in waiting:
                self._start(one)
            for one in waiting:
                if one.child is not None:
                    one.child.wait_until_ready(self._clock, self._request.asked.is_set)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            self._thread.start()

    def restarts(self) -> dict[str, int]:
        """How often each child had to be started again, where that happened."""
        return {one.command.name: one.restarts for group in self._groups for one in group if one.restarts}

    def failing(self) -> list[Command]:
        """The children that died again and again without ever having been well."""
        return [one.command for group in self._groups for one in group if one.deaths >= FAILING_DEATHS]

    def stop(self) -> None:
        """Stop all children in order; each is killed after its grace, or at once where the stop is urgent.

        Returns when none is left.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(LAST_LOOK_SECONDS)
            if self._thread.is_alive():
                log.error("supervising does not end, stopping all the same")
        for group in reversed(self._groups):
            self._stop_group(group)
        processes_file.note(self._notes, [])

    def _stop_group(self, group: Sequence[_Supervised]) -> None:
        running = [one.child for one in group if one.child is not None]
        for child in running:
            child.ask_to_stop()
        begun = self._clock.monotonic()
        for child in running:
            deadline = begun + child.command.grace_seconds
            while child.exit_code is None and not self._over(deadline):
                self._clock.sleep(0.05)
            if child.exit_code is None:
                log.warning("child killed after its grace", name=child.command.name, pid=child.pid)
            child.end()
            log.info("child stopped", name=child.command.name, seconds=round(self._clock.monotonic() - begun, 1))
        for one in group:
            one.child = None

    def _over(self, deadline: float) -> bool:
        return self._request.urgent.is_set() or self._clock.monotonic() >= deadline

    def _watch(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                for group in self._groups:
                    for one in group:
                        self._look_after(one)
            except (StackError, OSError) as error:
                # A tool that vanished, or a full disk: no restart mends that.
                log.error("supervising ended", error=str(error))  # noqa: TRY400  the text is for a person
                self.trouble = str(error)
                return

    def _look_after(self, one: _Supervised) -> None:
        now = self._clock.monotonic()
        if one.child is not None and (exit_code := one.child.exit_code) is not None:
            one.child.end()
            one.child = None
            one.deaths = 1 if now - one.up_since >= HEALTHY_SECONDS else one.deaths + 1
            one.start_at = now + backoff_after(one.deaths)
            log.warning("child died", name=one.command.name, exit_code=exit_code, deaths=one.deaths)
        if one.child is None and one.deaths and now >= one.start_at and not self._stopping.is_set():
            one.restarts += 1
            self._start(one)

    def _start(self, one: _Supervised) -> None:
        with self._lock:
            one.child = Child(one.command)
            one.up_since = self._clock.monotonic()
            children = [other.child for group in self._groups for other in group if other.child is not None]
            processes_file.note(self._notes, children)
        log.info("child started", name=one.command.name, pid=one.child.pid)
