"""The HTTP server of the simulator: uvicorn on loopback, with connections that can be cut without an answer."""

import asyncio
import signal
import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

HOST = "127.0.0.1"
_GRACE_SECONDS = 1


class PortTaken(Exception):
    """Somebody else listens there."""


class CuttableConnection(H11Protocol):
    """Hands its transport to the request, which is the only way to close it without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # mypy: uvicorn narrows the transport likewise.
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def cut_connection(request: Request) -> None:
    """Close the connection at once; nothing that follows is sent."""
    request.scope["state"]["transport"].abort()
    # The server notices the loss in the next turn of its loop.
    while not await request.is_disconnected():
        await asyncio.sleep(0.005)


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; PortTaken where there is one already."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise PortTaken(f"Port {port} of {HOST} is in use; stop what listens there, or choose another.") from error
    return listening


def exit_on_signals() -> None:
    """SIGTERM and SIGINT end the process with status 0; the server first stops in order."""
    # uvicorn takes the signals while it serves, and then raises them again for whoever had them before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def serve(app: Starlette, listening: socket.socket) -> None:
    """Answer until a signal says to stop."""
    config = uvicorn.Config(
        app,
        http=CuttableConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        headers=[("Server", "headrace-simulator")],
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _exit(_number: int, _frame: object) -> None:
    sys.exit(0)
