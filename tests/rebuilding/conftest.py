"""A pipeline whose ledger is lost, and another ledger, on each engine, that is to take its place."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from headrace.ledger import Ledger
from headrace.rebuilding.rebuild import Rebuild
from tests.ledger.conftest import emptied, migrated_postgres, migrated_sqlite  # noqa: F401  fixtures
from tests.tasks.conftest import clock, counter, make_world, migrated, provider, world  # noqa: F401  fixtures


@pytest.fixture
def fresh_ledger(tmp_path, clock, migrated_sqlite):  # noqa: F811  fixtures
    """Makes empty ledgers, each another than the world's."""
    made = []

    def make():
        path = tmp_path / f"another-{len(made)}.db"
        shutil.copyfile(migrated_sqlite, path)
        made.append(Ledger(f"sqlite:///{path}", clock))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(fresh_ledger):
    """An empty ledger."""
    return fresh_ledger()


@pytest.fixture(params=["sqlite", "postgres"])
def each_ledger(request, clock):  # noqa: F811  a fixture
    """An empty ledger on each engine in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("ledger")
        return
    url = emptied(request.getfixturevalue("migrated_postgres"))
    with psycopg.connect(url) as connection:
        # An earlier test may have made it its own world's.
        connection.execute("UPDATE identity SET id = md5(random()::text)")
    ledger = Ledger(url, clock)
    yield ledger
    ledger.close()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def rebuild_of(threads):
    """Makes the rebuild of a world's ledger."""

    def make(pipeline):
        routes = pipeline.routes.routes
        return Rebuild(pipeline.store, pipeline.ledger, pipeline.clock, routes=routes, threads=threads)

    return make


@pytest.fixture
def rebuilt(rebuild_of):
    """Rebuilds a world's ledger from its bucket; the summary."""

    def do(pipeline):
        work = rebuild_of(pipeline)
        plan = work.plan()
        assert plan is not None, "there is nothing to rebuild"
        return work.run(plan, lambda _progress: None)

    return do
