"""The simulator's application: the API below /api/v2, and its controls below /simulator."""

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from simulator.bill import bill
from simulator.bodies import error
from simulator.clock import now
from simulator.journal import Journal
from simulator.mistakes import in_words
from simulator.models import Models
from simulator.nanonets import routes as nanonets_routes
from simulator.options import Options
from simulator.orders import Order, Orders
from simulator.rate_report import rate_report
from simulator.rates import Rate, Rates
from simulator.reading import Reader


def make_app(options: Options, models: Models, journal: Journal, orders: Orders, rates: Rates) -> Starlette:
    """Put the parts together."""
    reader = Reader(journal.folder, models, engine=options.engine, seed=options.seed)
    controls = _Controls(journal, orders, rates, options.engine)
    calls = nanonets_routes(options, models, journal, reader, orders=orders, rates=rates)
    return Starlette(
        routes=[
            Mount("/api/v2", routes=calls),
            Mount("/simulator", routes=controls.routes()),
        ],
        exception_handlers={404: _nothing_here},
    )


class _Controls:
    def __init__(self, journal: Journal, orders: Orders, rates: Rates, engine: str) -> None:
        self._journal = journal
        self._orders = orders
        self._rates = rates
        self._engine = engine

    def routes(self) -> list[Route]:
        return [
            Route("/health", self._health),
            Route("/bill", self._bill),
            Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/rate", self._rate, methods=["GET", "POST", "DELETE"]),
        ]

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok", "simulated": True, "engine": self._engine})

    async def _bill(self, _request: Request) -> Response:
        return JSONResponse(bill(self._journal.accepted))

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._orders.clear()
        elif request.method == "POST":
            try:
                self._orders.add(Order.model_validate_json(await request.body()), now())
            except ValidationError as mistake:
                return _not_understood(mistake)
        return JSONResponse({"orders": self._orders.describe()})

    async def _rate(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._rates.clear()
        elif request.method == "POST":
            try:
                self._rates.order(Rate.model_validate_json(await request.body()), now())
            except ValidationError as mistake:
                return _not_understood(mistake)
        return JSONResponse(rate_report(self._journal.accepted, self._rates))


def _not_understood(mistake: ValidationError) -> Response:
    return JSONResponse(error(400, f"The order cannot be understood: {in_words(mistake)}"), 400)


async def _nothing_here(_request: Request, _trouble: Exception) -> Response:
    return JSONResponse(error(404, "There is no such call."), 404)
