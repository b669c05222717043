"""The vendor's own words, fit for our messages: short, on one line, without keys and signed links."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import httpx

from headrace.providers.nanonets.links import without_link_queries

MOST_CHARACTERS = 200
MOST_RESULTS = 3
_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


def vendor_words(body: Mapping[str, Any], request: httpx.Request) -> str:
    """What a body says of itself, of its first results and errors, bounded; the key that was sent is taken out."""
    said = [body.get("message")]
    said += [element.get("message") for element in _first(body.get("result"))]
    for error in _first(body.get("errors")):
        said += [error.get("reason"), error.get("message")]
    words = [word for word in said if isinstance(word, str) and word]
    text = "; ".join(dict.fromkeys(words))
    for secret in _secrets(request):
        text = text.replace(secret, "***")
    return one_line(text)


def one_line(text: str) -> str:
    """A text of unknown origin, bounded, on one line, its links without login and query."""
    text = _CONTROL.sub(" ", without_link_queries(text)).strip()
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def _first(values: Any) -> list[Mapping[str, Any]]:
    found = values[:MOST_RESULTS] if isinstance(values, list) else []
    return [value for value in found if isinstance(value, dict)]


def _secrets(request: httpx.Request) -> list[str]:
    _, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if not credentials:
        return []
    try:
        login = base64.b64decode(credentials).decode()
    except (binascii.Error, UnicodeDecodeError):
        return [credentials]
    return [secret for secret in (credentials, login.partition(":")[0]) if secret]
