"""Where each call lives, and how its window counts days: the vendor's reference, and two other published ways.

The reference always answers. The published OpenAPI file (`openapi`) and the integration guide (`guide`) name
paths of their own, which nobody else uses; they answer where they were chosen.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple, get_args

Dialect = Literal["openapi", "guide"]
Call = Literal[
    "label_file",
    "label_urls",
    "label_file_later",
    "label_urls_later",
    "by_file",
    "by_page",
    "page_as_file",
    "window_of_days",
    "window_back_from_day",
    "window_back_from_today",
    "full_text",
    "models",
    "model",
    "create_model",
]

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

_PREDICT, _STORED = "/OCR/Model/{model}", "/Inferences/Model/{model}"


class Way(NamedTuple):
    """One path and what it means; there is one with a slash at the end, too."""

    method: str
    path: str
    call: Call


_REFERENCE = (
    Way("POST", f"{_PREDICT}/LabelFile", "label_file"),
    Way("POST", f"{_PREDICT}/LabelUrls", "label_urls"),
    Way("GET", f"{_STORED}/InferenceRequestFiles/GetPredictions/{{file}}", "by_file"),
    Way("GET", f"{_STORED}/ImageLevelInferences/{{page}}", "by_page"),
    Way("GET", f"{_STORED}/ImageLevelInferences", "window_of_days"),
    Way("POST", "/OCR/FullText", "full_text"),
    Way("GET", "/OCR/Model", "models"),
    Way("POST", "/OCR/Model", "create_model"),
    Way("GET", _PREDICT, "model"),
)
_OTHERS: Mapping[Dialect, tuple[Way, ...]] = {
    "openapi": (
        Way("POST", f"{_PREDICT}/LabelFile/Async", "label_file_later"),
        Way("POST", f"{_PREDICT}/LabelUrls/Async", "label_urls_later"),
        Way("GET", f"{_STORED}/InferenceRequest/{{file}}/page/{{page}}", "page_as_file"),
        Way("GET", f"{_STORED}/InferenceRequest/{{file}}", "by_file"),
        Way("GET", f"{_STORED}/InferenceRequest", "window_back_from_day"),
    ),
    "guide": (
        Way("GET", f"{_PREDICT}/getFile/{{file}}", "by_file"),
        Way("GET", f"{_PREDICT}/ImageLevelInferences/{{page}}", "by_page"),
        Way("GET", f"{_PREDICT}/getModelImages", "window_back_from_today"),
    ),
}


class BadWindow(Exception):
    """The days make no window; the text says why."""


def ways(dialects: Collection[str]) -> Iterator[Way]:
    """Every path that answers with these dialects beside the reference."""
    yield from _REFERENCE
    for dialect in DIALECTS:
        if dialect in dialects:
            yield from _OTHERS[dialect]


def window_days(call: str, query: Mapping[str, str], today: int) -> tuple[int, int]:
    """The first and last day, from 1970-01-01, that a window names; BadWindow where it names none.

    The reference gives both days themselves, and each may be left out. The OpenAPI file gives the last day, and how
    many days before it the first one is. The guide counts both back from today, which is 0.
    """
    if call == "window_of_days":
        first, last = _day(query, "start_day_interval", today - 30), _day(query, "current_batch_day", today)
        if first >= last:
            raise BadWindow("current_batch_day must be greater than start_day_interval.")
        return first, last
    back, batch_day = _day(query, "start_day_interval"), _day(query, "current_batch_day")
    first, last = (batch_day - back, batch_day) if call == "window_back_from_day" else (today - back, today - batch_day)
    if first > last:
        raise BadWindow("start_day_interval names a day after current_batch_day.")
    return first, last


def _day(query: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    text = query.get(name)
    if text is None and otherwise is not None:
        return otherwise
    try:
        return int(text or "")
    except ValueError as wrong:
        raise BadWindow(f"{name} is to be a whole number of days.") from wrong
