"""The simulator's application: the API below /api/v2, and its controls below /simulator."""

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from simulator.bill import bill
from simulator.bodies import error
from simulator.journal import Journal
from simulator.mistakes import in_words
from simulator.models import Models
from simulator.nanonets import routes as nanonets_routes
from simulator.options import Options
from simulator.orders import Order, Orders
from simulator.reading import Reader


def make_app(options: Options, models: Models, journal: Journal, orders: Orders) -> Starlette:
    """Put the parts together."""
    reader = Reader(journal.folder, models, engine=options.engine, seed=options.seed)
    controls = _Controls(journal, orders, options.engine)
    return Starlette(
        routes=[
            Mount("/api/v2", routes=nanonets_routes(options, models, journal, reader, orders)),
            Mount("/simulator", routes=controls.routes()),
        ],
        exception_handlers={404: _nothing_here},
    )


class _Controls:
    def __init__(self, journal: Journal, orders: Orders, engine: str) -> None:
        self._journal = journal
        self._orders = orders
        self._engine = engine

    def routes(self) -> list[Route]:
        return [
            Route("/health", self._health),
            Route("/bill", self._bill),
            Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
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
                self._orders.add(Order.model_validate_json(await request.body()))
            except ValidationError as mistake:
                return JSONResponse(error(400, f"The order cannot be understood: {in_words(mistake)}"), 400)
        return JSONResponse({"orders": self._orders.describe()})


async def _nothing_here(_request: Request, _trouble: Exception) -> Response:
    return JSONResponse(error(404, "There is no such call."), 404)
