"""A server that lists as S3 does, and does nothing else: many keys at once without the hours it takes to store them.

It answers ListObjectsV2 in pages of 1,000 keys by the order of their bytes, each after a time that a real store over a
network takes, and a PUT adds a key. It knows one bucket, and no signatures.
"""

import bisect
import hashlib
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, quote, unquote, urlsplit

PAGE = 1000


class Listing:
    """The keys, and each one's entry in an answer."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = sorted(keys)
        self._entries = [_entry(key) for key in self._keys]

    def add(self, key: str) -> None:
        at = bisect.bisect_left(self._keys, key)
        self._entries.insert(at, _entry(key))
        self._keys.insert(at, key)

    def page(self, prefix: str, after: str) -> str:
        first = max(bisect.bisect_right(self._keys, after), bisect.bisect_left(self._keys, prefix))
        end = bisect.bisect_left(self._keys, f"{prefix}\U0010ffff")
        last = min(first + PAGE, end)
        more = last < end
        token = f"<NextContinuationToken>{quote(self._keys[last - 1])}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<EncodingType>url</EncodingType><KeyCount>{last - first}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(self._entries[first:last])}</ListBucketResult>"
        )


def _entry(key: str) -> str:
    etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>2026-11-20T12:00:00.000Z</LastModified>"
        f"<ETag>&quot;{etag}&quot;</ETag><Size>1234</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


@contextmanager
def listing_server(keys: list[str], seconds_a_page: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    spawned = multiprocessing.get_context("spawn")
    ours, its = spawned.Pipe()
    process = spawned.Process(target=_serve, args=(keys, seconds_a_page, its), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(keys: list[str], seconds_a_page: float, ready: Connection) -> None:
    listing = Listing(keys)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            after = (
                unquote(query["continuation-token"]) if "continuation-token" in query else query.get("start-after", "")
            )
            time.sleep(seconds_a_page)
            self._answer(listing.page(query.get("prefix", ""), after).encode())

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            listing.add(unquote(urlsplit(self.path).path).split("/", 2)[2])
            self._answer(b"")

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("ETag", '"d41d8cd98f00b204e9800998ecf8427e"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.send(server.server_port)
    server.serve_forever()
