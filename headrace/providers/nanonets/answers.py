"""A body of Nanonets, taken apart: what it is made of, its page records, and how far they are."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.providers.nanonets.outcomes import Body

Record = Mapping[str, Any]

_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_MOST_NUMBER_DIGITS = 400
_MOST_LEVELS = 100


class UnreadableBody(ValueError):
    """The text says what was found and is free of the body's content."""


@dataclass(frozen=True)
class Accepted:
    """What an accept body promises: the file's id, and how many pages if it lists their ids."""

    id: str
    pages: int | None


@dataclass(frozen=True)
class Standing:
    """How far a file is: `pending` says what is missing, `failed` that no page could be read."""

    pending: str = ""
    failed: bool = False


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


def records(body: Record) -> list[Record]:
    """The page records of a predict, accept or get-by-file body, in its order, each page once."""
    if "moderated_images" in body or "unmoderated_images" in body:
        # A page that a person approved stands before what was predicted of it.
        found = [*_objects(body.get("moderated_images")), *_objects(body.get("unmoderated_images"))]
    else:
        found = []
        for element in _objects(body.get("result")):
            found += _objects(element["result"]) if isinstance(element.get("result"), list) else [element]
    seen: set[str] = set()
    return [record for record in found if _is_new(record.get("id"), seen)]


def accepted(pages: Sequence[Record]) -> Accepted:
    """The one file that these page records (at least one) are of; UnreadableBody where that is not clear."""
    file_id, *others = [record.get("request_file_id") for record in pages]
    if not isinstance(file_id, str) or not _FILE_ID.fullmatch(file_id):
        raise UnreadableBody("The body names no usable file id.")
    if any(other != file_id for other in others):
        raise UnreadableBody("The body names several files; one was sent.")
    page_ids = {record["id"] for record in pages if isinstance(record.get("id"), str) and record["id"]}
    return Accepted(file_id, len(page_ids) or None)


def standing(pages: Sequence[Record], expected_pages: int | None) -> Standing:
    """Whether every page came to an end. Empty boxes are an end too: a blank page."""
    if not pages:
        return Standing(pending="no page is listed yet")
    if expected_pages is not None and len(pages) < expected_pages:
        return Standing(pending=f"{len(pages)} of {expected_pages} pages are listed")
    waiting = sum(is_pending(record) for record in pages)
    if waiting:
        return Standing(pending=f"{waiting} of {len(pages)} pages are pending")
    return Standing(failed=all(is_failed(record) for record in pages))


def is_pending(record: Record) -> bool:
    """Still queued; or without a word and without boxes, which a page that ended never is."""
    word = _word(record)
    return word == "pending" or (word == "" and not boxes(record) and not record.get("is_moderated"))


def is_failed(record: Record) -> bool:
    """The vendor tried three times and gave the page up."""
    return _word(record) == "failure"


def boxes(record: Record) -> list[Record]:
    """What a person corrected, else what was predicted."""
    return moderated_boxes(record) or predicted_boxes(record)


def moderated_boxes(record: Record) -> list[Record]:
    return _objects(record.get("moderated_boxes"))


def predicted_boxes(record: Record) -> list[Record]:
    """The boxes as the model gave them: under one name in stored pages, under another in live ones."""
    return _objects(record.get("predicted_boxes")) or _objects(record.get("prediction"))


def _word(record: Record) -> str:
    # Stored pages have `status`, live ones `message`; the letter case varies between endpoints.
    for name in ("status", "message"):
        if isinstance(record.get(name), str):
            return str(record[name]).strip().lower()
    return ""


def _is_new(page_id: Any, seen: set[str]) -> bool:
    """Whether a page with this id was not seen yet; old answers have none."""
    if not isinstance(page_id, str) or not page_id:
        return True
    if page_id in seen:
        return False
    seen.add(page_id)
    return True


def _objects(value: Any) -> list[Record]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnreadableBody("The body has something else where a list of objects should be.")
    return value


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
