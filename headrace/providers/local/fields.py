"""Fields: where a route's labels stand on a page, and the values that belong to them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.amounts import read_amount
from headrace.dates import read_date
from headrace.labels import LabelRule
from headrace.prediction import Box, Field
from headrace.providers.local.geometry import around, overlap
from headrace.providers.local.layout import Line, Phrase, Placed, text_of

# A value stands at most so many heights of its label below it.
_FURTHEST_BELOW = 2.5
# Without a colon, a label that goes on in the same phrase has a short value; else it is a sentence.
_MOST_WORDS_WITHOUT_COLON = 4
# How sure a value is that reads as its kind, and one that does not.
_EXACT, _OTHER_KIND = 1.0, 0.5
# No date or amount has more words; what follows on its line is not tried further.
_MOST_WORDS_OF_A_KIND = 12
_MARKS = ":.#"

_Names = dict[tuple[str, ...], LabelRule]


@dataclass(frozen=True, slots=True)
class FoundField:
    """A field and the boxes of all its words, those of the label too."""

    field: Field
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class _Hit:
    """A label in a phrase: its words are `first` to `last` (not included)."""

    rule: LabelRule
    line: int
    phrase: int
    first: int
    last: int
    colon: bool


def find_fields(
    lines: Sequence[Line], rules: Sequence[LabelRule], *, headings: Sequence[Box] = (), day_first: bool = True
) -> list[FoundField]:
    """Every labelled value of a page, in reading order; a label that stands twice gives two fields.

    A label is found by its name or a synonym, whatever its case, at the start of a phrase or before
    a colon; the longest wins. Words inside `headings` head a table's column and label nothing.
    """
    names = _names(rules)
    hits = [hit for number, line in enumerate(lines) for hit in _hits(number, line, names, headings)]
    starts: dict[tuple[int, int], list[int]] = defaultdict(list)
    for hit in hits:
        starts[hit.line, hit.phrase].append(hit.first)
    search = _Search(lines, starts, day_first)
    return [found for hit in hits if (found := search.field(hit)) is not None]


def _names(rules: Sequence[LabelRule]) -> _Names:
    names: _Names = {}
    for rule in rules:
        for name in (rule.label.replace("_", " "), *rule.synonyms):
            words = tuple(filter(None, map(_plain, name.split())))
            if words:
                names.setdefault(words, rule)
    return names


def _plain(word: str) -> str:
    return word.casefold().strip(_MARKS)


def _hits(number: int, line: Line, names: _Names, headings: Sequence[Box]) -> Iterator[_Hit]:
    for index, phrase in enumerate(line.phrases):
        words = phrase.words
        plain = [_plain(word.text) for word in words]
        first = 0
        while first < len(words):
            hit = _longest_at(plain, words, first, names, (number, index))
            if hit is None or _is_in(words[first].box, headings):
                first += 1
            else:
                yield hit
                first = hit.last


def _longest_at(
    plain: list[str], words: Sequence[Placed], first: int, names: _Names, where: tuple[int, int]
) -> _Hit | None:
    longest = max(map(len, names), default=0)
    for length in range(min(longest, len(words) - first), 0, -1):
        rule = names.get(tuple(plain[first : first + length]))
        if rule is None:
            continue
        last = first + length
        colon = words[last - 1].text.endswith(":")
        if last < len(words) and words[last].text == ":":
            last, colon = last + 1, True
        if first == 0 or colon:
            return _Hit(rule, *where, first, last, colon)
    return None


def _is_in(box: Box, others: Sequence[Box]) -> bool:
    return any(
        other.xmin <= (box.xmin + box.xmax) / 2 <= other.xmax and other.ymin <= (box.ymin + box.ymax) / 2 <= other.ymax
        for other in others
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """The lines of a page, and where labels start in their phrases."""

    lines: Sequence[Line]
    starts: Mapping[tuple[int, int], Sequence[int]]
    day_first: bool

    def field(self, hit: _Hit) -> FoundField | None:
        candidates = list(self._candidates(hit))
        for words in candidates:
            longest = len(words) if hit.rule.kind == "text" else min(len(words), _MOST_WORDS_OF_A_KIND)
            for length in range(longest, 0, -1):
                value = self._value(hit.rule, text_of(words[:length]))
                if value is not None:
                    return self._found(hit, words[:length], value, _EXACT)
        if candidates and hit.colon:
            # Somebody wrote a value here, though not of this kind: a person should see it.
            return self._found(hit, candidates[0], None, _OTHER_KIND)
        return None

    def _value(self, rule: LabelRule, text: str) -> str | None:
        match rule.kind:
            case "date":
                return read_date(text, day_first=self.day_first)
            case "amount":
                return read_amount(text)
            case _:
                return text

    def _found(self, hit: _Hit, words: Sequence[Placed], value: str | None, score: float) -> FoundField:
        label = self.lines[hit.line].phrases[hit.phrase].words[hit.first : hit.last]
        boxes = tuple(word.box for word in words)
        field = Field(
            label=hit.rule.label,
            text=text_of(words),
            value=value,
            kind=hit.rule.kind,
            type="field",
            score=score,
            score_raw=score,
            box=around(boxes),
        )
        return FoundField(field, (*boxes, *(word.box for word in label)))

    def _candidates(self, hit: _Hit) -> Iterator[Sequence[Placed]]:
        """The words that may be the value, the likeliest first."""
        if hit.rule.where != "below":
            words = self._right(hit)
            if words:
                yield words
        if hit.rule.where != "right":
            words = self._below(hit)
            if words:
                yield words

    def _right(self, hit: _Hit) -> Sequence[Placed]:
        phrases = self.lines[hit.line].phrases
        same = phrases[hit.phrase].words
        labels = (start for start in self.starts[hit.line, hit.phrase] if start >= hit.last)
        end = min(labels, default=len(same))
        rest = same[hit.last : end]
        if rest:
            is_sentence = not hit.colon and hit.rule.kind == "text" and len(rest) > _MOST_WORDS_WITHOUT_COLON
            return () if is_sentence else rest
        following = hit.phrase + 1
        return () if following >= len(phrases) else self._before_label(hit.line, following)

    def _below(self, hit: _Hit) -> Sequence[Placed]:
        phrase = self.lines[hit.line].phrases[hit.phrase]
        if hit.last < len(phrase.words):
            return ()
        label = around(word.box for word in phrase.words[hit.first : hit.last])
        lowest = label.ymax + _FURTHEST_BELOW * (label.ymax - label.ymin)
        for number in range(hit.line + 1, len(self.lines)):
            phrases = self.lines[number].phrases
            if min(other.box.ymin for other in phrases) > lowest:
                return ()
            under = [(_shared_width(label, other), index) for index, other in enumerate(phrases)]
            shared, index = max(under, default=(0.0, 0), key=lambda item: item[0])
            if shared > 0:
                return self._before_label(number, index)
        return ()

    def _before_label(self, line: int, phrase: int) -> Sequence[Placed]:
        """The words of a phrase up to the first label in it; none where it starts with one."""
        words = self.lines[line].phrases[phrase].words
        return words[: min(self.starts.get((line, phrase), ()), default=len(words))]


def _shared_width(label: Box, phrase: Phrase) -> float:
    box = phrase.box
    return overlap(label.xmin, label.xmax, box.xmin, box.xmax)


def boxes_of(found: Iterable[FoundField]) -> list[Box]:
    """The boxes of all words that belong to fields."""
    return [box for one in found for box in one.boxes]
