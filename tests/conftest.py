"""The real servers that tests use: one Valkey, one S3 store and one PostgreSQL for the whole session."""

import itertools
from collections.abc import Iterator

import boto3
import pytest
import redis
import structlog
from botocore.config import Config
from hypothesis import HealthCheck, settings

from tests.servers import S3Server, running, running_postgres, running_s3
from workers.stack.servers import Valkey

# structlog's own traceback shows every local variable of every frame, which takes it half a second each time.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# A change passes or fails by itself, not by luck nor by how busy the machine is.
# `make test ARGS=--hypothesis-profile=default` looks further.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def _valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    folder = tmp_path_factory.mktemp("valkey")
    with running(lambda port: Valkey(folder, port, password="valkey-of-the-tests"), 1, folder / "log") as server:
        yield server


@pytest.fixture
def valkey_url(_valkey: Valkey) -> str:
    """The address of an empty broker."""
    with redis.Redis.from_url(_valkey.url) as client:
        client.flushall()
    return _valkey.url


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


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
    with running_postgres() as url:
        yield url
