"""Which ports of this machine the stack takes, and who else has them."""

import contextlib
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from workers.stack.errors import StackError


@dataclass(frozen=True)
class Ports:
    """One block of ports: the broker at its base, then the simulator, and S3 with its own from base + 3."""

    base: int

    @property
    def valkey(self) -> int:
        return self.base

    @property
    def simulator(self) -> int:
        return self.base + 1

    @property
    def s3(self) -> int:
        return self.base + 3


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that lingers from the last run is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def refuse_taken(wanted: Mapping[int, str]) -> None:
    """StackError naming each port of `wanted` (port -> who wants it) that another process has."""
    taken = {port: name for port, name in wanted.items() if not is_free(port)}
    if not taken:
        return
    # One server may hold several ports that one server of ours wants.
    found: dict[str, list[int]] = {}
    for port, name in sorted(taken.items()):
        found.setdefault(f"wanted by {name}, in use{_holder(port)}", []).append(port)
    clashes = "; ".join(f"port {', '.join(map(str, ports))}, {what}" for what, ports in found.items())
    raise StackError(
        f"Ports are taken: {clashes}. Stop that process, or set HEADRACE_PORT_BASE to the first of 13 free ports."
    )


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that are free now."""
    for _ in range(200):
        # Below the range from which Linux takes the near end of connections.
        first = random.randrange(20_000, 32_000 - count)  # noqa: S311  not a secret
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise StackError(f"No {count} neighbouring ports are free on this machine.")


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
