"""The calls that one document costs: noted while the real steps take it through, and made again for other documents."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from headrace.document import Document
from headrace.errors import ObjectNotFound, PreconditionFailed
from headrace.storage import ObjectHead, ObjectStore, StoredObject


@dataclass(frozen=True)
class Call:
    """One call to the store (head, get, read, put) or the API (its method). Bodies are the requests', in Base64."""

    step: str
    kind: str
    place: str
    key: str = ""
    start: int = 0
    length: int | None = None
    body: str = ""
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    if_match: bool = False
    if_none_match: bool = False
    answered_bytes: int = 0

    @property
    def is_to_api(self) -> bool:
        return self.kind.isupper()

    def __str__(self) -> str:
        where = self.place if self.is_to_api else f"{self.place}/{self.key}"
        size = len(self.body) * 3 // 4 or self.answered_bytes
        return f"{self.step:8} {self.kind:5} {size:7} B  {where}"


class NotingStore:
    """An ObjectStore that notes each call before it passes it on."""

    def __init__(self, store: ObjectStore, calls: list[Call]) -> None:
        self._store = store
        self._calls = calls
        self.step = ""

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectHead:
        self._calls.append(Call(self.step, "head", bucket, key))
        return self._store.head(bucket, key, version_id=version_id)

    def get(self, bucket: str, key: str, **given: Any) -> StoredObject:
        at = len(self._calls)
        self._calls.append(Call(self.step, "get", bucket, key))
        stored = self._store.get(bucket, key, **given)
        self._calls[at] = Call(self.step, "get", bucket, key, answered_bytes=len(stored.body))
        return stored

    def read(self, bucket: str, key: str, **given: Any) -> bytes:
        return self._read(bucket, key, lambda: self._store.read(bucket, key, **given), **given)

    def stream(self, bucket: str, key: str, **given: Any) -> Iterator[bytes]:
        yield self._read(bucket, key, lambda: b"".join(self._store.stream(bucket, key, **given)), **given)

    def put(self, bucket: str, key: str, body: bytes | BinaryIO, **given: Any) -> str:
        content = body if isinstance(body, bytes) else body.read()
        told = {name: given.get(name) or default for name, default in (("content_type", ""), ("metadata", {}))}
        conditions = {"if_match": given.get("if_match") is not None, "if_none_match": given.get("if_none_match", False)}
        self._calls.append(Call(self.step, "put", bucket, key, body=_text(content), **told, **conditions))
        return self._store.put(bucket, key, content, **given)

    def presign(self, bucket: str, key: str, *, version_id: str | None, valid_for: timedelta) -> str:
        return self._store.presign(bucket, key, version_id=version_id, valid_for=valid_for)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _read(self, bucket: str, key: str, really: Any, **given: Any) -> bytes:
        at = len(self._calls)
        asked = {"start": given.get("start", 0), "length": given.get("length")}
        self._calls.append(Call(self.step, "read", bucket, key, if_match=given.get("if_match") is not None, **asked))
        content: bytes = really()
        self._calls[at] = Call(**{**asdict(self._calls[at]), "answered_bytes": len(content)})
        return content


class NotingTransport(httpx.BaseTransport):
    """An HTTP transport that notes each call before it makes it."""

    def __init__(self, store: NotingStore, calls: list[Call]) -> None:
        self._transport = httpx.HTTPTransport()
        self._store = store
        self._calls = calls

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        kind = request.headers.get("Content-Type", "")
        call = Call(self._store.step, request.method, str(request.url), body=_text(content), content_type=kind)
        self._calls.append(call)
        request.stream = httpx.ByteStream(content)
        return self._transport.handle_request(request)


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def write_calls(path: Path, calls: list[Call], document: Document) -> None:
    """Keep them for another process; `document` is the one that they were made for."""
    kept = {"calls": [asdict(call) for call in calls], "key": document.key, "id": document.id}
    path.write_text(json.dumps(kept | {"object_id": document.object_id}), encoding="utf-8")


class Replay:
    """Makes the kept calls for other documents: same kinds, sizes, conditions and folders."""

    def __init__(self, path: Path, store: ObjectStore, client: httpx.Client) -> None:
        kept = json.loads(path.read_text(encoding="utf-8"))
        self._kept = {name: kept[name] for name in ("key", "id", "object_id")}
        self._calls = [(Call(**call), b64decode(call["body"])) for call in kept["calls"]]
        self.steps = list(dict.fromkeys(call.step for call, _ in self._calls))
        self._store = store
        self._client = client

    def whole(self, key: str) -> None:
        """All calls that the document under this key costs."""
        etags: dict[str, str] = {}
        for step in self.steps:
            self.step(step, key, etags)

    def step(self, step: str, key: str, etags: dict[str, str]) -> None:
        """Those of one step. `etags` are those that an earlier step heard of, and all that this one hears of."""
        for call, body in self._calls:
            if call.step == step:
                if call.is_to_api:
                    self._ask(call, body)
                else:
                    with suppress(ObjectNotFound, PreconditionFailed):
                        self._reach(call, self._renamed(call.key, key), body, etags)

    def _ask(self, call: Call, body: bytes) -> None:
        headers = {"Content-Type": call.content_type} if body else {}
        self._client.request(call.kind, call.place, content=body or None, headers=headers).raise_for_status()

    def _reach(self, call: Call, key: str, body: bytes, etags: dict[str, str]) -> None:
        condition = etags.get(key) if call.if_match else None
        match call.kind:
            case "head":
                etags[key] = self._store.head(call.place, key).etag
            case "get":
                etags[key] = self._store.get(call.place, key).head.etag
            case "read":
                self._store.read(call.place, key, start=call.start, length=call.length, if_match=condition)
            case "put":
                etags[key] = self._store.put(
                    call.place,
                    key,
                    body,
                    content_type=call.content_type,
                    metadata=call.metadata,
                    if_match=condition,
                    if_none_match=call.if_none_match,
                )

    def _renamed(self, noted: str, key: str) -> str:
        """The same place of another document."""
        if noted == self._kept["key"]:
            return key
        other = sha256(key.encode()).hexdigest()[:32]
        return noted.replace(self._kept["id"], other).replace(self._kept["object_id"], other[::-1])
