"""The bytes of a body -> what they are made of, and the JSON object that they hold."""

import json
import math
from typing import Any

from headrace.providers.nanonets.answers import UnreadableBody
from headrace.providers.nanonets.outcomes import Body

_MOST_NUMBER_DIGITS = 400
_MOST_LEVELS = 100


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
    """The JSON object in a body, its numbers finite and its texts valid Unicode; UnreadableBody else."""
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
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_valid_texts(item, levels - 1) for item in value]
    if isinstance(value, dict):
        return {_valid_texts(key): _valid_texts(item, levels - 1) for key, item in value.items()}
    return value
