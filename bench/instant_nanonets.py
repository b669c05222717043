"""A Nanonets that answers at once, and costs little: bodies that the simulator gave, with the ids of each call.

    python -m bench.instant_nanonets --port 18090 --bodies bodies.json

`bodies.json` maps "sync", "accepted" and "stored" to the text of an answer in which `FILE_ID` and `METADATA` stand
where the file's id and the request's metadata belong.
"""

import argparse
import asyncio
import json
import re
import sys
from http import HTTPStatus
from pathlib import Path

FILE_ID = "@@file@@"
METADATA = "@@metadata@@"

_METADATA_PART = re.compile(rb'name="request_metadata"\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--', re.DOTALL)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Jobs:
    """The files that came in, and what is said of each."""

    def __init__(self, bodies: dict[str, str]) -> None:
        self._bodies = bodies
        self._metadata: dict[str, str] = {}

    def answer(self, method: str, path: str, body: bytes) -> bytes | None:
        """The answer to one call, as JSON; None where there is no such file."""
        if method == "POST":
            file = f"{len(self._metadata) + 1:08x}-0000-4000-8000-000000000000"
            found = _METADATA_PART.search(body)
            self._metadata[file] = "" if found is None else found[1].decode()
            return self._filled("accepted" if "async" in path.lower() else "sync", file)
        file = path.rstrip("/").rsplit("/", 1)[-1]
        return self._filled("stored", file) if file in self._metadata else None

    def _filled(self, body: str, file: str) -> bytes:
        quoted = json.dumps(self._metadata[file])[1:-1]
        return self._bodies[body].replace(FILE_ID, file).replace(METADATA, quoted).encode()


class Conversation(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            length = _LENGTH.search(head)
            whole = end + 4 + (0 if length is None else int(length[1]))
            if len(self._received) < whole:
                return
            body = bytes(self._received[end + 4 : whole])
            del self._received[:whole]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        answer = self._jobs.answer(method, path, body)
        status = HTTPStatus.OK if answer is not None else HTTPStatus.NOT_FOUND
        content = answer if answer is not None else b'{"message": "not found", "code": 404}'
        lines = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
        self._transport.write(f"{lines}\r\n\r\n".encode() + content)


async def serve(port: int, bodies: dict[str, str]) -> None:
    jobs = Jobs(bodies)
    server = await asyncio.get_running_loop().create_server(lambda: Conversation(jobs), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bodies", type=Path, required=True)
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.port, json.loads(given.bodies.read_text(encoding="utf-8"))))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
