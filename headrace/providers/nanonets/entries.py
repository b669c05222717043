"""One object of an answer, read key by key: what nobody reads is kept as it came."""

import json
import math
from typing import Any, TypeVar

from pydantic import JsonValue

from headrace.prediction import Box
from headrace.providers.nanonets.answers import Record
from headrace.providers.nanonets.links import Part, without_signed_links

# What is larger stays in the stored answer alone: it is no detail any more.
MOST_DETAIL_CHARACTERS = 100_000
# Only signed links stand there.
_NEVER_KEPT = frozenset({"signed_urls"})
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_Value = TypeVar("_Value")


class Entry:
    """One JSON object. Each reading ticks its key off, if it says all that stands there; `rest` is what remains."""

    def __init__(self, record: Record, part: Part = Part.OTHER) -> None:
        self._record = record
        self._part = part
        self._read: set[str] = set(_NEVER_KEPT)

    def text(self, name: str) -> str | None:
        """A text as it stands; anything else that is not null, as its JSON."""
        self._read.add(name)
        return as_text(self._record.get(name))

    def id(self, name: str) -> str | None:
        """An identifier: a text that is not empty."""
        return self.text(name) or None

    def word(self, name: str) -> str | None:
        """A text; anything else is left for `rest`."""
        value = self._record.get(name)
        return self._taken(name, value) if isinstance(value, str) else None

    def number(self, name: str) -> float | None:
        return self._taken(name, as_number(self._record.get(name)))

    def flag(self, name: str) -> bool | None:
        value = self._record.get(name)
        return self._taken(name, value) if isinstance(value, bool) else None

    def box(self) -> Box | None:
        """Edges in pixels; four zeros mean that the vendor knows no place."""
        edges = self._edges()
        if edges is None:
            return None
        self.skip(*_EDGES)
        xmin, ymin, xmax, ymax = edges
        return Box(xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax) if any(edges) else None

    def has_edges(self) -> bool:
        """Whether all four edges are there, zeros too."""
        return self._edges() is not None

    def skip(self, *names: str) -> None:
        """These keys are read elsewhere."""
        self._read.update(names)

    def rest(self) -> dict[str, JsonValue]:
        """Every key that was not read, under the vendor's name; signed links and what is too large left out."""
        unread = {name: value for name, value in self._record.items() if name not in self._read and _fits(value)}
        rest: dict[str, JsonValue] = without_signed_links(unread, self._part)
        return rest

    def _edges(self) -> list[float] | None:
        numbers = [as_number(self._record.get(name)) for name in _EDGES]
        known = [number for number in numbers if number is not None]
        return known if len(known) == len(numbers) else None

    def _taken(self, name: str, value: _Value) -> _Value:
        if value is not None:
            self._read.add(name)
        return value


def as_text(value: Any) -> str | None:
    """A text as it stands; anything else that is not null, as its JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def as_number(value: Any) -> float | None:
    """A finite number; None for anything else, true and false too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_whole(value: Any) -> int | None:
    """A number without a fraction; None for anything else."""
    number = as_number(value)
    return int(value) if number is not None and number.is_integer() else None


def _fits(value: Any) -> bool:
    if isinstance(value, str | dict | list):
        return len(json.dumps(value)) <= MOST_DETAIL_CHARACTERS
    return True
