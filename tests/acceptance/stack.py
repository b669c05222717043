"""The whole stack in a folder of its own, as `headrace run` starts it: real servers, real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from config.settings import load_settings
from headrace.clock import SystemClock
from headrace.ledger import Ledger
from workers.stack.environment import local_environment
from workers.stack.ports import free_ports

PROJECT = Path(__file__).parents[2]
PORTS = 13


def _command() -> Path:
    """The command as a user has it, without the packages for development; else the one beside this interpreter."""
    plain = PROJECT / ".venv-plain" / "bin" / "headrace"
    return plain if plain.exists() else Path(sys.executable).parent / "headrace"


HEADRACE = str(_command())
PYTHON = str(_command().with_name("python"))


class Stack:
    """One `headrace run --once` and what it left behind."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.output = folder / "output.txt"
        # Nothing of the developer's own configuration counts here.
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "NANONETS_"))
        } | {
            "HEADRACE_DATA_FOLDER": str(self.data),
            "HEADRACE_PORT_BASE": str(free_ports(PORTS)),
            "HEADRACE_ROUTES_FILE": str(folder / "headrace.toml"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self, *arguments: str):
        """`headrace run` with these arguments; stopped, with all its children, when the block ends."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [HEADRACE, "run", *arguments],
                cwd=PROJECT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield self.process
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(130)
                except subprocess.TimeoutExpired:
                    self.process.kill()

    def headrace(
        self, *arguments: str, by: Sequence[str] = (HEADRACE,), timeout_seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """One command, in the stack's environment; `by` is how it is called."""
        return subprocess.run(
            [*by, *arguments],
            cwd=PROJECT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def told(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def settings(self) -> Mapping[str, str]:
        found = local_environment(self.data)
        assert found is not None, self.told()
        return found

    def ledger(self) -> Ledger:
        settings = load_settings(self.settings())
        return Ledger(settings.require("ledger_url"), SystemClock())

    def billed(self) -> Counter[str]:
        """How often the simulator billed each submission key, as its journal says."""
        journal = self.data / "simulator" / "journal.jsonl"
        if not journal.exists():
            return Counter()
        return Counter(json.loads(line)["submission"] for line in journal.read_text(encoding="utf-8").splitlines())

    def children(self) -> dict[str, int]:
        """The pids of the stack's processes, by name."""
        written = json.loads((self.data / "processes.json").read_text(encoding="utf-8"))
        return {entry["name"]: entry["pid"] for entry in written}

    def kill(self, name: str) -> None:
        """SIGKILL a process and what it forked."""
        process = psutil.Process(self.children()[name])
        for child in process.children(recursive=True):
            child.kill()
        process.kill()

    def left_running(self) -> list[list[str]]:
        """The command lines of all processes that have to do with this data folder, however they were started."""
        found = []
        for process in psutil.process_iter():
            # Processes come and go, and others' environments are nobody's business.
            with contextlib.suppress(psutil.Error, OSError):
                known = (*process.cmdline(), *process.environ().values(), process.cwd())
                if any(str(self.data) in text for text in known):
                    found.append(process.cmdline())
        return found

    def rows(self, kind: str, route: str) -> dict[str, list[dict]]:
        """The exported rows of one kind, by the name of the document, of one route."""
        found: dict[str, list[dict]] = {}
        for path in (self.data / "outbox").rglob("*.jsonl"):
            if f"/json/{kind}/" in path.as_posix():
                for line in path.read_text(encoding="utf-8").splitlines():
                    row = json.loads(line)
                    if row["route"] == route:
                        found.setdefault(row["key"].rsplit("/", 1)[-1], []).append(row)
        return found


def wait_until(what: Callable[[], object], seconds: float, *, meanwhile: Callable[[], object] | None = None) -> None:
    """Look ten times a second until it is so; AssertionError when the time is over."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        if meanwhile is not None:
            meanwhile()
        time.sleep(0.1)
