"""One simulator for the tests that need no options of their own."""

import pytest

from tests.simulator.process import simulator


@pytest.fixture(scope="session")
def running():
    with simulator("--async-seconds", "0") as started:
        yield started
