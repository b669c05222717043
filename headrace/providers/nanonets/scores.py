"""Scores: from 0 to 1 in some answers, in percent in others; one answer has one scale."""

from collections.abc import Iterable
from enum import Enum

from headrace.providers.nanonets.answers import Record
from headrace.providers.nanonets.entries import Entry, as_number

# A share may be computed to a little more than 1; an answer in percent goes far beyond.
_MOST_OF_A_SHARE = 1.01


class Scale(Enum):
    """What the highest score of an answer stands for, as a divisor."""

    SHARE = 1
    PERCENT = 100


def scale_of(boxes: Iterable[Record]) -> Scale:
    """The scale of an answer with these boxes: one score above 1, of a box or a cell, makes all of them percent."""
    return Scale.PERCENT if any(_tells_percent(box) for box in boxes) else Scale.SHARE


def score_in(entry: Entry, scale: Scale) -> tuple[float | None, float | str | None]:
    """The score from 0 to 1, and as it came; no score where it is no number of the scale."""
    number = entry.number("score")
    if number is None:
        return None, entry.word("score")
    share = number / scale.value
    return (min(share, 1.0) if 0 <= share <= _MOST_OF_A_SHARE else None), number


def _tells_percent(box: Record) -> bool:
    cells = box.get("cells")
    parts = [box, *(cell for cell in cells if isinstance(cell, dict))] if isinstance(cells, list) else [box]
    numbers = (as_number(part.get("score")) for part in parts)
    return any(number is not None and _MOST_OF_A_SHARE < number <= Scale.PERCENT.value for number in numbers)
