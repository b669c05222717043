"""Nanonets' API, over one journal: every call at its path."""

from starlette.routing import Route

from simulator.calls import Faults, Gate
from simulator.chances import Chances
from simulator.dialects import ways
from simulator.journal import Journal
from simulator.model_calls import ModelCalls
from simulator.models import Models
from simulator.options import Options
from simulator.orders import Orders
from simulator.predicting import Predicting
from simulator.rates import Rates
from simulator.reading import Reader
from simulator.retrieval import Retrieval
from simulator.showing import Showing
from simulator.till import Till


def routes(
    options: Options, models: Models, journal: Journal, reader: Reader, *, orders: Orders, rates: Rates
) -> list[Route]:
    """Below the API's root, each with and without the slash at the end, as working clients use both."""
    chances = Chances(options.seed, options.rates)
    faults = Faults(orders, chances)
    showing = Showing(reader, chances, options.variants, awkward=options.awkward)
    till = Till(options, journal, reader, chances=chances, rates=rates)
    endpoints = {
        **Predicting(options, models, journal.folder, till=till, showing=showing, faults=faults).endpoints(),
        **Retrieval(journal, showing, faults).endpoints(),
        **ModelCalls(models, showing.usual, faults).endpoints(),
    }
    gate = Gate(options, models)
    return [
        Route(way.path + slash, gate.guarded(endpoints[way.call]), methods=[way.method])
        for way in ways(options.dialects)
        for slash in ("", "/")
    ]
