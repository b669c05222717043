"""Values -> JSON and JSON Lines: exact and typed, null is not ""."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def to_json(value: object, *, indent: int | None = None) -> str:
    """JSON text. Lone surrogates and numbers that JSON has no word for must be gone: ValueError."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, default=_moment)


def write_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line, in UTF-8."""
    return "".join(to_json(row) + "\n" for row in rows).encode()


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"JSON has no word for a {type(value).__name__}.")
