"""How much came in the last minute and second, and whether that is more than is allowed.

A request counts from the moment at which all of it had arrived, as a vendor's own counter has it.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import NamedTuple

from simulator.rates import Rate

MINUTE_SECONDS = 60.0


class Arrival(NamedTuple):
    """A request that was taken: when all of it was there, in seconds since 1970, and its pages."""

    at: float
    pages: int


class Busiest(NamedTuple):
    """The most that came within one span of time, the request with which it ended, and how often it was too much."""

    amount: int
    at: float
    passed: int


class Pace:
    """What was taken in the last minute, by whose key and which model it was."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], deque[Arrival]] = defaultdict(deque)

    def is_above(self, rate: Rate, lane: tuple[str, str], new: Arrival) -> bool:
        """Whether this one would be too much. A large file alone never is, however large."""
        taken = self._in_minute(lane, new.at)
        pages = sum(arrival.pages for arrival in taken)
        requests = sum(arrival.at > new.at - 1 for arrival in taken)
        too_many_pages = rate.pages_per_minute is not None and pages + new.pages > rate.pages_per_minute
        too_many_requests = rate.requests_per_second is not None and requests + 1 > rate.requests_per_second
        return (too_many_pages and pages > 0) or (too_many_requests and requests > 0)

    def take(self, lane: tuple[str, str], new: Arrival) -> None:
        """Note it as taken."""
        self._taken[lane].append(new)

    def slower_by(self, rate: Rate, lane: tuple[str, str], now: float) -> float:
        """How many seconds later the one that was taken last is done, because of all that came within the minute."""
        backlog = sum(arrival.pages for arrival in self._in_minute(lane, now))
        most = rate.pages_per_minute
        if most is None or rate.above != "slower" or backlog <= most:
            return 0.0
        return (backlog - most) / most * MINUTE_SECONDS

    def _in_minute(self, lane: tuple[str, str], now: float) -> deque[Arrival]:
        taken = self._taken[lane]
        while taken and taken[0].at <= now - MINUTE_SECONDS:
            taken.popleft()
        return taken


def busiest_minute(arrivals: Iterable[Arrival], allowed: int | None) -> Busiest:
    """The minute, wherever it begins, with the most pages. More than is allowed is too much unless one came alone."""
    return _busiest(((arrival.at, arrival.pages) for arrival in arrivals), MINUTE_SECONDS, allowed)


def busiest_second(arrivals: Iterable[Arrival], allowed: float | None) -> Busiest:
    """The second with the most requests."""
    return _busiest(((arrival.at, 1) for arrival in arrivals), 1.0, allowed)


def _busiest(weighed: Iterable[tuple[float, int]], span_seconds: float, allowed: float | None) -> Busiest:
    within: deque[tuple[float, int]] = deque()
    total, most, most_at, passed = 0, 0, 0.0, 0
    for at, weight in sorted(weighed):
        within.append((at, weight))
        total += weight
        while within[0][0] <= at - span_seconds:
            total -= within.popleft()[1]
        if total > most:
            most, most_at = total, at
        passed += allowed is not None and total > allowed and len(within) > 1
    return Busiest(most, most_at, passed)
