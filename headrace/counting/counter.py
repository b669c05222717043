"""Counting pages in a process that can be killed, because nobody knows what the documents hold."""

import signal
import threading
from collections.abc import Sequence
from typing import Self

import structlog
from pydantic import SecretStr

from headrace.children.kept import KeptChild, blaming_the_document
from headrace.children.process import ChildDied, OutOfMemory
from headrace.children.start import started
from headrace.clock import Clock, SystemClock
from headrace.counting.conversation import Answer, Conversation, Question
from headrace.counting.process import Counted, CountingProcess, Refused, child_command
from headrace.errors import (
    CountOutOfMemory,
    CountTimedOut,
    EmptyDocument,
    EncryptedDocument,
    NoPages,
    PermanentError,
    UnreadableDocument,
    UnsupportedType,
)
from headrace.page_count import PageCount
from headrace.ranges import RangeReader
from headrace.states import Reason

log = structlog.get_logger()

_SYSTEM_CLOCK = SystemClock()
_START_SECONDS = 60.0
_REFUSALS: dict[Reason, type[PermanentError]] = {
    error.reason: error for error in (EmptyDocument, EncryptedDocument, NoPages, UnreadableDocument, UnsupportedType)
}


class PageCounter:
    """Counts pages in a child process under limits; one document at a time, from any thread.

    The child starts with the first document and ends with `close`, or when this process does. It
    has no credentials: every byte comes from the `read` that `count` is given. `memory_bytes` is
    its address space, `seconds` how long it may work on one document, reads not included.
    `command` replaces it in tests.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = 1024**3,
        seconds: float = 30,
        clock: Clock = _SYSTEM_CLOCK,
        command: Sequence[str] | None = None,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._clock = clock
        self._command = command if command is not None else child_command(memory_bytes, seconds)
        self._lock = threading.Lock()
        self._child: KeptChild[CountingProcess] = KeptChild()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def child_pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid

    def count(self, read: RangeReader, size: int, *, most_pages: int, passwords: Sequence[SecretStr] = ()) -> PageCount:
        """The pages of a document of `size` bytes, as `headrace.pages.count_pages` promises.

        The child is told the passwords through its pipe, and nobody else.

        Raises also CountTimedOut and CountOutOfMemory; UnreadableDocument where the document
        ends its reader twice; StorageUnavailable where `read` gives fewer bytes than there are, or where
        this machine has no room for a copy that is needed; ConfigurationError where the child cannot
        start, TransientError where it cannot now; and what `read` raises, unchanged.
        """
        with self._lock, blaming_the_document(self._timed_out):
            answer = self._answer(Question(read, size, most_pages, passwords))
        match answer:
            case Counted():
                return PageCount(
                    pages=answer.pages,
                    source=answer.source,
                    media_type=answer.media_type,
                    at_least=answer.at_least,
                    protected=answer.protected,
                    rotated=answer.rotated,
                )
            case Refused():
                raise _REFUSALS[Reason(answer.reason)](answer.text)
            case OutOfMemory():
                raise CountOutOfMemory(
                    f"Counting the pages takes more than {self._memory_bytes // 1024**2} MB of memory. "
                    "Open the document in a viewer and save it anew, or split it."
                )

    def close(self) -> None:
        """End the child. The next count starts another."""
        with self._lock:
            self._child.end()

    def _answer(self, question: Question) -> Answer:
        try:
            return self._answer_of_one_child(question)
        except ChildDied as death:
            log.warning("page counter died", signal=death.signal_number)
            if death.signal_number == signal.SIGXCPU:
                raise
        # Not every death is the document's doing: a machine short of memory, a person. So once more.
        return self._answer_of_one_child(question)

    def _answer_of_one_child(self, question: Question) -> Answer:
        answer = self._child.use(
            self._started, lambda child: Conversation(child, question, self._seconds, self._clock).answer()
        )
        if isinstance(answer, OutOfMemory):
            self._child.end()
        return answer

    def _started(self) -> CountingProcess:
        return started(
            lambda: CountingProcess(self._command, self._clock),
            lambda: self._clock.monotonic() + _START_SECONDS,
            "The process that counts pages",
            self._memory_bytes,
        )

    def _timed_out(self) -> CountTimedOut:
        return CountTimedOut(
            f"Counting the pages takes longer than {self._seconds:g} seconds. "
            "Open the document in a viewer and save it anew, or split it."
        )
