"""What the dispatcher goes by: the rules of a lane, weights and budgets, and why a queue stands still."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from headrace.budgets import Budget
from headrace.routing import Lane
from headrace.states import Reason

STOCK_SECONDS = 3.0
"""For so long a lane's rate lasts with the runs that are admitted and not sent: never idle, and soon up to date."""


@dataclass(frozen=True, slots=True)
class LaneRules:
    """What holds for a lane. A rate that is None: as many as one likes. `price`: of a page; None is free."""

    in_flight: int
    pages_per_minute: int | None = None
    requests_per_second: float | None = None
    price: float | None = None
    paid: bool = True
    """Whether its pages count against budgets."""

    @property
    def stock_pages(self) -> float | None:
        """So many pages are admitted ahead of their sending; None: as many as there is room for."""
        return None if self.pages_per_minute is None else self.pages_per_minute / 60 * STOCK_SECONDS

    @property
    def stock_requests(self) -> float | None:
        """The same, in requests: what finds no place comes back and asks again, so few may."""
        return None if self.requests_per_second is None else self.requests_per_second * STOCK_SECONDS


class Rules(Protocol):
    """What is configured, as the dispatcher asks for it."""

    @property
    def budgets(self) -> Sequence[Budget]: ...
    @property
    def weights(self) -> Mapping[str, float]:
        """By route; one that is missing has 1."""
        ...

    def of_lane(self, lane: Lane) -> LaneRules: ...


class Standstill(NamedTuple):
    """Why nothing of a queue goes. `until`: when that is looked at again; None where nobody knows."""

    reason: Reason
    detail: str = ""
    until: datetime | None = None
