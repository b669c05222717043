"""The parts of a long listing that can be listed side by side, each from one key on to another.

A section begins behind a key that a listing can begin behind, whether it still exists or not. Where a section ends
is told by comparing keys, in the order in which the store lists them: nobody says which that is, so it is taken from
what the store has listed, and while both are possible a key counts as behind another only if it is so in both.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

SECTION_KEYS = 5000
"""How many keys a section has about; a prefix with fewer is listed in one piece."""


def by_bytes(key: str) -> str:
    """Where a key stands in the order of S3."""
    # Python compares texts by code point, which is the order of their UTF-8.
    return key


def by_folders(key: str) -> str:
    """Where a key stands in the order of SeaweedFS."""
    return key.replace("/", "\0")


class KeyOrder:
    """The order in which a store lists: by the bytes of the keys (S3), or folder by folder (SeaweedFS)."""

    def __init__(self) -> None:
        self._possible: tuple[Callable[[str], str], ...] = (by_bytes, by_folders)
        self._learning = threading.Lock()

    @property
    def is_known(self) -> bool:
        """Whether all that was listed came in one of these orders."""
        return bool(self._possible)

    def notice(self, earlier: str, later: str) -> None:
        """Learn from two keys of which one was listed before the other."""
        if all(place(earlier) <= place(later) for place in self._possible):
            return
        with self._learning:
            self._possible = tuple(place for place in self._possible if place(earlier) <= place(later))

    def is_behind(self, key: str, last: str) -> bool:
        """Whether nothing that is listed after this key belongs to a section that ends with `last`."""
        # Behind an object "a" SeaweedFS begins with what comes after "a/…", which so belongs to the section before.
        return all(place(key) > place(last) for place in self._possible) and not key.startswith(f"{last}/")


class Mark(NamedTuple):
    """A key at which a section may be cut, and how many keys the section has up to it."""

    key: str
    listed: int


@dataclass(eq=False)
class Section:
    """What is listed behind the key `after`, up to the key `until`; without one, to the end.

    `unchanged` are the digests of the last listing; the other fields are of the listing that is under way:
    `cursor` is the last key that was dealt with.
    """

    after: str = ""
    until: str | None = None
    unchanged: frozenset[bytes] = frozenset()
    size: int = 0
    cursor: str = ""
    seen: set[bytes] = field(default_factory=set)
    listed: int = 0
    marks: list[Mark] = field(default_factory=list)
    is_done: bool = False

    def deal_with(self, digest: bytes, place: str, keys: int) -> None:
        """Note that so many keys up to this place were dealt with."""
        self.seen.add(digest)
        self.cursor = place
        self.listed += keys
        # Below the surrogates an order by UTF-16 is that of UTF-8. A folder's own key may not be begun behind.
        if place and max(place) < "\ud800" and not place.endswith("/") and place != self.after:
            self.marks.append(Mark(place, self.listed))

    def cut(self, keys: int) -> "Iterator[Section]":
        """The sections, of about so many keys, that are listed next instead of this one."""
        begin, dealt_with = self.after, 0
        unchanged = frozenset(self.seen)
        for mark in self.marks:
            if mark.listed - dealt_with >= keys and self.listed - mark.listed >= keys // 2:
                yield Section.begin(begin, mark.key, unchanged, mark.listed - dealt_with)
                begin, dealt_with = mark
        yield Section.begin(begin, self.until, unchanged, self.listed - dealt_with)

    def joined(self, following: "Section") -> "Section":
        """This section and the one behind it as one; neither has been begun."""
        unchanged = self.unchanged | following.unchanged
        return Section.begin(self.after, following.until, unchanged, self.size + following.size)

    @classmethod
    def begin(cls, after: str, until: str | None, unchanged: Collection[bytes], size: int) -> Self:
        return cls(after, until, frozenset(unchanged), size, cursor=after)


def begun_again(sections: Sequence[Section], keys: int) -> list[Section]:
    """The sections for the next listing, of about so many keys each; one that is not done goes on."""
    following: list[Section] = []
    may_join = False
    for section in sections:
        if not section.is_done:
            following.append(section)
            may_join = False
            continue
        for new in section.cut(keys):
            if may_join and following[-1].size + new.size <= keys:
                following[-1] = following[-1].joined(new)
            else:
                following.append(new)
            may_join = True
    return following


def whole(sections: Sequence[Section]) -> Section:
    """The whole listing as one section that has not been begun."""
    unchanged = set[bytes]()
    for section in sections:
        unchanged |= section.seen if section.is_done else section.seen | section.unchanged
    return Section.begin("", None, unchanged, sum(section.size for section in sections))
