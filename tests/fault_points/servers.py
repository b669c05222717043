"""The servers that all cases share, each in its own corner of them; none of them is ever killed here."""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from tests.listener.clouds import ministack
from tests.servers import S3Server, running, running_postgres, running_s3
from tests.simulator.process import simulator
from workers.stack.child import Command
from workers.stack.servers import Valkey

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


@contextmanager
def running_servers(folder: Path, *, with_postgres: bool, with_queues: bool) -> Iterator[Servers]:
    """All of them, stopped when the block ends."""
    valkey, s3 = folder / "valkey", folder / "s3"
    with ExitStack() as until_the_end:
        broker = until_the_end.enter_context(
            running(lambda port: _ManyDatabases(valkey, port, password=_BROKER_PASSWORD), 1, valkey / "log")
        )
        api = until_the_end.enter_context(simulator("--async-seconds", str(ASYNC_SECONDS)))
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
