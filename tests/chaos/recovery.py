"""How long work stood still after a fault: from the ledger's history, once all is over."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from headrace.states import END_STATES, State
from tests.chaos.breaking import Happened
from tests.chaos.ledger_view import Moved


@dataclass(frozen=True)
class Recovery:
    """Seconds from a fault (or, where a server was away, from its being back) until work went on.

    `first`: until the first of the runs that were under way at the fault moved; `all`: until each of them had. A run
    that moved before the server was back counts as 0; None: one never moved again.
    """

    first: float | None
    all: float | None


@dataclass(frozen=True)
class Spread:
    """What several recoveries have in common, in seconds."""

    times: int
    first_p50: float | None
    first_worst: float | None
    all_p50: float | None
    all_worst: float | None


def recovery(happened: Happened, moves: Mapping[str, Sequence[datetime]]) -> Recovery | None:
    """How long it took; None where nothing was under way, or the server did not come back."""
    if happened.back_at is None or not happened.under_way:
        return None
    next_moves = [_next(moves.get(run, ()), happened.began_at) for run in happened.under_way]
    moved = [max(0.0, (at - happened.back_at).total_seconds()) for at in next_moves if at is not None]
    return Recovery(min(moved, default=None), max(moved) if len(moved) == len(next_moves) else None)


def by_run(moves: Iterable[Moved]) -> dict[str, list[datetime]]:
    """When each run moved, in order."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for moved in moves:
        found[moved.run].append(moved.at)
    return found


def by_kind(happened: Iterable[Happened], moves: Mapping[str, Sequence[datetime]]) -> dict[str, Spread]:
    """The recoveries of each kind of fault."""
    found: dict[str, list[Recovery]] = defaultdict(list)
    times: dict[str, int] = defaultdict(int)
    for one in happened:
        times[one.fault.kind] += 1
        measured = recovery(one, moves)
        if measured is not None:
            found[one.fault.kind].append(measured)
    return {kind: _spread(times[kind], found[kind]) for kind in sorted(times)}


def longest_stands(moves: Iterable[Moved]) -> dict[str, tuple[float, str]]:
    """The longest that a run stayed in one state before it moved on, and which run, by state.

    Doubt is a state of its own here: it lasts as long as it is settled, by configuration.
    """
    last: dict[str, Moved] = {}
    longest: dict[str, tuple[float, str]] = {}
    for moved in moves:
        before = last.get(moved.run)
        if before is not None and before.event not in _AT_REST:
            stood = (moved.at - before.at).total_seconds()
            longest[_state(before)] = max(longest.get(_state(before), (0.0, "")), (stood, moved.run))
        last[moved.run] = moved
    return longest


_AT_REST = frozenset({"published"})
_ENDS = frozenset(str(state) for state in END_STATES)


def _state(moved: Moved) -> str:
    if moved.event == State.WAITING and moved.reason is not None:
        return f"waiting ({moved.reason})"
    return f"{moved.event}, until its manifest" if moved.event in _ENDS else moved.event


def _next(times: Sequence[datetime], after: datetime) -> datetime | None:
    return next((at for at in times if at > after), None)


def _spread(times: int, found: Sequence[Recovery]) -> Spread:
    first = sorted(one.first for one in found if one.first is not None)
    last = sorted(math.inf if one.all is None else one.all for one in found)
    return Spread(times, _middle(first), max(first, default=None), _middle(last), max(last, default=None))


def _middle(ordered: Sequence[float]) -> float | None:
    """The median; of an even number the upper one."""
    return ordered[len(ordered) // 2] if ordered else None
