"""A pipeline in one process, on an in-memory store and a real SQLite ledger."""

import shutil

import pytest

from headrace.counting.counter import PageCounter
from headrace.ledger import Ledger
from headrace.polling import PollSchedule
from headrace.routing import Route
from tests.clocks import ManualClock
from tests.memory_store import InMemoryStore
from tests.tasks.scripted import ScriptedProvider
from tests.tasks.world import INBOX, World, table

PAID = Route(
    name="paid",
    bucket=INBOX,
    prefix="paid/",
    provider="nanonets",
    model="m",
    output="s3://out/rows",
    private="s3://private/notes",
    most_pages=20,
    poll=PollSchedule(first_seconds=5, longest_seconds=20, polls=4),
    metadata={"team": "intake"},
)
FREE = Route(
    name="free",
    bucket=INBOX,
    prefix="free/",
    provider="local",
    output="s3://out/rows",
    private="s3://private/notes",
    most_pages=20,
)


@pytest.fixture(scope="session")
def counter():
    with PageCounter() as counter:
        yield counter


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A ledger with nothing in it, to be copied: sooner done than migrating another one."""
    path = tmp_path_factory.mktemp("migrated") / "ledger.db"
    ledger = Ledger(f"sqlite:///{path}", ManualClock())
    ledger.migrate()
    ledger.close()
    return path


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def provider():
    return ScriptedProvider()


@pytest.fixture
def make_world(tmp_path, clock, counter, migrated):
    """Makes a world: make_world(provider, free=…, nanonets=2) with that many of the lane in flight."""

    def make(provider, *, free=None, routes=(PAID, FREE), store=None, **lanes):
        path = tmp_path / "ledger.db"
        shutil.copyfile(migrated, path)
        ledger = Ledger(f"sqlite:///{path}", clock)
        return World(
            ledger=ledger,
            clock=clock,
            providers={"nanonets": provider, "local": free or ScriptedProvider(paid=False)},
            routes=table(*routes, **lanes),
            counter=counter,
            store=store or InMemoryStore(),
        )

    return make


@pytest.fixture
def world(make_world, provider):
    return make_world(provider)
