"""Scores: from 0 to 1 in some answers, in percent in others; one list of boxes has one scale in all of an answer."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from headrace.providers.nanonets import answers
from headrace.providers.nanonets.answers import Record
from headrace.providers.nanonets.entries import Entry, as_number

# A share may be computed to a little more than 1; an answer in percent goes far beyond.
_MOST_OF_A_SHARE = 1.01


class Scale(Enum):
    """What the highest score of a scale stands for, as a divisor."""

    SHARE = 1
    PERCENT = 100


# By the name under which a page lists its boxes.
Scales = Mapping[str, Scale]


def scales_of(pages: Iterable[Record]) -> Scales:
    """The scale of each kind of list over all pages: who corrects boxes may score otherwise than who predicts."""
    pages = list(pages)
    return {
        name: scale_of(box for record in pages for box in answers.objects(record.get(name)))
        for name in answers.BOX_LISTS
    }


def scale_of(boxes: Iterable[Record]) -> Scale:
    """Percent where most scores of these boxes and their cells are above 1; zeros fit both, and have no vote."""
    votes = Counter(
        number > _MOST_OF_A_SHARE for box in boxes for number in _scores(box) if 0 < number <= Scale.PERCENT.value
    )
    return Scale.PERCENT if votes[True] > votes[False] else Scale.SHARE


def score_in(entry: Entry, scale: Scale) -> tuple[float | None, float | str | None]:
    """The score from 0 to 1, and as it came; no score where it is no number of the scale."""
    number = entry.number("score")
    if number is None:
        return None, entry.word("score")
    share = number / scale.value
    return (min(share, 1.0) if 0 <= share <= _MOST_OF_A_SHARE else None), number


def _scores(box: Record) -> Iterator[float]:
    cells = box.get("cells")
    parts = [box, *(cell for cell in cells if isinstance(cell, dict))] if isinstance(cells, list) else [box]
    return (number for part in parts if (number := as_number(part.get("score"))) is not None)
