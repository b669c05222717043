"""What lies between two keys of a listing, as spans of keys in the order of their bytes, which is the ledger's.

S3 lists by the bytes of the keys, so that is one span. SeaweedFS lists folder by folder: in its order "/" comes before
every other character, and what lies between two keys is several spans of the ledger's order.
"""

from collections.abc import Iterator
from typing import NamedTuple

# No key that the ledger keeps has NUL, so this is the first character that can follow.
_FIRST = "\x01"
_AFTER_SLASH = chr(ord("/") + 1)


class Span(NamedTuple):
    """The keys from `start` on that come before `stop`, by their bytes; all from there on where that is None."""

    start: str
    stop: str | None


def below(prefix: str) -> Span:
    """The keys that begin with a prefix."""
    return Span(prefix, _after_all(prefix))


def between_by_bytes(after: str, until: str | None) -> list[Span]:
    """The keys behind `after`, up to `until` and with it; to the end where that is None."""
    return [Span(_next(after) if after else "", None if until is None else _next(until))]


def between_by_folders(after: str, until: str | None) -> list[Span]:
    """The same where "/" comes before every other character. The spans do not overlap."""
    spans = [span for span in _by_folders(after, until) if span.stop is None or span.start < span.stop]
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and joined[-1].stop == span.start:
            joined[-1] = Span(joined[-1].start, span.stop)
        else:
            joined.append(span)
    return joined


def within(spans: list[Span], outer: Span) -> list[Span]:
    """What of the spans lies in another one."""
    cut = [Span(max(span.start, outer.start), _lower(span.stop, outer.stop)) for span in spans]
    return [span for span in cut if span.stop is None or span.start < span.stop]


def _by_folders(after: str, until: str | None) -> Iterator[Span]:
    common = 0
    if until is None:
        fork: str | None = None
    else:
        while common < min(len(after), len(until)) and after[common] == until[common]:
            common += 1
        fork = until[common]
    if common < len(after):
        # Behind `after`: what begins with it, and what parts from it upwards, ever further to the left.
        yield from _continued(after, None, None)
        for length in range(common + 1, len(after)):
            yield from _continued(after[:length], after[length], None)
        yield from _continued(after[:common], after[common], fork)
    else:
        yield from _continued(after, None, fork)
    if until is not None:
        # Before `until`: its own beginnings, and what parts from it downwards, ever further to the right.
        for length in range(common + 1, len(until)):
            yield Span(until[:length], _next(until[:length]))
            yield from _continued(until[:length], None, until[length])
        yield Span(until, _next(until))


def _continued(stem: str, above: str | None, before: str | None) -> Iterator[Span]:
    """The keys that go on behind a stem with a character above the one and before the other; None: no such limit."""
    if above is None and before != "/":
        yield Span(f"{stem}/", f"{stem}{_AFTER_SLASH}")
    if before == "/":
        return
    start = stem + (_FIRST if above is None or above == "/" else _following(above))
    stop = _after_all(stem) if before is None else stem + before
    slash = f"{stem}/"
    if start <= slash and (stop is None or slash < stop):
        yield Span(start, slash)
        yield Span(f"{stem}{_AFTER_SLASH}", stop)
    else:
        yield Span(start, stop)


def _next(key: str) -> str:
    """The first text behind a key that could be one."""
    return key + _FIRST


def _after_all(stem: str) -> str | None:
    """The first text behind all that begin with a stem; None where there is none."""
    for length in range(len(stem), 0, -1):
        if stem[length - 1] != "\U0010ffff":
            return stem[: length - 1] + _following(stem[length - 1])
    return None


def _following(char: str) -> str:
    """The next character; behind the last one of all, what no key has in its place."""
    # The code points of half surrogate pairs cannot stand in a text.
    return "\ue000" if char == "\ud7ff" else chr(min(ord(char) + 1, 0x10FFFF))


def _lower(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
