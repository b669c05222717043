"""Ctrl-C and its like: the first asks for an orderly end, the second for an end at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from workers.stack.errors import StopAsked

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Whether somebody asked for an end, and how urgently. Set from a signal, read from any thread."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.urgent = threading.Event()

    def ask(self) -> None:
        """Ask for an end; asking again makes it urgent."""
        if self.asked.is_set():
            self.urgent.set()
        self.asked.set()

    def wait(self, seconds: float) -> None:
        """Let this many seconds pass; StopAsked as soon as an end is asked for."""
        if self.asked.wait(seconds):
            raise StopAsked

    @contextmanager
    def from_signals(self) -> Iterator[None]:
        """Let the process's signals ask."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self.ask()

        before = {number: signal.signal(number, ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
