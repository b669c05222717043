"""Real servers that speak S3 and SQS, and a ledger."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.clock import SystemClock
from headrace.faults import set_fault_handler
from headrace.ledger import Ledger
from tests.listener.clouds import Cloud, Inbox, ministack, moto
from tests.listener.doors import OpenDoor


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The server that most tests use."""
    with ministack(tmp_path_factory.mktemp("ministack")) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def _moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with moto(tmp_path_factory.mktemp("moto")) as cloud:
        yield cloud


@pytest.fixture(params=["cloud", "_moto"], ids=["ministack", "moto"])
def each_cloud(request: pytest.FixtureRequest) -> Cloud:
    """Each of the servers in turn: they differ in how they tell of an object, and in how a queue behaves."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def inbox(cloud: Cloud) -> Inbox:
    return cloud.make_inbox()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", SystemClock())
    ledger.migrate()
    yield ledger
    ledger.close()


@pytest.fixture
def open_door(ledger: Ledger) -> Callable[..., OpenDoor]:
    """Opens a door at an inbox's queue, on this ledger unless another one is given."""

    def opened(inbox: Inbox, **others) -> OpenDoor:
        return OpenDoor(inbox.queue, inbox.bucket, **{"ledger": ledger, **others})

    return opened


@pytest.fixture
def door(inbox: Inbox, open_door: Callable[..., OpenDoor]) -> OpenDoor:
    return open_door(inbox)


class Killed(BaseException):
    """The process died here."""


@pytest.fixture
def dying() -> Iterator[Callable[[str], None]]:
    """Lets the process die once, at a fault point."""

    def at(name: str) -> None:
        def handler(passed: str) -> None:
            if passed == name:
                set_fault_handler(None)
                raise Killed(passed)

        set_fault_handler(handler)

    yield at
    set_fault_handler(None)
