"""The local engine in a process that can be killed, because nobody knows what the documents hold."""

import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from headrace.children.kept import KeptChild, blaming_the_document
from headrace.children.process import (
    ChildDied,
    ChildMessage,
    ChildProcess,
    ChildTalksNonsense,
    Failed,
    OutOfMemory,
    Ready,
    Wanted,
)
from headrace.children.start import started
from headrace.clock import Clock, SystemClock
from headrace.errors import (
    EncryptedDocument,
    NeedsOcr,
    PermanentError,
    ReadOutOfMemory,
    ReadTimedOut,
    StorageUnavailable,
    UnreadableDocument,
)
from headrace.labels import LabelRule
from headrace.prediction import Page
from headrace.providers.local.child import LONGEST_ANSWER_BYTES
from headrace.providers.local.distant_file import BLOCK_BYTES
from headrace.ranges import RangeReader, read_exactly
from headrace.states import Reason

log = structlog.get_logger()

_SYSTEM_CLOCK = SystemClock()
_REFUSALS: dict[Reason, type[PermanentError]] = {
    error.reason: error for error in (EncryptedDocument, NeedsOcr, UnreadableDocument)
}
_PAGES = TypeAdapter(tuple[Page, ...])


class Read(ChildMessage):
    """The pages; so many bytes of JSON follow."""

    kind: Literal["read"]
    length: int = Field(ge=2, le=LONGEST_ANSWER_BYTES)


class Refused(ChildMessage):
    """A PermanentError."""

    kind: Literal["refused"]
    reason: Literal["encrypted", "needs_ocr", "unreadable"]
    text: str = Field(max_length=1000)


class NoRoom(ChildMessage):
    """The machine's folder for temporary files does not take what the child would write."""

    kind: Literal["no_room"]
    text: str = Field(max_length=1000)


Message = Ready | Failed | Wanted | Read | Refused | NoRoom | OutOfMemory
_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])

Pages = tuple[Page, ...]


class LocalEngine:
    """Reads pages in a child process under limits; one part at a time, from any thread.

    The child starts with the first part and ends with `close`, or when this process does. It has no
    credentials, and never the whole document: every byte comes from the `read` that `pages` is given.
    `memory_bytes` is its address space; `seconds` how long it may work on a part, the store's time not
    included; `whole_seconds` how long it all may take. `command` replaces it in tests.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = 3 * 1024**3,
        seconds: float = 60,
        whole_seconds: float = 100,
        clock: Clock = _SYSTEM_CLOCK,
        command: Sequence[str] | None = None,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._whole_seconds = whole_seconds
        self._clock = clock
        self._command = command if command is not None else child_command(memory_bytes, seconds)
        self._lock = threading.Lock()
        self._child: KeptChild[ChildProcess[Message]] = KeptChild()

    @property
    def child_pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid

    def pages(self, read: RangeReader, size: int, rules: Sequence[LabelRule], pages: tuple[int, int] | None) -> Pages:
        """The pages of a document of `size` bytes, as `headrace.providers.local.read_document` promises.

        Raises also ReadTimedOut and ReadOutOfMemory; UnreadableDocument where the document ends its
        reader twice; StorageUnavailable where `read` gives fewer bytes than there are, or this machine
        has no room for the pages; ConfigurationError where the child cannot start, TransientError where
        it cannot now; and what `read` raises, unchanged.
        """
        with self._lock, blaming_the_document(self._timed_out):
            end = self._clock.monotonic() + self._whole_seconds
            return self._pages(read, size, rules, pages, end)

    def close(self) -> None:
        """End the child. The next part starts another."""
        with self._lock:
            self._child.end()

    def _pages(
        self, read: RangeReader, size: int, rules: Sequence[LabelRule], pages: tuple[int, int] | None, end: float
    ) -> Pages:
        try:
            return self._pages_of_one_child(read, size, rules, pages, end)
        except ChildDied as death:
            log.warning("local engine died", signal=death.signal_number)
            if death.signal_number == signal.SIGXCPU:
                raise
        # Not every death is the document's doing: a machine short of memory, a person. So once more.
        return self._pages_of_one_child(read, size, rules, pages, end)

    def _pages_of_one_child(
        self, read: RangeReader, size: int, rules: Sequence[LabelRule], pages: tuple[int, int] | None, end: float
    ) -> Pages:
        order = {"size": size, "pages": pages, "rules": [rule.model_dump(mode="json") for rule in rules]}
        answer = self._child.use(
            lambda: self._started(end), lambda child: self._converse(child, order, read, size, end)
        )
        if isinstance(answer, ReadOutOfMemory):
            self._child.end()
        if isinstance(answer, PermanentError | StorageUnavailable):
            raise answer
        return answer

    def _converse(
        self, child: ChildProcess[Message], order: Mapping[str, Any], read: RangeReader, size: int, end: float
    ) -> Pages | PermanentError | StorageUnavailable:
        """Give the child what it asks for until it answers: the pages, or why there are none."""
        deadline = min(end, self._clock.monotonic() + self._seconds)
        child.say(order, deadline)
        while True:
            match child.hear(deadline):
                case Wanted(start=start, length=length):
                    if length > BLOCK_BYTES or start + length > size:
                        raise ChildTalksNonsense("a request for more than a block, or outside the document")
                    asked_at = self._clock.monotonic()
                    data = read_exactly(read, start, length)
                    # The store's time is not the document's fault.
                    deadline = min(end, deadline + self._clock.monotonic() - asked_at)
                    child.say({"length": length}, deadline, data)
                case Read(length=length):
                    return _parsed(child.read(length, deadline))
                case Refused(reason=reason, text=text):
                    return _REFUSALS[Reason(reason)](text)
                case NoRoom(text=text):
                    return StorageUnavailable(text)
                case OutOfMemory():
                    return ReadOutOfMemory(
                        f"Reading the pages takes more than {self._memory_bytes // 1024**2} MB of memory. "
                        "Open the document in a viewer and save it anew, or split it."
                    )
                case other:
                    raise ChildTalksNonsense(f"{other.kind!r} in the middle of a document")

    def _started(self, end: float) -> ChildProcess[Message]:
        return started(
            lambda: ChildProcess(self._command, self._clock, _MESSAGES),
            lambda: end,
            "The process of the local engine",
            self._memory_bytes,
        )

    def _timed_out(self) -> ReadTimedOut:
        return ReadTimedOut(
            f"Reading the pages takes longer than {self._seconds:g} seconds. "
            "Open the document in a viewer and save it anew, or split it."
        )


def child_command(memory_bytes: int, seconds: float) -> list[str]:
    """The command line of a child with these limits."""
    return [sys.executable, "-m", "headrace.providers.local.child", str(memory_bytes), str(seconds)]


def _parsed(pages: bytes) -> Pages:
    try:
        return _PAGES.validate_json(pages)
    except ValidationError as error:
        raise ChildTalksNonsense(f"pages with {error.error_count()} mistakes") from None
