"""Uploads over a real socket: memory stays flat, and a body that stops is never whole."""

import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from headrace.clock import SystemClock
from headrace.errors import DocumentReplaced, InDoubt, PredictionRejected
from headrace.providers.nanonets import NanonetsProvider, nanonets_client
from headrace.states import Reason
from tests.nanonets.samples import BytesSource, a_request

CLOCK = SystemClock()
REFUSAL = b'HTTP/1.1 402 Payment Required\r\nContent-Length: 20\r\n\r\n{"message": "no"}   '


class Sink:
    """A server for one connection: reads a request of known length, and answers as told."""

    def __init__(self, answer: bytes, *, answer_after: int | None = None) -> None:
        self._answer = answer
        self._answer_after = answer_after
        self.received = 0
        self.announced = 0
        self.tail = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(20)
        self.base_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/api/v2"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(timeout=30)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            connection.settimeout(20)
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1024)
            lines, _, rest = head.partition(b"\r\n\r\n")
            (length,) = [line for line in lines.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            self.announced = int(length.split(b":")[1])
            self.received, self.tail = len(rest), rest
            wanted = self.announced if self._answer_after is None else self._answer_after
            buffer = bytearray(1 << 18)
            while self.received < wanted and (count := connection.recv_into(buffer)):
                self.received += count
                self.tail = (self.tail + bytes(buffer[max(0, count - 64) : count]))[-64:]
            if self._answer:
                connection.sendall(self._answer)


@contextmanager
def sink(answer: bytes = REFUSAL, **options) -> Iterator[tuple[Sink, NanonetsProvider]]:
    server = Sink(answer, **options)
    try:
        with nanonets_client(SecretStr("key"), server.base_url) as client:
            yield server, NanonetsProvider(client, CLOCK)
    finally:
        server.close()


class Generated(BytesSource):
    """Many bytes that are never in memory together."""

    piece = b"\0" * 65536
    pieces = 3200

    @property
    def size(self) -> int:
        return len(self.piece) * self.pieces

    def chunks(self):
        for _ in range(self.pieces):
            yield self.piece


@pytest.mark.parametrize(
    ("pieces", "asked", "least_bytes"), [(3200, {}, 200 << 20), (1600, {"as_base64": True}, 133 << 20)]
)
def test_memory_does_not_depend_on_the_size(pieces, asked, least_bytes):
    source = Generated()
    source.pieces = pieces
    with sink() as (server, provider):
        tracemalloc.start()
        try:
            with pytest.raises(PredictionRejected):
                provider.submit(source, replace(a_request(CLOCK), **asked))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert server.received == server.announced > least_bytes
    assert server.tail.endswith(b"--\r\n")
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("asked", [{}, {"as_base64": True}, {"text_only": True}])
def test_a_body_that_stops_on_purpose_is_never_whole(asked):
    error = DocumentReplaced("another content")
    source = BytesSource(b"x" * 500_000, error=error, piece_bytes=65_536)
    with sink(b"") as (server, provider), pytest.raises(DocumentReplaced):
        provider.submit(source, replace(a_request(CLOCK), **asked))
    assert server.received < server.announced


def test_a_refusal_before_the_body_was_read_is_certain():
    with sink(answer_after=1) as (_, provider), pytest.raises(PredictionRejected) as caught:
        provider.submit(BytesSource(b"x" * 1000), a_request(CLOCK))
    assert caught.value.reason is Reason.QUOTA_USED_UP


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", Reason.CONNECTION_CUT),
        (b"HTTP/1.1 2", Reason.CONNECTION_CUT),
        (b"garbage\r\n\r\n", Reason.CONNECTION_CUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Reason.CONNECTION_CUT),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", Reason.UNREADABLE_ANSWER),
        (b"HTTP/1.1 200 OK\r\n\r\n{", Reason.UNREADABLE_ANSWER),
    ],
)
def test_half_an_answer_is_doubt(answer, reason):
    with sink(answer) as (_, provider), pytest.raises(InDoubt) as caught:
        provider.submit(BytesSource(), a_request(CLOCK))
    assert caught.value.reason is reason
