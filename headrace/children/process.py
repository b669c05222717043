"""A child process that may be killed, as its parent sees it: started, spoken to with deadlines, killed."""

import json
import os
import select
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from headrace.children.talk import LENGTH
from headrace.clock import Clock

Message = TypeVar("Message")

_LONGEST_MESSAGE_BYTES = 4096
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")


class ChildMessage(BaseModel):
    """What a child may say; anything else is nonsense."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Ready(ChildMessage):
    """What it reads with is loaded."""

    kind: Literal["ready"]


class Failed(ChildMessage):
    """What it reads with cannot be loaded."""

    kind: Literal["failed"]
    text: str


class Wanted(ChildMessage):
    """Bytes `start` to `start + length` of the document, please."""

    kind: Literal["wanted"]
    start: int = Field(ge=0)
    length: int = Field(ge=1)


class OutOfMemory(ChildMessage):
    """A MemoryError."""

    kind: Literal["out_of_memory"]


class ChildDied(Exception):
    """The child ended without an answer; `signal_number` is what ended it, if a signal did."""

    def __init__(self, signal_number: int | None) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class ChildTalksNonsense(Exception):
    """The child said what it never should; what it reads may have taken it over."""


class ChildTooSlow(Exception):
    """The deadline passed."""


class ChildProcess(Generic[Message]):
    """One child, whose messages are those of `messages`. Deadlines are times of the clock's `monotonic`.

    Of our open files it gets its two pipes and the descriptors in `files`.
    """

    def __init__(
        self, command: Sequence[str], clock: Clock, messages: TypeAdapter[Message], *, files: Collection[int] = ()
    ) -> None:
        self._clock = clock
        self._messages = messages
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=tuple(files),
            cwd=Path(__file__).parents[2],
            env=_environment(os.environ),
            # A terminal's Ctrl-C is for the worker, which then ends its child.
            start_new_session=True,
        )
        self._stdin = cast("IO[bytes]", self._process.stdin)
        self._stdout = cast("IO[bytes]", self._process.stdout)
        self._to_child = self._stdin.fileno()
        self._from_child = self._stdout.fileno()
        # A child that stops reading must not hold us up: we wait in `_wait` only.
        os.set_blocking(self._to_child, False)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def say(self, message: Mapping[str, Any], deadline: float, data: bytes = b"") -> None:
        """Send a message, and the bytes that follow it; ChildDied, ChildTooSlow."""
        text = json.dumps(message).encode()
        for part in (LENGTH.pack(len(text)) + text, data):
            unsent = memoryview(part)
            while unsent:
                self._wait(self._to_child, select.POLLOUT, deadline)
                try:
                    unsent = unsent[os.write(self._to_child, unsent) :]
                except BrokenPipeError as error:
                    raise self._death() from error

    def hear(self, deadline: float) -> Message:
        """The next message; ChildDied, ChildTooSlow, ChildTalksNonsense."""
        (length,) = LENGTH.unpack(self.read(LENGTH.size, deadline))
        if length > _LONGEST_MESSAGE_BYTES:
            raise ChildTalksNonsense(f"a message of {length} bytes")
        try:
            return self._messages.validate_json(self.read(length, deadline))
        except ValidationError as error:
            raise ChildTalksNonsense(f"a message with {error.error_count()} mistakes") from None

    def read(self, length: int, deadline: float) -> bytes:
        """The bytes that follow a message; ChildDied, ChildTooSlow."""
        data = bytearray()
        while len(data) < length:
            self._wait(self._from_child, select.POLLIN, deadline)
            more = os.read(self._from_child, length - len(data))
            if not more:
                raise self._death()
            data += more
        return bytes(data)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        left = deadline - self._clock.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise ChildTooSlow

    def _death(self) -> ChildDied:
        # Its pipes are closed, so it has ended or is about to; if it only closed them, it has to end.
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return ChildDied(None)
        return ChildDied(-status if status < 0 else None)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours that is secret, only where Python's own libraries and temporary files lie."""
    return {name: ours[name] for name in _NEEDED if name in ours}
