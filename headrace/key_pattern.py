"""A pattern such as {vendor}/{po}.pdf on the part of a key below its route's prefix -> named values."""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

_PIECE = re.compile(r"\{([a-z][a-z0-9_]*)\}|([^{}]+)")


def names_in(pattern: str, key: str) -> Mapping[str, str]:
    """What the pattern names in this key (letters in any case); nothing where the key is of another form.

    A name stands for one character or more, never a slash, and as few as fit. ValueError for a pattern
    that is none.
    """
    found = _compiled(pattern).fullmatch(key)
    return {} if found is None else found.groupdict()


def check_pattern(pattern: str) -> None:
    """ValueError, with what to do, for a pattern that is none."""
    _compiled(pattern)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = [_piece(found, pattern) for found in _split(pattern)]
    names = [name for name, _ in pieces if name]
    if not names:
        raise ValueError(f'"{pattern}" names nothing; write a name in braces, as in {{vendor}}/{{po}}.pdf.')
    if len(set(names)) < len(names):
        raise ValueError(f'"{pattern}" uses a name twice; give each part a name of its own.')
    if any(left and right for (left, _), (right, _) in pairwise(pieces)):
        raise ValueError(f'"{pattern}" has two names side by side; put text between them.')
    return re.compile(_expression(pieces), re.IGNORECASE)


def _split(pattern: str) -> list[re.Match[str] | None]:
    found: list[re.Match[str] | None] = []
    at = 0
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        found.append(piece)
        at = piece.end() if piece is not None else len(pattern)
    return found


def _piece(found: re.Match[str] | None, pattern: str) -> tuple[str, str]:
    """A name and no text, or no name and its text."""
    if found is None:
        raise ValueError(f'"{pattern}" has a brace that holds no name; names are of a-z, 0-9 and _, as in {{vendor}}.')
    return found.group(1) or "", found.group(2) or ""


def _expression(pieces: list[tuple[str, str]]) -> str:
    expression = ""
    waiting = ""
    for at, (name, text) in enumerate(pieces, start=1):
        if name:
            waiting = f"(?P<{name}>[^/]+?)"
            continue
        # Atomic: the shortest fit stands, as a hostile key would make a backtracking pattern slow.
        # Only the last text is looked for until the key ends with it.
        opening = "(?:" if at == len(pieces) else "(?>"
        expression += f"{opening}{waiting}{re.escape(text)})"
        waiting = ""
    return expression + waiting
