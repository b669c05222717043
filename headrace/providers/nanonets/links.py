"""Signed links are taken out of answers and messages: they open the source document for months."""

import re
from enum import Enum
from typing import Any

# A link may stand in JSON that is itself a text, where a slash and any sign of its query may be escaped, even twice.
_SLASH = r"\\{0,8}/"
_ESCAPED = r"\\{1,8}(?:/|u00(?!22|27|3[ce])[0-9a-f]{2})"
_ESCAPED_INSIDE = r"\\{1,8}(?:/|u00(?!22|26|27|3[ce])[0-9a-f]{2})"

_URL = re.compile(
    rf"(?P<scheme>https?:{_SLASH}{_SLASH})(?P<login>[^\s/?#\"'<>\\@]*@)?"
    rf"(?P<place>(?:[^\s?#\"'<>\\]|\\{{1,8}}/)*)(?P<rest>[?#](?:[^\s\"'<>\\]|{_ESCAPED})*)?",
    re.IGNORECASE,
)
_BEFORE = r"(?:[?&#]|&(?:amp|\#38|\#x26);|\\{1,8}u00(?:26|3f)|%(?:25){0,4}(?:26|3f))"
_UNMISTAKABLE = r"x-(?:amz|goog|oss|ms|obs|cos)-[\w-]+"
_SIGNING = (
    rf"(?:{_UNMISTAKABLE}|(?:[\w-]{{0,40}}[_-])?(?:signature|token|credentials?|api_?key)|expires?|sig|s|se|sp|sv|policy"
    r"|key-pair-id|(?:aws|oss)?accesskeyid|googleaccessid)"
)
# What signs a link, wherever it stands: vendors name a file after the end of its link, or quote half of one.
_PARAMETER = re.compile(
    rf"(?:{_BEFORE}|(?<![\w-])(?={_UNMISTAKABLE})){_SIGNING}(?:=|%(?:25){{0,4}}3d|\\{{1,8}}u003d)"
    rf"(?:[^\s\"'<>&\\]|{_ESCAPED_INSIDE})*",
    re.IGNORECASE,
)
# Without any of these there is neither.
_SIGNS = ("=", "%", "\\", "://")


class Part(Enum):
    """Which part of an answer a JSON object is; BOX stands for cells and words too."""

    ANSWER = "answer"
    PAGE = "page"
    BOX = "box"
    OTHER = "other"


_PARTS = {
    Part.ANSWER: dict.fromkeys(("result", "results", "moderated_images", "unmoderated_images"), Part.PAGE),
    Part.PAGE: dict.fromkeys(("result", "page_data"), Part.PAGE)
    | dict.fromkeys(("prediction", "predicted_boxes", "moderated_boxes", "words", "raw_ocr"), Part.BOX),
    Part.BOX: {"cells": Part.BOX},
}
# What stands on the page, and the user's own metadata, are the document's content and not the vendor's links.
_CONTENT = {Part.PAGE: frozenset({"raw_text", "request_metadata"}), Part.BOX: frozenset({"ocr_text", "text"})}


def without_signed_links(value: Any, part: Part = Part.ANSWER) -> Any:
    """A part of an answer without what signs a link: each `signed_urls` is emptied, the query of a signed link cut off.

    Parameters that sign are cut off without their link too. The page's text and the user's metadata stay as they
    are where the vendor lists them; a key of that name anywhere else is no content.
    """
    if isinstance(value, dict):
        return {_cleaned(name): _member(part, name, member) for name, member in value.items()}
    if isinstance(value, list):
        return [without_signed_links(item, part) for item in value]
    return _cleaned(value) if isinstance(value, str) else value


def without_link_queries(text: str) -> str:
    """A text in which no link keeps its login, query or fragment, and nothing that signs one is left."""
    return _PARAMETER.sub("", _URL.sub(_bare, text))


def _member(part: Part, name: str, value: Any) -> Any:
    if name == "signed_urls":
        return {}
    if isinstance(value, str) and name in _CONTENT.get(part, ()):
        return value
    return without_signed_links(value, _PARTS.get(part, {}).get(name, Part.OTHER))


def _cleaned(text: str) -> str:
    if not any(sign in text for sign in _SIGNS):
        return text
    return _PARAMETER.sub("", _URL.sub(lambda match: _bare(match) if _is_signed(match) else match[0], text))


def _bare(match: re.Match[str]) -> str:
    return match["scheme"] + match["place"]


def _is_signed(match: re.Match[str]) -> bool:
    return bool(match["login"]) or _PARAMETER.search(match["rest"] or "") is not None
