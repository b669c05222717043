"""Which cases there are: the passings of an undisturbed life at which another one is to be killed."""

from collections.abc import Iterable, Iterator, Sequence

from tests.architecture.fault_points import fault_point_names
from tests.fault_points.passings import Passing

UNKILLABLE: dict[str, str] = {}
"""Fault points at which nobody is killed here, each with the reason. Keep it nearly empty."""

# What comes by the clock passes the same points again and again, with nothing to do in between.
_BY_THE_CLOCK = frozenset({"sweep", "schedules", "marker", "door", "scan", "beat"})
_READS = ("wire.s3.GET.", "wire.s3.HEAD.", "wire.s3.LIST.", "wire.api.fetch.", "wire.api.listing.")

Pair = tuple[str, str]


def pairs(trace: Iterable[Passing]) -> set[Pair]:
    """What was passed, in which step."""
    return {(passing.step, passing.point) for passing in trace}


def thorough(trace: Sequence[Passing]) -> Iterator[Passing]:
    """The first passing of everything in every step, and the last of fault points, but for what comes by the clock."""
    last = {(passing.step, passing.point): passing.number for passing in trace}
    for (step, point), number in last.items():
        yield Passing(step, point, 1)
        if number > 1 and step not in _BY_THE_CLOCK and not point.startswith("wire."):
            yield Passing(step, point, number)


def new_or_in_focus(
    trace: Sequence[Passing], known: set[Pair], focus: frozenset[str], points: str = ""
) -> Iterator[Passing]:
    """The first passing of what no other life passed, and the last of all that the steps in focus write or commit.

    Of the latter only what begins with `points`.
    """
    last = {(passing.step, passing.point): passing.number for passing in trace}
    for (step, point), number in last.items():
        if (step, point) not in known:
            yield Passing(step, point, 1)
        is_in_focus = step in focus and point.startswith(points) and not point.startswith(_READS)
        if is_in_focus and (number > 1 or (step, point) in known):
            yield Passing(step, point, number)


def unpassed(passed: Iterable[Pair]) -> list[str]:
    """The fault points that none of these lives passed."""
    return sorted(fault_point_names() - {point for _, point in passed} - UNKILLABLE.keys())
