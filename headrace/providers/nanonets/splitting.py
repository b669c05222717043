"""One long JSON object, taken apart while it arrives: the elements of its lists come one by one, no more is kept."""

import codecs
import json
import re
from collections.abc import Collection, Iterable, Iterator
from json.decoder import JSONDecoder

from headrace.providers.nanonets.answers import UnreadableBody

# A page with thousands of words of OCR takes some MB.
MOST_CHARACTERS = 16 * 1024 * 1024
_LEAST_CHARACTERS = 256 * 1024
_SPACE = re.compile(r"[ \t\r\n]*")
# What may follow a value. Where something else does, it is a number whose other half is still to come.
_ENDS = frozenset(",:]} \t\r\n")


class Splitter:
    """The text of one JSON object, read from the front; what was read is forgotten.

    Every method raises UnreadableBody where the text is no JSON, breaks off, or has a value (an element,
    or anything beside the lists that is more than two levels deep) of more than `most_characters`.
    """

    def __init__(self, pieces: Iterable[bytes], *, most_characters: int = MOST_CHARACTERS) -> None:
        # A damaged letter in one element is no reason to lose the others.
        self._texts = codecs.iterdecode(pieces, "utf-8-sig", errors="replace")
        self._most_characters = most_characters
        self._text = ""
        self._at = 0
        # Values are only passed over here, and a number of a million digits would take long to read.
        self._decoder = JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)

    def elements(self, names: Collection[str]) -> Iterator[tuple[str, str]]:
        """The list's name and the JSON text of each element of the lists of these names; a null is a list without any.

        UnreadableBody in the end where there was none of these lists.
        """
        found = False
        for name in self._members():
            if name not in names:
                self._pass_over(levels=2)
                continue
            found = True
            if self._next() == "[":
                yield from ((name, self._value()) for _ in self._items("[]"))
            elif self._value() != "null":
                raise UnreadableBody("The body has something else where a list of pages should be.")
        if self._next():
            raise UnreadableBody("The body goes on after its end.")
        if not found:
            raise UnreadableBody("The body has no list of pages.")

    def _members(self) -> Iterator[str]:
        """The names in an object; before the next one is asked for, the value has to be read."""
        for _ in self._items("{}"):
            name = json.loads(self._value())
            if not isinstance(name, str):
                raise UnreadableBody("The body has a key that is no text.")
            self._take(":")
            yield name

    def _items(self, brackets: str) -> Iterator[None]:
        """Stop before each item of an object or a list; before the next one is asked for, it has to be read."""
        opening, closing = brackets[0], brackets[1]
        self._take(opening)
        if self._next() != closing:
            yield
            while self._next() != closing:
                self._take(",")
                yield
        self._take(closing)

    def _pass_over(self, *, levels: int) -> None:
        """Read a value and forget it; down to so many levels it may be as long as it likes."""
        opening = self._next() if levels else ""
        if opening == "{":
            for _ in self._members():
                self._pass_over(levels=levels - 1)
        elif opening == "[":
            for _ in self._items("[]"):
                self._pass_over(levels=levels - 1)
        else:
            self._value()

    def _value(self) -> str:
        """The next value's own text."""
        self._next()
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._read_on():
                    raise UnreadableBody("The body is not JSON, or breaks off.") from None
                continue
            if self._text[end : end + 1] in _ENDS or not self._read_on():
                value, self._at = self._text[self._at : end], end
                return value

    def _take(self, wanted: str) -> None:
        if self._next() != wanted:
            raise UnreadableBody("The body is not JSON, or breaks off.")
        self._at += 1

    def _next(self) -> str:
        """The next character that is no space, which stays where it is; nothing at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text) or not self._read_on():
                return self._text[self._at : self._at + 1]

    def _read_on(self) -> bool:
        """Have as much again of the text, so that a value is not tried too often; False at its end."""
        known = len(self._text) - self._at
        if known > self._most_characters:
            raise UnreadableBody("The body has a value that is too large.")
        wanted, texts = max(known, _LEAST_CHARACTERS), []
        while wanted > 0 and (text := next(self._texts, None)) is not None:
            texts.append(text)
            wanted -= len(text)
        if texts:
            self._text, self._at = "".join([self._text[self._at :], *texts]), 0
        return bool(texts)
