"""What a retry or a reprocessing may cost at most, so that a person can say yes knowingly."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from workers.cli.output import several

if TYPE_CHECKING:
    from config.routes import RouteTable
    from headrace.ledger.records import Run
    from headrace.routing import Lane


@dataclass
class Estimate:
    """Runs, their pages as far as they were counted, and what these cost if every page is charged."""

    runs: int = 0
    pages: int = 0
    uncounted: int = 0
    """Runs whose pages nobody counted yet."""
    held: int = 0
    """Runs that may have been paid already: nobody knows."""
    cost: dict[str, Decimal] = field(default_factory=dict)
    """By currency."""

    def add(self, pages: int | None, price_per_page: Decimal, currency: str) -> None:
        self.runs += 1
        if pages is None:
            self.uncounted += 1
            return
        self.pages += pages
        if price_per_page:
            self.cost[currency] = self.cost.get(currency, Decimal(0)) + pages * price_per_page

    def __str__(self) -> str:
        cost = " + ".join(f"{amount.normalize():f} {currency}" for currency, amount in sorted(self.cost.items()))
        words = (
            f"{several(self.runs, 'run')} of together {several(self.pages, 'page')}; at most {cost or '0'} is charged"
        )
        if self.uncounted:
            words += f", and whatever the {several(self.uncounted, 'run')} cost whose pages are not counted yet"
        if self.held:
            words += f". {several(self.held, 'run')} held in doubt may be paid a second time"
        return words + "."

    def as_json(self) -> dict[str, object]:
        return {
            "runs": self.runs,
            "pages": self.pages,
            "uncounted_runs": self.uncounted,
            "held_runs": self.held,
            "cost_at_most": {currency: str(amount) for currency, amount in sorted(self.cost.items())},
        }


def estimate(runs: Iterable[tuple["Run", "Lane | None"]], routes: "RouteTable") -> Estimate:
    """What these runs may cost in these lanes, by the prices in headrace.toml; without a lane, nothing."""
    total = Estimate()
    for run, lane in runs:
        if lane is None:
            total.add(None, Decimal(0), "")
        else:
            settings = routes.lane(lane)
            total.add(run.pages, settings.price_per_page, settings.currency)
        total.held += run.state == "held"
    return total
