"""What all calls have in common: who calls, what is refused, and the faults that a call meets."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from simulator.bodies import error
from simulator.chances import Chances
from simulator.clock import now
from simulator.journal import account_of
from simulator.models import Models
from simulator.options import Options
from simulator.orders import Call, Order, Orders
from simulator.server import cut_connection
from simulator.streaming import Body, pieces

_HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1>simulated</body></html>"


class Caller(NamedTuple):
    """Who calls, and for which model; none where the call is about no single one."""

    account: str
    model: str


class Refusal(Exception):
    """The call ends with this status and a JSON body; `retry_after`: the seconds it asks to wait, if it says so."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = retry_after_header(retry_after)


Endpoint = Callable[[Request, Caller], Awaitable[Response]]


class Gate:
    """Lets callers in who may call."""

    def __init__(self, options: Options, models: Models) -> None:
        self._options = options
        self._models = models

    def guarded(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint behind the checks of key and model; its refusals become answers."""

        async def call(request: Request) -> Response:
            try:
                return await endpoint(request, self._caller(request))
            except Refusal as refusal:
                return JSONResponse(error(refusal.status, str(refusal)), refusal.status, refusal.headers)
            except ClientDisconnect:
                # The caller died in the middle of its body: the request never was whole, and nobody waits.
                return Response()

        return call

    def _caller(self, request: Request) -> Caller:
        key = _api_key(request.headers.get("Authorization", ""))
        if not key or (self._options.keys and key not in self._options.keys):
            raise Refusal(401, "The API key is missing or wrong.")
        model: str | None = request.path_params.get("model")
        if model is not None and model in self._options.forbidden:
            raise Refusal(403, "The API key has no right on this model.")
        if model is not None and self._models.find(model) is None:
            raise Refusal(404, "There is no such model.")
        return Caller(account_of(key), model or "")


class Faults:
    """The fault that a call meets: what was ordered, else what the dice say."""

    def __init__(self, orders: Orders, chances: Chances) -> None:
        self._orders = orders
        self._chances = chances

    def turn_of(self, digest: str) -> int:
        """How often this content was submitted, from 1; to be asked once for each time."""
        return self._chances.turn("submit", digest)

    def of_submit(self, model: str, name: str, digest: str, turn: int) -> Order | None:
        """What happens to this submit of a document."""
        return self._orders.take("submit", model, name, now()) or self._chances.fault("submit", digest, turn)

    async def of_free_call(self, call: Call, request: Request, model: str, name: str, subject: str) -> Response | None:
        """The answer of a fault, if this call meets one; a slow one has waited, and goes on."""
        order = self._met(call, model, name, subject)
        return None if order is None else await instead(request, order)

    def of_window(self, model: str) -> Order | None:
        """What happens to this window of a model's files."""
        return self._met("window", model, "", model)

    def _met(self, call: Call, model: str, name: str, subject: str) -> Order | None:
        turn = self._chances.turn(call, subject)
        return self._orders.take(call, model, name, now()) or self._chances.fault(call, subject, turn)


async def instead(request: Request, order: Order) -> Response | None:
    """What a free call is answered in place of its answer; none where it only comes later, or is itself disturbed."""
    if order.do in {"omit", "break"}:
        return None
    if order.do == "slow":
        await asyncio.sleep(order.seconds)
        return None
    return await ordered(request, order)


async def ordered(request: Request, order: Order) -> Response:
    """The answer, or the cut connection, that stands in the order."""
    if order.do == "cut":
        await cut_connection(request)
        return Response()
    if order.do == "slow":
        await asyncio.sleep(order.seconds)
        raise Refusal(503, "Slow, and then not taken, as ordered.")
    headers = retry_after_header(order.retry_after)
    if order.body == "html":
        return HTMLResponse(_HTML, order.status, headers)
    if order.body == "empty":
        return Response(status_code=order.status, headers=headers)
    return JSONResponse(error(order.status, "As ordered."), order.status, headers)


def retry_after_header(seconds: int | None) -> dict[str, str]:
    """The header that asks to wait so long; none where nothing is said."""
    return {} if seconds is None else {"Retry-After": str(seconds)}


def answer(body: Body, status: int = 200) -> Response:
    """The body, made while it is sent."""
    return StreamingResponse(pieces(body), status, media_type="application/json")


def broken_off(body: Body, request: Request) -> Response:
    """The body up to the middle of its last piece; then the connection closes."""
    return StreamingResponse(_up_to_the_end(body, request), media_type="application/json")


async def _up_to_the_end(body: Body, request: Request) -> AsyncIterator[bytes]:
    last = b""
    for piece in pieces(body):
        if last:
            yield last
        last = piece
    yield last[: len(last) // 2]
    await cut_connection(request)


def _api_key(authorization: str) -> str:
    """The user name of HTTP Basic with an empty password; "" where it is something else."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        key, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return "" if password else key
