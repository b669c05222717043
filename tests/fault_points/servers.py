"""The servers that all cases share, each in its own corner of them; none of them is ever killed here."""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import make_url

from tests.listener.clouds import ministack
from tests.servers import S3Server, running, running_postgres, running_s3
from tests.simulator.process import API_KEY
from workers.stack.child import Command
from workers.stack.processes import PROJECT
from workers.stack.servers import HOST, Valkey, minimal_environment

# A case has a database of its own, by its number; an empty one costs the broker nothing.
BROKER_DATABASES = 20_000
ASYNC_SECONDS = 3.0
_BROKER_PASSWORD = "valkey-of-the-tests"


@dataclass(frozen=True)
class Servers:
    """Where they are."""

    broker_url: str = field(repr=False)
    s3: S3Server
    simulator_url: str
    postgres_url: str | None
    queues: str | None

    def broker(self, database: int) -> str:
        """The address of the broker's database of this number."""
        return f"{self.broker_url.rpartition('/')[0]}/{database}"

    def postgres(self, database: str) -> str:
        """The address of the PostgreSQL database of this name."""
        assert self.postgres_url is not None, "no life needs PostgreSQL, so it was not started"
        address = make_url(self.postgres_url).set(drivername="postgresql+psycopg", database=database)
        return address.render_as_string(hide_password=False)


@dataclass(frozen=True)
class _ManyDatabases(Valkey):
    def command(self, log: Path) -> Command:
        usual = super().command(log)
        return dataclasses.replace(usual, argv=(*usual.argv, "--databases", str(BROKER_DATABASES)))


@dataclass(frozen=True)
class _Simulator:
    """The API. What it says goes to its log: nobody would empty a pipe, and it would wait for that some day."""

    folder: Path
    port: int

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}/api/v2"

    def command(self, log: Path) -> Command:
        options = ("--port", str(self.port), "--key", API_KEY, "--async-seconds", str(ASYNC_SECONDS))
        return Command(
            "simulator",
            (sys.executable, "-m", "simulator", *options),
            folder=PROJECT,
            log=log,
            environment={**minimal_environment(), "TMPDIR": str(self.folder)},
            ready=self.answers,
        )

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://{HOST}:{self.port}/simulator/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def running_servers(folder: Path, *, with_postgres: bool, with_queues: bool) -> Iterator[Servers]:
    """All of them, stopped when the block ends."""
    valkey, s3 = folder / "valkey", folder / "s3"
    with ExitStack() as until_the_end:
        broker = until_the_end.enter_context(
            running(lambda port: _ManyDatabases(valkey, port, password=_BROKER_PASSWORD), 1, valkey / "log")
        )
        api = until_the_end.enter_context(running(lambda port: _Simulator(folder, port), 1, folder / "simulator.log"))
        queues = None
        if with_queues:
            (folder / "queues").mkdir(parents=True)
            queues = until_the_end.enter_context(ministack(folder / "queues")).endpoint
        yield Servers(
            broker_url=broker.url,
            s3=until_the_end.enter_context(running_s3(s3)),
            simulator_url=api.base_url,
            postgres_url=until_the_end.enter_context(running_postgres()) if with_postgres else None,
            queues=queues,
        )
