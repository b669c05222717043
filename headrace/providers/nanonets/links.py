"""Signed links are taken out of answers and messages: they open the source document for months."""

import re
from typing import Any
from urllib.parse import parse_qsl

_URL = re.compile(
    r"(?P<scheme>https?://)(?P<login>[^\s/?#\"'<>\\@]*@)?(?P<place>[^\s?#\"'<>\\]*)(?P<rest>[?#][^\s\"'<>\\]*)?",
    re.IGNORECASE,
)
_SIGNING = re.compile(
    r"(x-(amz|goog|oss|ms|obs)-.*|expires?|signature|sig|s|se|sp|sv|token|policy|key-pair-id|awsaccesskeyid|googleaccessid)",
    re.IGNORECASE,
)
# What stands on the page, and the user's own metadata, are the document's content and not the vendor's links.
_CONTENT = frozenset({"ocr_text", "text", "raw_text", "request_metadata"})


def without_signed_links(value: Any, *, name: str = "") -> Any:
    """A JSON value with each `signed_urls` emptied and the query of every signed link cut off."""
    if isinstance(value, dict):
        return {
            key: {} if key == "signed_urls" else without_signed_links(item, name=key) for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_signed_links(item, name=name) for item in value]
    if isinstance(value, str) and name not in _CONTENT and "://" in value:
        return _URL.sub(lambda match: _bare(match) if _is_signed(match) else match[0], value)
    return value


def without_link_queries(text: str) -> str:
    """A text in which no link keeps its login, query or fragment."""
    return _URL.sub(_bare, text)


def _bare(match: re.Match[str]) -> str:
    return match["scheme"] + match["place"]


def _is_signed(match: re.Match[str]) -> bool:
    if match["login"]:
        return True
    rest = match["rest"] or ""
    return any(_SIGNING.fullmatch(name) for name, _ in parse_qsl(rest[1:], keep_blank_values=True))
