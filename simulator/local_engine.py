"""headrace's local engine in a process of its own: a document that takes long, or kills it, harms nothing else."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from headrace.prediction import Page
from simulator.models import Rules

MOST_SECONDS = 300.0
_TRIES = 2
_PAGES = TypeAdapter(tuple[Page, ...])


class CannotRead(Exception):
    """The document has no pages to give; the text says why."""


class LocalEngine:
    """Reads one document at a time; the process starts with the first one. For one thread only."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, content: Path, pages: Sequence[int], rules: Rules) -> tuple[Page, ...]:
        """The pages of these numbers (from 0) of the document at `content`; CannotRead else."""
        order = {"content": str(content.resolve()), "fields": [rule.model_dump(mode="json") for rule in rules]}
        for _ in range(_TRIES):
            line = self._ask(json.dumps(order).encode() + b"\n")
            if line.endswith(b"\n"):
                break
            self._end()
        else:
            raise CannotRead("The process that reads it ended, or was ended as it took too long.")
        answer = json.loads(line)
        if "failure" in answer:
            raise CannotRead(answer["failure"])
        wanted = {page + 1 for page in pages}
        return tuple(page for page in _PAGES.validate_python(answer["pages"]) if page.number in wanted)

    def _ask(self, line: bytes) -> bytes:
        """The line that answers; one without an end where the process ended before."""
        process = self._running()
        assert process.stdin is not None  # noqa: S101  both are pipes
        assert process.stdout is not None  # noqa: S101
        too_late = threading.Timer(MOST_SECONDS, process.kill)
        too_late.daemon = True
        too_late.start()
        try:
            process.stdin.write(line)
            process.stdin.flush()
            return process.stdout.readline()
        except BrokenPipeError:
            return b""
        finally:
            too_late.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-m", "simulator.reading_child"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _end(self) -> None:
        """Forget the process, so that the next try starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
