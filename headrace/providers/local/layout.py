"""Words in lines, lines in columns: the order in which a person reads a page."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from headrace.prediction import Box, Word
from headrace.providers.local.geometry import around, middle

# Words further apart than this share of their height do not belong to one phrase.
_PHRASE_GAP = 0.9
# A gutter between two columns of prose: at least so wide, beside so many phrases of so many words.
_GUTTER_PT = 9.0
_GUTTER_STEPS = 80
_FEWEST_PHRASES_IN_COLUMN = 5
_FEWEST_WORDS_IN_PROSE = 4.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A word with its box."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of one line that stand close together, from left to right."""

    words: tuple[Placed, ...]

    @property
    def box(self) -> Box:
        return around(word.box for word in self.words)

    @property
    def text(self) -> str:
        return text_of(self.words)


@dataclass(frozen=True, slots=True)
class Line:
    """The phrases on one baseline, from left to right."""

    phrases: tuple[Phrase, ...]


def placed(words: Sequence[Word]) -> list[Placed]:
    return [Placed(word.text, word.box) for word in words if word.box is not None]


def lines_of(words: Sequence[Placed]) -> list[Line]:
    """The words in lines, from the top."""
    lines: list[list[Placed]] = []
    for word in sorted(words, key=lambda word: middle(word.box)[1]):
        if lines and _on_line(word, lines[-1][0]):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [Line(tuple(_phrases(sorted(line, key=lambda word: word.box.xmin)))) for line in lines]


def _on_line(word: Placed, first: Placed) -> bool:
    lowest = min(word.box.ymax - word.box.ymin, first.box.ymax - first.box.ymin)
    return middle(word.box)[1] - middle(first.box)[1] < 0.5 * lowest


def _phrases(line: list[Placed]) -> Iterator[Phrase]:
    phrase: list[Placed] = []
    for word in line:
        height = word.box.ymax - word.box.ymin
        if phrase and word.box.xmin - max(before.box.xmax for before in phrase[-3:]) > _PHRASE_GAP * height:
            yield Phrase(tuple(phrase))
            phrase = []
        phrase.append(word)
    if phrase:
        yield Phrase(tuple(phrase))


def text_of(words: Sequence[Placed]) -> str:
    """Words that stand from left to right, in reading order with single spaces.

    Words of a right-to-left script are read from the right, as is a phrase that has no other letters.
    """
    texts = [word.text for word in words]
    directions = [_direction(text) for text in texts]
    if "R" in directions and "L" not in directions:
        return " ".join(reversed(texts))
    ordered: list[str] = []
    run: list[str] = []
    for text, direction in zip(texts, directions, strict=True):
        if direction == "R":
            run.append(text)
        else:
            ordered += [*reversed(run), text]
            run = []
    return " ".join([*ordered, *reversed(run)])


def _direction(text: str) -> str:
    """ "L" or "R" by the first letter that has a direction, "" where none has."""
    for character in text:
        match unicodedata.bidirectional(character):
            case "L":
                return "L"
            case "R" | "AL":
                return "R"
    return ""


def reading_text(lines: Sequence[Line]) -> str:
    """The text of a page, line by line; two columns of prose are read one after the other."""
    numbered = [(number, phrase) for number, line in enumerate(lines) for phrase in line.phrases]
    phrases = [phrase for _, phrase in numbered]
    gutter = _gutter(phrases)
    if gutter is None:
        return "\n".join(_by_line(numbered))
    first, last, x = gutter
    left = [phrase.text for phrase in phrases[first:last] if phrase.box.xmax <= x]
    right = [phrase.text for phrase in phrases[first:last] if phrase.box.xmax > x]
    return "\n".join([*_by_line(numbered[:first]), *left, *right, *_by_line(numbered[last:])])


def _by_line(numbered: Sequence[tuple[int, Phrase]]) -> Iterator[str]:
    for _, line in groupby(numbered, key=itemgetter(0)):
        yield "  ".join(phrase.text for _, phrase in line)


def _gutter(phrases: Sequence[Phrase]) -> tuple[int, int, float] | None:
    """The longest run of phrases that a white strip parts into two columns of prose, and its middle."""
    if not phrases:
        return None
    boxes = [phrase.box for phrase in phrases]
    left, right = min(box.xmin for box in boxes), max(box.xmax for box in boxes)
    best: tuple[int, int, float] | None = None
    for step in range(_GUTTER_STEPS):
        # Columns of prose share the page about evenly.
        x = left + (0.3 + 0.4 * step / _GUTTER_STEPS) * (right - left)
        for start, last in _uncrossed(boxes, x - _GUTTER_PT / 2, x + _GUTTER_PT / 2):
            # Short lines above the columns, such as a date, are not of them.
            long = (n for n in range(start, last) if len(phrases[n].words) >= _FEWEST_WORDS_IN_PROSE)
            first = next(long, last)
            longer = best is None or last - first > best[1] - best[0]
            if longer and _is_prose_on_both_sides(phrases[first:last], x):
                best = (first, last, x)
    return best


def _uncrossed(boxes: Sequence[Box], low: float, high: float) -> Iterator[tuple[int, int]]:
    first = 0
    for index, box in enumerate(boxes):
        if box.xmin < high and box.xmax > low:
            if index > first:
                yield first, index
            first = index + 1
    if len(boxes) > first:
        yield first, len(boxes)


def _is_prose_on_both_sides(phrases: Sequence[Phrase], x: float) -> bool:
    for side in (
        [phrase for phrase in phrases if phrase.box.xmax <= x],
        [phrase for phrase in phrases if phrase.box.xmin >= x],
    ):
        if len(side) < _FEWEST_PHRASES_IN_COLUMN:
            return False
        if sum(len(phrase.words) for phrase in side) / len(side) < _FEWEST_WORDS_IN_PROSE:
            return False
    return True
