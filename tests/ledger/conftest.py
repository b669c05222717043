"""A ledger on each engine: a copy of a migrated SQLite file, or an emptied PostgreSQL database."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from headrace.ledger import Ledger
from headrace.ledger.schema import metadata
from tests.clocks import ManualClock


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> str:
    _migrate(postgres_url)
    return postgres_url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "ledger.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a ledger with nothing in it, on each engine in turn."""
    if request.param == "sqlite":
        path = tmp_path / "ledger.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        return f"sqlite:///{path}"
    return emptied(request.getfixturevalue("migrated_postgres"))


@pytest.fixture(params=["sqlite", "postgres"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
        return
    server = request.getfixturevalue("postgres_url")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
        yield server.replace("/postgres?", "/bare?")
        connection.execute("DROP DATABASE bare WITH (FORCE)")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_ledger(url: str, clock: ManualClock) -> Iterator[Callable[[], Ledger]]:
    """Makes further ledgers on the same database, as other processes have them."""
    opened: list[Ledger] = []

    def make() -> Ledger:
        opened.append(Ledger(url, clock))
        return opened[-1]

    yield make
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger: Callable[[], Ledger]) -> Ledger:
    return open_ledger()


def emptied(url: str) -> str:
    """The same PostgreSQL database, with nothing left in its tables but the ledger's identity."""
    with psycopg.connect(url) as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name != "identity":
                # Sooner done than TRUNCATE, where there are but a few rows.
                connection.execute(f'DELETE FROM "{table.name}"')
        connection.execute("UPDATE identity SET sequence = 0")
    return url


def _migrate(url: str) -> None:
    ledger = Ledger(url, ManualClock())
    ledger.migrate()
    ledger.close()
