"""A request under one deadline: its body goes out whole or stops for certain, its answer is read with a limit."""

import base64
from collections.abc import Callable, Generator, Iterable, Iterator

import httpx

from headrace.clock import Clock
from headrace.errors import NotSent
from headrace.providers import Source

PIECE_BYTES = 64 * 1024
# Between two pieces of an answer that has begun, or of a body that goes out, no server is silent for longer.
LONGEST_SILENCE_SECONDS = 15.0
LONGEST_RETRY_AFTER_SECONDS = 3600


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


def whole_or_nothing(pieces: Iterable[bytes], *, may_go_on: Callable[[], None]) -> Generator[bytes, None, None]:
    """The pieces of a body, none longer than PIECE_BYTES, the last of which completes it.

    `may_go_on` is asked before each piece and may raise. Whatever is raised in here, by it or by where
    the pieces come from, comes before the last piece: with the announced Content-Length the request
    then never was whole.
    """
    for piece in pieces:
        for start in range(0, len(piece), PIECE_BYTES):
            may_go_on()
            yield piece[start : start + PIECE_BYTES]


def bytes_of(source: Source) -> Iterator[bytes]:
    """A document's bytes; NotSent where they are not as many as it said."""
    sent_bytes = 0
    for piece in source.chunks():
        sent_bytes += len(piece)
        if sent_bytes > source.size:
            break
        yield piece
    if sent_bytes != source.size:
        found = "more" if sent_bytes > source.size else f"only {sent_bytes}"
        raise NotSent(f"The object was to have {source.size} bytes and gave {found}; the request was not completed.")


def base64_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The Base64 text (RFC 4648, section 4) of bytes that come in pieces; `base64_length` says how long it is."""
    rest = b""
    for piece in pieces:
        known = rest + piece
        whole = len(known) - len(known) % 3
        rest = known[whole:]
        yield base64.b64encode(known[:whole])
    yield base64.b64encode(rest)


def base64_length(size: int) -> int:
    """The length of the Base64 text of so many bytes.

    >>> [base64_length(size) for size in (0, 1, 3, 4)]
    [0, 4, 4, 8]
    """
    return (size + 2) // 3 * 4


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


def retry_after(value: str) -> float | None:
    """For how many seconds a Retry-After header (RFC 9110, section 10.2.3) asks us to wait; None where it says nothing.

    A date is not understood: the machine's clock would decide for how long. Nobody may have us wait for over an hour.

    >>> retry_after("30"), retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), retry_after("-1"), retry_after("999999")
    (30.0, None, None, 3600.0)
    """
    if not (value.isascii() and value.isdigit()):
        return None
    return float(min(int(value[:9]), LONGEST_RETRY_AFTER_SECONDS))
