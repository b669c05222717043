"""The person who runs the installation: calls `headrace` to let go on what stopped, and to raise what is used up."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from headrace.breaking import REFUSALS
from tests.chaos.installation import Installation
from tests.chaos.ledger_view import LedgerAway, LedgerView
from tests.chaos.limits import SCARCE_BUDGET

log = structlog.get_logger()

PROVIDER = "nanonets"
_PROJECT = Path(__file__).parents[2]
_LOOK_SECONDS = 2.0
_COMMAND_SECONDS = 60.0
_HEADRACE = "import sys; from workers.cli.main import run; sys.exit(run())"


class Operator:
    """Looks every few seconds, in a thread of its own, from `start` to `stop`. `scarce_pages`: of one raise."""

    def __init__(self, installed: Installation, view: LedgerView, scarce_pages: int) -> None:
        self._installed = installed
        self._view = view
        self._scarce_pages = scarce_pages
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="operator", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_COMMAND_SECONDS * 2)

    def pause(self) -> None:
        """Have nothing sent; TimeoutError where nobody takes the word."""
        self._again_until(lambda: self._headrace("pause", PROVIDER, "--why", "chaos"))

    def resume(self) -> None:
        """Let everything go on, whatever stopped it, if anything did; TimeoutError where nobody takes the word."""
        self._again_until(lambda: self._is_nothing_stopped() or self._headrace("resume", PROVIDER))

    def _is_nothing_stopped(self) -> bool:
        try:
            return not self._view.stopped()
        except LedgerAway:
            return False

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                refused = self._view.stopped() & REFUSALS
                is_used_up = self._view.waits_for_budget(SCARCE_BUDGET)
            except LedgerAway:
                continue
            if refused:
                self._headrace("resume", PROVIDER)
            if is_used_up:
                more = str(self._scarce_pages)
                self._headrace("budget", "raise", SCARCE_BUDGET, "--pages", more, "--why", "chaos", "--yes")

    def _again_until(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _COMMAND_SECONDS
        while not is_done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"headrace pause or resume was not taken within {_COMMAND_SECONDS:.0f} s.")
            time.sleep(_LOOK_SECONDS)

    def _headrace(self, *arguments: str) -> bool:
        """Call the command as a person does; whether it did what it should."""
        try:
            called = subprocess.run(
                [sys.executable, "-c", _HEADRACE, *arguments],
                cwd=_PROJECT,
                env=dict(self._installed.environ),
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        said = called.stderr[-500:]
        log.info("operator called headrace", arguments=arguments, status=called.returncode, said=said)
        return called.returncode == 0
