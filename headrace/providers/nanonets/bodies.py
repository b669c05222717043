"""The bytes of a body -> what they are made of, and the JSON object that they hold."""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.providers.nanonets.answers import UnreadableBody
from headrace.providers.nanonets.outcomes import Body

_MOST_NUMBER_DIGITS = 400
_MOST_LEVELS = 100
# Far more than a document of a thousand pages has. Each takes up to 2 KB once it is read, however short it is written.
MOST_PARTS = 500_000
_MOST_VALUES = 10_000_000
_LARGE_BYTES = 4 * 1024 * 1024
_LARGE_PARTS = 20_000

_large = threading.Lock()


@contextmanager
def turn(*, is_large: bool) -> Iterator[None]:
    """Wait until no other large body is being parsed or read in this process; what is small never waits.

    Side by side they would take their memory together, and no less time.
    """
    if not is_large:
        yield
        return
    with _large:
        yield


def body_kind(body: bytes, content_type: str) -> tuple[Body, dict[str, Any]]:
    """What a body is made of, and its object where it is JSON (else an empty one)."""
    if not body.strip():
        return Body.EMPTY, {}
    try:
        return Body.JSON, parse(body)
    except UnreadableBody:
        looks_like_html = "html" in content_type.lower() or body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        return (Body.HTML if looks_like_html else Body.OTHER), {}


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, its numbers finite and its texts valid Unicode; UnreadableBody else.

    A body of more parts than any document has is unreadable too, before any of them takes memory.
    """
    # Signs within texts count as well: it is a bound and no measure.
    if body.count(b"{") + body.count(b"[") > MOST_PARTS or body.count(b",") > _MOST_VALUES:
        raise UnreadableBody(f"The body has more than {MOST_PARTS:,} objects and lists, or {_MOST_VALUES:,} values.")
    with turn(is_large=len(body) > _LARGE_BYTES):
        return _parse(body)


def has_many_parts(content: Any) -> bool:
    """Whether a parsed body has so many objects and lists that it is to be read in a `turn` of its own."""
    waiting, found = [content], 0
    while waiting and found <= _LARGE_PARTS:
        value = waiting.pop()
        parts = [
            part for part in (value.values() if isinstance(value, dict) else value) if isinstance(part, dict | list)
        ]
        found += len(parts)
        waiting += parts
    return found > _LARGE_PARTS


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(
            body,
            parse_constant=lambda _name: None,
            parse_float=_finite,
            # Ever longer integers cost ever more time to read, and no count or pixel needs them.
            parse_int=lambda digits: int(digits) if len(digits) < _MOST_NUMBER_DIGITS else None,
        )
        content = _valid_texts(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise UnreadableBody("The body is JSON, but not an object.")
    return content


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _valid_texts(value: Any, levels: int = _MOST_LEVELS) -> Any:
    """Without lone surrogates, which JSON can spell and no file can hold; ValueError where it is too deep."""
    if levels == 0:
        raise ValueError("The body is nested too deeply.")
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_valid_texts(item, levels - 1) for item in value]
    if isinstance(value, dict):
        return {_valid_texts(key): _valid_texts(item, levels - 1) for key, item in value.items()}
    return value
