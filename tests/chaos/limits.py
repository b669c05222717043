"""The limits of the installation that is broken, and whether they held: rate, budgets, and what the ledger counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.journal import Accepted
from simulator.pace import Arrival, Busiest, busiest_minute, busiest_second
from tests.chaos.documents import Planned
from tests.chaos.ledger_view import Counted

# Low enough to keep documents back, high enough for two cores to be busy.
PAGES_PER_MINUTE = 900
REQUESTS_PER_SECOND = 6.0
# As many as the largest document has: each raise lets a few go on.
SCARCE_PAGES = 6
SCARCE_BUDGET = "thrifty"
AMPLE_PAGES = 1_000_000


@dataclass(frozen=True)
class Raise:
    """So many pages more, from then on."""

    at: datetime
    pages: int


@dataclass(frozen=True)
class Rates:
    """The busiest minute and second of the simulator, by when a request had arrived as a whole."""

    minute: Busiest
    second: Busiest

    @classmethod
    def of(cls, accepted: Iterable[Accepted]) -> "Rates":
        arrivals = [Arrival(request.arrived_at, request.pages) for request in accepted]
        return cls(busiest_minute(arrivals, PAGES_PER_MINUTE), busiest_second(arrivals, REQUESTS_PER_SECOND))

    @property
    def told(self) -> str:
        """In words. A second is as short as what requests take on their way: it is told, and not judged."""
        return (
            f"Busiest minute: {self.minute.amount} of {PAGES_PER_MINUTE} pages; "
            f"busiest second: {self.second.amount} requests of {REQUESTS_PER_SECOND:g}."
        )


def rate_passed(rates: Rates) -> list[dict[str, Any]]:
    """The busiest minute, where it had more pages than are allowed."""
    if not rates.minute.passed:
        return []
    return [
        {"pages": rates.minute.amount, "allowed": PAGES_PER_MINUTE, "at": rates.minute.at, "times": rates.minute.passed}
    ]


def over_budget(
    accepted: Iterable[Accepted], route_of: Mapping[str, str], budgets: Mapping[str, int], raises: Sequence[Raise]
) -> list[dict[str, Any]]:
    """Each request that a route's budget did not allow when it arrived; `raises` are those of the scarce budget."""
    billed: Counter[str] = Counter()
    found = []
    for request in sorted(accepted, key=lambda request: request.arrived_at):
        route = _route(request, route_of)
        billed[route] += request.pages
        allowed = budgets.get(route)
        if allowed is None:
            continue
        if route == SCARCE_BUDGET:
            allowed += sum(more.pages for more in raises if more.at.timestamp() <= request.arrived_at)
        if billed[route] > allowed:
            found.append({"submissions": [request.submission], "billed": billed[route], "allowed": allowed})
    return found


def wrongly_counted(
    accepted: Iterable[Accepted], route_of: Mapping[str, str], counted: Mapping[str, Counted], pages_in_doubt: int
) -> list[dict[str, Any]]:
    """The routes of which the ledger counted other pages than were billed, but for those that are in doubt.

    Over all days: what is admitted before midnight may arrive after it.
    """
    billed: Counter[str] = Counter()
    for request in accepted:
        billed[_route(request, route_of)] += request.pages
    found = []
    for route in sorted(billed.keys() | counted.keys()):
        spent, reserved = counted.get(route, Counted(0, 0))
        if abs(spent + reserved - billed[route]) > pages_in_doubt or reserved > pages_in_doubt:
            found.append({"route": route, "billed": billed[route], "spent": spent, "promised": reserved})
    return found


def routes_by_digest(documents: Iterable[Planned]) -> dict[str, str]:
    """The route of each content."""
    return {planned.digest(version): planned.route for planned in documents for version in set(planned.versions)}


def _route(request: Accepted, route_of: Mapping[str, str]) -> str:
    return route_of.get(request.files[0].digest, "")
