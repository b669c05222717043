"""A request under one deadline: its body goes out whole or stops for certain, its answer is read with a limit."""

from collections.abc import Callable, Generator

import httpx

from headrace.clock import Clock
from headrace.errors import NotSent
from headrace.providers import Source

PIECE_BYTES = 64 * 1024
# Between two pieces of an answer that has begun, or of a body that goes out, no server is silent for longer.
LONGEST_SILENCE_SECONDS = 15.0


class DeadlinePassed(Exception):
    """The whole time of a call is over."""


class AnswerTooLarge(Exception):
    """The answer has more bytes than anybody needs."""


class Deadline:
    """One limit in seconds for a whole call; httpx only limits each single wait."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._end - self._clock.monotonic())

    @property
    def is_past(self) -> bool:
        return self.seconds_left <= 0

    def check(self) -> None:
        """DeadlinePassed once the time is over."""
        if self.is_past:
            raise DeadlinePassed

    def bound(self, request: httpx.Request, *, read_seconds: float | None = None) -> None:
        """From the request's next phase on, let no wait outlast the deadline, nor a read `read_seconds`."""
        # The transport looks these up at the start of each phase, so they may still be changed.
        waits = request.extensions.setdefault("timeout", {})
        left = max(self.seconds_left, 0.001)  # Zero would mean "do not block".
        waits["write"] = min(left, LONGEST_SILENCE_SECONDS)
        waits["read"] = left if read_seconds is None else min(left, read_seconds)


def whole_or_nothing(
    head: bytes, source: Source, tail: bytes, *, may_go_on: Callable[[], None]
) -> Generator[bytes, None, None]:
    """The pieces of a body around a document's bytes, whose last one completes it.

    `may_go_on` is asked before each piece and may raise. Whatever is raised in here, by it, by the
    source or because the source has another size than it said (NotSent), comes before the last
    piece: with the announced Content-Length the request then never was whole.
    """
    may_go_on()
    yield head
    sent_bytes = 0
    for piece in source.chunks():
        sent_bytes += len(piece)
        if sent_bytes > source.size:
            break
        for start in range(0, len(piece), PIECE_BYTES):
            may_go_on()
            yield piece[start : start + PIECE_BYTES]
    if sent_bytes != source.size:
        found = "more" if sent_bytes > source.size else f"only {sent_bytes}"
        raise NotSent(f"The object was to have {source.size} bytes and gave {found}; the request was not completed.")
    may_go_on()
    yield tail


def in_one_piece(body: bytes, *, may_go_on: Callable[[], None]) -> Generator[bytes, None, None]:
    """A short body, after `may_go_on` was asked."""
    may_go_on()
    yield body


def receive(response: httpx.Response, deadline: Deadline, *, most_bytes: int) -> bytes:
    """The answer's body, decoded; DeadlinePassed or AnswerTooLarge past the limits. Closes the response."""
    body = bytearray()
    try:
        deadline.bound(response.request, read_seconds=LONGEST_SILENCE_SECONDS)
        for piece in response.iter_bytes(PIECE_BYTES):
            body += piece
            if len(body) > most_bytes:
                raise AnswerTooLarge
            deadline.check()
    finally:
        response.close()
    return bytes(body)
