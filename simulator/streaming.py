"""JSON bodies written piece by piece, so that a long list is never in memory as a whole."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Listing:
    """A list whose items are made when they are written."""

    items: Iterable[object]


@dataclass(frozen=True)
class Entries:
    """An object whose entries are made when they are written."""

    items: Iterable[tuple[str, object]]


Body = Mapping[str, object]


def pieces(body: Body) -> Iterator[bytes]:
    """The body's JSON in pieces of about `PIECE_BYTES`; the last one may be smaller."""
    waiting = bytearray()
    for text in _texts(body):
        waiting += text.encode()
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _texts(value: object) -> Iterator[str]:
    """An object is opened where one of its own members is streamed."""
    if isinstance(value, Listing):
        yield from _listed("[", ((None, item) for item in value.items), "]")
    elif isinstance(value, Entries):
        yield from _listed("{", value.items, "}")
    elif isinstance(value, Mapping) and any(isinstance(member, Listing | Entries) for member in value.values()):
        yield from _listed("{", value.items(), "}")
    else:
        yield json.dumps(value, ensure_ascii=False)


def _listed(start: str, items: Iterable[tuple[str | None, object]], end: str) -> Iterator[str]:
    yield start
    for position, (name, item) in enumerate(items):
        yield ("," if position else "") + (f"{json.dumps(name)}:" if name is not None else "")
        yield from _texts(item)
    yield end
