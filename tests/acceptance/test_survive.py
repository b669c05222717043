"""Whatever dies, work goes on by itself: every run moves again within 30 s, rows are exact, nothing is billed twice."""

import signal
from datetime import UTC, datetime

import pytest

from headrace.states import Reason
from tests.acceptance.surviving import MOVES_WITHIN_SECONDS, back_at, survival
from tests.chaos.faults import Fault
from workers.stack.processes import WORKERS

# Chaos has all of these as well, at random; a minute of it is in `make test`.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

# A lease is 15 s: what waits for a dead worker's waits longer.
HANDED_OVER_WITHIN_SECONDS = 14.0
DEATHS = {
    "a pool child is killed": Fault(0, 0.0, "", "kill child", "worker-prefork"),
    "the local engine's worker is killed": Fault(0, 0.0, "", "kill", "worker-local"),
    "the worker that counts and exports is killed": Fault(0, 0.0, "", "kill", "worker-prefork"),
    "the worker that admits and sweeps is killed": Fault(0, 0.0, "", "kill", "worker-maintenance"),
    "the worker that sends and polls is killed": Fault(0, 0.0, "", "kill", "worker-threads"),
    "the listener is killed": Fault(0, 0.0, "", "kill", "listener"),
    "beat is killed": Fault(0, 0.0, "", "kill", "beat"),
    "the broker is killed": Fault(0, 0.0, "", "kill", "valkey"),
    "the broker is killed and loses its file": Fault(0, 0.0, "", "empty", "valkey"),
    "the broker is emptied": Fault(0, 0.0, "", "flush", "valkey"),
    "the store is killed": Fault(0, 0.0, "", "kill", "s3"),
    "the ledger's server is killed": Fault(0, 0.0, "", "kill", "postgres"),
}
A_BAD_NIGHT = [
    DEATHS[name]
    for name in (
        "the worker that sends and polls is killed",
        "the worker that counts and exports is killed",
        "the worker that admits and sweeps is killed",
        "the listener is killed",
        "beat is killed",
        "the broker is killed and loses its file",
        "the store is killed",
        "the ledger's server is killed",
    )
]


@pytest.fixture(scope="module")
def surviving(tmp_path_factory):
    with survival(tmp_path_factory.mktemp("survive")) as started:
        yield started


def survived(surviving, *faults, record_property):
    """Let it happen while a batch is under way, and see that nothing came of it."""
    batch = surviving.drop()
    surviving.wait_until_under_way(batch)
    back = back_at(surviving.undergo(*faults))
    surviving.wait_until_published(batch)
    surviving.check(batch)
    stands = surviving.stands_after(batch, back)
    longest = max(stands.values(), default=0.0)
    record_property("longest_stand_seconds", round(longest, 1))
    print(f"{len(stands)} runs stood still for {longest:.1f} s at most")  # noqa: T201  the figure of this proof
    assert stands
    assert longest <= MOVES_WITHIN_SECONDS, stands


def test_everything_dies_at_once(surviving, record_property):
    survived(surviving, *A_BAD_NIGHT, record_property=record_property)


def test_workers_that_are_asked_to_stop_leave_nothing_to_wait_for(surviving, record_property):
    batch = surviving.drop()
    surviving.wait_until_under_way(batch)
    names = [process.name for process in WORKERS]
    workers = [surviving.process(name) for name in names]
    starts = {name: surviving.starts(name) for name in names}
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    # How long that takes is the machine's affair; what counts is what waits once they work again.
    surviving.wait_until(lambda: all(surviving.starts(name) > starts[name] for name in names), 60)
    back_at = datetime.now(UTC)
    surviving.wait_until_published(batch)
    surviving.check(batch)
    assert not any(worker.is_running() for worker in workers)
    stands = surviving.stands_after(batch, back_at)
    longest = max(stands.values(), default=0.0)
    record_property("longest_stand_seconds", round(longest, 1))
    assert longest <= HANDED_OVER_WITHIN_SECONDS, stands
    # Nobody died: no step was left to whoever comes after its lease, and nothing came into doubt. What waited for its
    # place in the rate waits on as such.
    assert {moved.reason for moved in surviving.moves(batch)} <= {None, Reason.RATE}, surviving.moves(batch)


@pytest.mark.parametrize("what", DEATHS)
def test_one_death_costs_only_time(surviving, what, record_property):
    survived(surviving, DEATHS[what], record_property=record_property)
