"""Copies that a provider can take, made of documents in a process that can be killed, and stored nowhere."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple, NoReturn

import structlog
from pydantic import SecretStr

from headrace.children.process import ChildDied, ChildTalksNonsense, ChildTooSlow, OutOfMemory
from headrace.children.start import started
from headrace.clock import Clock, SystemClock
from headrace.errors import (
    DocumentTooLarge,
    EncryptedDocument,
    NotSent,
    StorageUnavailable,
    TransientError,
    UnreadableDocument,
)
from headrace.preparing.copies import PreparedCopy, disk_trouble, disk_troubles, nameless_file, pdf_name, write_all
from headrace.preparing.process import CHILD, Message, Prepared, PreparingProcess, Refused
from headrace.providers import Source
from headrace.states import Preparation

log = structlog.get_logger()

_SYSTEM_CLOCK = SystemClock()
_START_SECONDS = 60.0
# What was packed well may be packed worse in the copy, but past this no provider takes it.
_TIMES_LARGER, _BYTES_LARGER = 4, 64 * 1024**2

_COPY = {Preparation.DECRYPT: "a copy without its password", Preparation.CONVERT: "a PDF of the picture"}
_REMEDY = {
    Preparation.DECRYPT: "Remove the password and drop it again.",
    Preparation.CONVERT: "Convert it with another program and drop that.",
}


class _Order(NamedTuple):
    preparation: Preparation
    media_type: str
    passwords: tuple[SecretStr, ...]
    original: IO[bytes]
    copy: IO[bytes]
    most_bytes: int


class Preparer:
    """Prepares copies, from any thread; at most `at_once` at the same time, for each may fill its memory.

    A child process of its own makes each copy, in `memory_bytes` of address space and `seconds`. It has no
    credentials and no environment: it is given two files without a name, and through its pipe the passwords.
    Nothing is fetched before there is a place, for which `wait_seconds` are waited; then the original must come
    within `fetch_seconds`. `child` replaces the command of the child in tests.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = 1024**3,
        seconds: float = 60,
        fetch_seconds: float = 100,
        at_once: int = 2,
        wait_seconds: float = 1,
        clock: Clock = _SYSTEM_CLOCK,
        child: Sequence[str] = CHILD,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._fetch_seconds = fetch_seconds
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._child = child
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def prepared(
        self, source: Source, preparation: Preparation, *, pages: int | None, passwords: Sequence[SecretStr] = ()
    ) -> Iterator[PreparedCopy]:
        """A copy of the document, with as many pages as were counted (None: that is not known for certain).

        It lies in a file without a name, and is gone when the block ends, however it ends.

        Raises EncryptedDocument where no password opens the document (any more), UnreadableDocument and
        DocumentTooLarge where there can be no copy, NotSent where the original comes too slowly, TransientError
        where this machine has no room for one now or cannot start the child now, ConfigurationError where it never
        does; and what `source.chunks` raises.
        """
        with nameless_file() as copy:
            # Without a place nothing is fetched: the thread is free again for a document that needs no copy.
            with self._place(), nameless_file() as original:
                self._fetch(source, original)
                order = _Order(
                    preparation,
                    source.media_type,
                    tuple(passwords),
                    original,
                    copy,
                    source.size * _TIMES_LARGER + _BYTES_LARGER,
                )
                made = self._made(order)
            if pages is not None and made != pages:
                raise UnreadableDocument(
                    f"The document was counted to have {pages} pages, and {_COPY[preparation]} has {made}: "
                    "it is damaged. Open it in a viewer and save it anew."
                )
            log.info("copy prepared", preparation=str(preparation), pages=made)
            name = source.name if preparation is Preparation.DECRYPT else pdf_name(source.name)
            yield PreparedCopy(copy, name)

    def _fetch(self, source: Source, original: IO[bytes]) -> None:
        deadline = self._clock.monotonic() + self._fetch_seconds
        fetched = 0
        for piece in source.chunks():
            fetched += len(piece)
            if self._clock.monotonic() > deadline:
                raise NotSent(
                    f"The bucket gave {fetched} of {source.size} bytes in {self._fetch_seconds:g} seconds, "
                    "so no copy could be prepared."
                )
            write_all(original, piece)
        if fetched != source.size:
            raise StorageUnavailable(f"The object store gave {fetched} bytes of an object of {source.size}.")

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._wait_seconds):
            raise TransientError("This machine prepares as many copies as it may; the document's turn comes later.")
        try:
            yield
        finally:
            self._places.release()

    def _made(self, order: _Order) -> int:
        """The number of pages of the copy, which is written."""
        try:
            try:
                answer = self._answer(order)
            except ChildDied as death:
                log.warning("preparing child died", signal=death.signal_number)
                if death.signal_number == signal.SIGXCPU:
                    raise
                # Not every death is the document's doing: a machine short of memory, a person. So once more.
                answer = self._answer(order)
        except ChildTooSlow as error:
            raise self._too_slow(order) from error
        except ChildDied as death:
            if death.signal_number == signal.SIGXCPU:
                raise self._too_slow(order) from death
            raise _unreadable(order, "the process that makes it is ended by the document") from death
        except ChildTalksNonsense as error:
            raise _unreadable(order, "the document makes the process that makes it misbehave") from error
        match answer:
            case Prepared():
                return answer.pages
            case Refused():
                self._refuse(order, answer)
            case OutOfMemory():
                raise _unreadable(order, f"it takes more than {self._memory_bytes // 1024**2} MB of memory")
        raise _unreadable(order, "the document makes the process that makes it misbehave")

    def _answer(self, order: _Order) -> Message:
        with disk_troubles():
            order.original.seek(0)
            order.copy.seek(0)
            order.copy.truncate()
        child = self._started(order)
        deadline = self._clock.monotonic() + self._seconds
        passwords = [password.get_secret_value() for password in order.passwords]
        try:
            child.say({"media_type": order.media_type, "passwords": passwords}, deadline)
            return child.hear(deadline)
        finally:
            child.kill()

    def _started(self, order: _Order) -> PreparingProcess:
        return started(
            lambda: PreparingProcess(
                self._child,
                self._clock,
                order.preparation,
                memory_bytes=self._memory_bytes,
                seconds=self._seconds,
                most_bytes=order.most_bytes,
                original=order.original.fileno(),
                copy=order.copy.fileno(),
            ),
            lambda: self._clock.monotonic() + _START_SECONDS,
            "The process that prepares copies",
            self._memory_bytes,
        )

    def _refuse(self, order: _Order, answer: Refused) -> NoReturn:
        match answer.why:
            case "encrypted":
                raise EncryptedDocument(
                    "None of the passwords that the route names opens the document (any more). Remove its password, "
                    "or put the right one in HEADRACE_PASSWORDS and retry."
                )
            case "too_large":
                raise DocumentTooLarge(
                    f"No provider takes {_COPY[order.preparation]}: it would have more than "
                    f"{order.most_bytes // 1024**2} MB. {_REMEDY[order.preparation]}"
                )
            case "machine":
                raise StorageUnavailable(disk_trouble("its disk is full, or failing"))
            case "unreadable":
                raise _unreadable(order, "it is damaged")

    def _too_slow(self, order: _Order) -> UnreadableDocument:
        return _unreadable(order, f"it takes longer than {self._seconds:g} seconds")


def _unreadable(order: _Order, why: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"The provider needs {_COPY[order.preparation]}, and there is none: {why}. {_REMEDY[order.preparation]}"
    )
