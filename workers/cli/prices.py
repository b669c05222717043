"""What a retry or a reprocessing may cost at most, so that a person can say yes knowingly."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from headrace.errors import NoPages
from headrace.states import Reason
from workers.cli.output import several

if TYPE_CHECKING:
    from config.routes import RouteTable
    from headrace.ledger.records import Run
    from headrace.routing import Lane, Route


@dataclass
class Estimate:
    """Runs, their pages as far as they were counted, and what these cost if every page is charged."""

    runs: int = 0
    pages: int = 0
    uncounted: int = 0
    """Runs whose pages nobody counted yet."""
    unpriced: int = 0
    """Pages that a provider charges for, and headrace.toml gives no price of."""
    in_doubt: int = 0
    """Runs that may have been paid already: nobody knows."""
    cost: dict[str, Decimal] = field(default_factory=dict)
    """By currency."""

    def add(self, pages: int | None, lane: "Lane | None", routes: "RouteTable") -> None:
        """Count one run, at the price of this lane; a run that no route takes any more costs nothing."""
        self.runs += 1
        if pages is None:
            self.uncounted += 1
            return
        self.pages += pages
        if lane is None or lane.provider == "local":
            return
        settings = routes.lane(lane)
        if settings.price_per_page is None:
            self.unpriced += pages
        else:
            earlier = self.cost.get(settings.currency, Decimal(0))
            self.cost[settings.currency] = earlier + pages * settings.price_per_page

    def __str__(self) -> str:
        cost = " + ".join(f"{amount.normalize():f} {currency}" for currency, amount in sorted(self.cost.items()))
        sentences = [
            f"{several(self.runs, 'run')}, {several(self.pages, 'page')}; at most {cost or '0'} is charged for these."
        ]
        if self.unpriced:
            sentences.append(f"Not in this: {several(self.unpriced, 'page')} without a price in headrace.toml.")
        if self.uncounted:
            sentences.append(f"Not in this: {several(self.uncounted, 'run')} whose pages are not counted yet.")
        if self.in_doubt:
            sentences.append(f"{several(self.in_doubt, 'run')} in doubt may be paid a second time.")
        return " ".join(sentences)

    def facts(self) -> dict[str, object]:
        """The same for --json."""
        return {
            "runs": self.runs,
            "pages": self.pages,
            "uncounted_runs": self.uncounted,
            "unpriced_pages": self.unpriced,
            "runs_in_doubt": self.in_doubt,
            "cost_at_most": {currency: f"{amount:f}" for currency, amount in sorted(self.cost.items())},
        }


def estimate(runs: Iterable[tuple["Run", "Lane | None", "Route | None"]], routes: "RouteTable") -> Estimate:
    """What these runs may cost in these lanes, where these routes choose the pages, by the prices in headrace.toml."""
    total = Estimate()
    for run, lane, route in runs:
        total.add(_pages_sent(run, route), lane, routes)
        total.in_doubt += run.reason is Reason.IN_DOUBT
    return total


def _pages_sent(run: "Run", route: "Route | None") -> int | None:
    """How many pages the provider would be asked to read; all of them where the route is not known."""
    from headrace.routing import pages_sent

    if run.pages is None or route is None:
        return run.pages
    try:
        return pages_sent(run.pages, route)
    except NoPages:
        return 0
