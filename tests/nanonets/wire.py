"""What a client sends: each request as the other side receives it, taken apart."""

import json
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from functools import cache
from urllib.parse import parse_qs, parse_qsl

import httpx
from pydantic import SecretStr

from headrace.providers.nanonets import NanonetsApi, NanonetsProvider, nanonets_client
from headrace.providers.nanonets.dialect import REFERENCE
from tests.clocks import ManualClock
from tests.nanonets.samples import API_KEY, live, live_page


@dataclass
class Sent:
    """One request. `fields` has the texts of its form (or JSON), `files` the names and bytes of its files."""

    method: str
    path: str
    query: dict[str, str]
    media_type: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    announced: int = 0
    arrived: int = 0

    @classmethod
    def of(cls, request: httpx.Request) -> "Sent":
        content = request.read()
        media_type = request.headers.get("Content-Type", "").partition(";")[0]
        fields, files = taken_apart(media_type, request.headers.get("Content-Type", ""), content)
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/api/v2")
        query = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        announced = int(request.headers.get("Content-Length", 0))
        return cls(request.method, path, query, media_type, fields, files, announced, len(content))

    @property
    def said(self) -> str:
        """Method, path and query on one line."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.method} {self.path}{'?' if query else ''}{query}"


def taken_apart(media_type, content_type, content):
    """The fields and the files of a body."""
    if media_type == "application/x-www-form-urlencoded":
        return parse_qs(content.decode(), keep_blank_values=True, strict_parsing=True), []
    if media_type == "application/json":
        return {name: value if isinstance(value, list) else [value] for name, value in json.loads(content).items()}, []
    if media_type != "multipart/form-data":
        return {}, []
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content)
    fields, files = {}, []
    for part in message.iter_parts():
        name, body = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if part.get_filename() is None:
            fields.setdefault(name, []).append(body.decode())
        else:
            files.append((part.get_filename(), body))
    return fields, files


@cache
def real_client():
    """Address and login of the client that the workers use."""
    with nanonets_client(SecretStr(API_KEY)) as real:
        return real.base_url, real.auth


class Wire:
    """A transport that keeps what is sent, and gives each request the answer."""

    def __init__(self, answer=None, *, status=200):
        self.sent = []
        self.clock = ManualClock()
        self._answer = live(live_page()) if answer is None else answer
        self._status = status

    def _handle(self, request):
        self.sent.append(Sent.of(request))
        return httpx.Response(self._status, json=self._answer)

    @property
    def client(self):
        base_url, auth = real_client()
        return httpx.Client(base_url=base_url, auth=auth, transport=httpx.MockTransport(self._handle))

    def api(self, dialect=REFERENCE):
        return NanonetsApi(self.client, self.clock, dialect)

    def provider(self, dialect=REFERENCE):
        return NanonetsProvider(self.client, self.clock, dialect)

    @property
    def only(self):
        (sent,) = self.sent
        return sent
