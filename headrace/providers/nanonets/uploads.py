"""The requests that are sent once, in a dialect's words: the length of each is known before its bytes are."""

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from headrace.providers import Source
from headrace.providers.multipart import Form, Part, streamed_form
from headrace.providers.nanonets.dialect import Call, Dialect, Encoding
from headrace.providers.sending import base64_length, base64_of, bytes_of
from headrace.states import Mode


@dataclass(frozen=True)
class Asked:
    """What a predict call asks beside its documents.

    `metadata` comes back with every page; `language` is an ISO 639 code; `page_numbers` (from 1) are the
    only pages to read. What is empty is not said.
    """

    model: str
    mode: Mode
    metadata: str = ""
    language: str = ""
    page_numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Upload:
    """One request. Its body can be had once, and is to be closed; its last piece is made only after all others."""

    method: str
    address: str
    content_type: str
    length: int
    body: Generator[bytes, None, None]


def of_files(dialect: Dialect, asked: Asked, sources: Sequence[Source]) -> Upload:
    """Predict documents (at least one) that are streamed as files."""
    call = dialect.label_file[asked.mode]
    form = streamed_form(_fields(call, asked), [_file(source) for source in sources])
    return _streamed(call, _address(call, asked), form, sources)


def of_base64(dialect: Dialect, asked: Asked, source: Source) -> Upload:
    """Predict one document that is streamed as Base64 text; it has no name on the other side."""
    call = dialect.label_file[asked.mode]
    form = streamed_form(_fields(call, asked), [Part("base64_data")])
    body = _around(form, [base64_of(bytes_of(source))])
    length = form.content_length(base64_length(source.size))
    return Upload(call.method, _address(call, asked), form.content_type, length, body)


def of_urls(dialect: Dialect, asked: Asked, urls: Sequence[str]) -> Upload:
    """Predict what links lead to (at least one)."""
    call = dialect.label_urls[asked.mode]
    return _listed(call, _address(call, asked), urls, _fields(call, asked))


def text_of_file(dialect: Dialect, source: Source, language: str = "") -> Upload:
    """Read the full text of a document that is streamed; no model is asked."""
    call = dialect.text_of_file
    form = streamed_form(call.fields, [_file(source)])
    return _streamed(call, call.address(query=_language(language)), form, [source])


def text_of_urls(dialect: Dialect, urls: Sequence[str], language: str = "") -> Upload:
    """Read the full text of what links lead to; no model is asked."""
    call = dialect.text_of_urls
    return _listed(call, call.address(query=_language(language)), urls, call.fields)


def new_model(dialect: Dialect, categories: Sequence[str]) -> Upload:
    """Create a model that is to find these labels. It costs nothing, but is not to be sent twice either."""
    call = dialect.create_model
    body = json.dumps({"categories": list(categories), "model_type": "ocr", **call.fields}).encode()
    return Upload(call.method, call.address(), Encoding.JSON, len(body), _whole(body))


def _address(call: Call, asked: Asked) -> str:
    return call.address(model=asked.model, query=_language(asked.language))


def _language(language: str) -> dict[str, str]:
    return {"l": language} if language else {}


def _fields(call: Call, asked: Asked) -> dict[str, str]:
    fields = dict(call.fields)
    if asked.metadata:
        fields["request_metadata"] = asked.metadata
    if asked.page_numbers:
        fields["pages_to_process"] = ",".join(map(str, asked.page_numbers))
    return fields


def _file(source: Source) -> Part:
    return Part("file", source.name, source.media_type)


def _streamed(call: Call, address: str, form: Form, sources: Sequence[Source]) -> Upload:
    length = form.content_length(sum(source.size for source in sources))
    return Upload(call.method, address, form.content_type, length, _around(form, map(bytes_of, sources)))


def _whole(body: bytes) -> Generator[bytes, None, None]:
    yield body


def _around(form: Form, contents: Iterable[Iterator[bytes]]) -> Generator[bytes, None, None]:
    for head, content in zip(form.heads, contents, strict=True):
        yield head
        yield from content
    yield form.tail


def _listed(call: Call, address: str, urls: Sequence[str], fields: Mapping[str, str]) -> Upload:
    if call.encoding is Encoding.JSON:
        body = json.dumps({"urls": list(urls), **fields}).encode()
    else:
        body = urlencode([*(("urls", url) for url in urls), *fields.items()]).encode()
    return Upload(call.method, address, call.encoding or Encoding.FORM, len(body), _whole(body))
