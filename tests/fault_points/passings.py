"""Where a process is: the fault points and request boundaries that it passes, counted by step, and its death at one."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple, Self

import structlog
from celery import current_task

ROLE: ContextVar[str] = ContextVar("role", default="other")
"""What a thread does that serves no task: a door, a person's command."""


class Passing(NamedTuple):
    """The `number`-th time, from 1, that a step passes a point."""

    step: str
    point: str
    number: int

    def __str__(self) -> str:
        return f"{self.step}:{self.point}#{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; ValueError for anything else."""
        step, _, rest = text.partition(":")
        point, _, number = rest.rpartition("#")
        return cls(step, point, int(number))


def current_step() -> str:
    """What this thread is at: the task, else the step whose lease it renews, else its role."""
    task = current_task.name if current_task else None
    return str(task or structlog.contextvars.get_contextvars().get("step") or ROLE.get()).removeprefix("headrace.")


class Passings:
    """A fault handler: writes every passing down, and kills the process at one of them.

    `disturbances` are done at their passing, in a process that lives on: they take time, or raise.

    The line is in the file before the process dies: what the kernel was given, it keeps.
    """

    def __init__(
        self, trace: Path, kill_at: Passing | None = None, disturbances: Mapping[str, Callable[[], None]] | None = None
    ) -> None:
        self._kill_at = kill_at
        self._disturbances = dict(disturbances or {})
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._is_over = False

    def __call__(self, point: str) -> None:
        step = current_step()
        with self._lock:
            if self._is_over:
                return
            number = self._counts[step, point] = self._counts.get((step, point), 0) + 1
            passing = Passing(step, point, number)
            os.write(self._trace, f"{passing}\n".encode())
            if passing == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            disturb = self._disturbances.pop(str(passing), None)
        if disturb is not None:
            disturb()

    def end(self) -> None:
        """Nothing that is passed from here on counts."""
        with self._lock:
            self._is_over = True


def read_trace(trace: Path) -> list[Passing]:
    """All passings, in their order."""
    return [Passing.parse(line) for line in trace.read_text(encoding="utf-8").splitlines()]
