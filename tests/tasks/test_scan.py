"""The periodic scan works in slices, goes on after a death, and begins anew when its time has come."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from headrace.errors import StorageUnavailable
from headrace.states import State
from tasks.hints import ROUTE
from tasks.maintenance import LEASE, alone
from tasks.scan import SLICE_SECONDS, pass_name, scan_slice
from tests.listener.listings import ListingStore
from tests.memory_store import InMemoryStore
from tests.tasks.world import INBOX

PAID = pass_name(INBOX, "paid/")


class SlowStore(InMemoryStore):
    """Lists page by page, each of which takes its time; one can be told to be the last before the process dies."""

    def __init__(self, clock, seconds_a_page):
        super().__init__(now=clock.now)
        self.clock = clock
        self.seconds_a_page = seconds_a_page
        self.dies_at = None
        self.begun_behind = []

    def list(self, bucket, prefix, *, start_after=""):
        self.begun_behind.append(start_after)
        for page in super().list(bucket, prefix, start_after=start_after):
            for head in page:
                self.clock.sleep(self.seconds_a_page)
                if head.key == self.dies_at:
                    self.dies_at = None
                    raise KeyboardInterrupt
                yield [head]


@pytest.fixture
def slow(make_world, provider, clock):
    world = make_world(provider, store=SlowStore(clock, 3.0))
    for number in range(9):
        world.store.put(INBOX, f"paid/{number}.pdf", b"%PDF")
    return world


def recorded(world):
    return [document.key for document in world.ledger.documents_at(INBOX, "", 100)]


def test_a_slice_is_short_and_the_next_one_goes_on(slow):
    began = slow.clock.monotonic()
    scan_slice(slow)
    assert slow.clock.monotonic() - began <= SLICE_SECONDS + 3
    assert len(recorded(slow)) == 4
    for _ in range(2):
        scan_slice(slow)
    assert len(recorded(slow)) == 9
    assert slow.store.begun_behind == ["", "", "paid/3.pdf", "paid/7.pdf"], "the first place is empty"
    assert [message.task for message in slow.app.messages] == [ROUTE] * 9


def test_after_a_death_in_the_middle_the_scan_goes_on_where_it_was(slow):
    slow.store.dies_at = "paid/2.pdf"
    with pytest.raises(KeyboardInterrupt):
        alone(slow, "scan", scan_slice)
    assert slow.ledger.last_pass(PAID).cursor == "paid/1.pdf"
    slow.clock.pass_(LEASE)
    for _ in range(3):
        alone(slow, "scan", scan_slice)
    assert len(recorded(slow)) == 9
    assert slow.ledger.last_pass(PAID).finished_at is not None


def test_only_one_scans_at_a_time(slow):
    slow.ledger.lease("scan", "somebody else", timedelta(hours=1))
    alone(slow, "scan", scan_slice)
    assert slow.store.begun_behind == []


def test_who_has_lost_the_lease_stops(slow):
    slow.store.before = lambda call, _key: (
        slow.clock.pass_(LEASE * 2),
        slow.ledger.lease("scan", "somebody else", timedelta(hours=1)),
    )
    alone(slow, "scan", scan_slice)
    assert len(recorded(slow)) == 1


def test_a_scan_begins_anew_once_its_time_has_passed_since_the_last_one_ended(world):
    world.store.put(INBOX, "paid/a.pdf", b"%PDF")
    scan_slice(world)
    world.store.put(INBOX, "paid/b.pdf", b"%PDF")
    world.clock.pass_(timedelta(hours=23))
    scan_slice(world)
    assert recorded(world) == ["paid/a.pdf"]
    world.clock.pass_(timedelta(hours=1))
    scan_slice(world)
    assert recorded(world) == ["paid/a.pdf", "paid/b.pdf"]


def test_no_hours_are_no_scan(world):
    world.settings = world.settings.model_copy(update={"scan_hours": 0.0})
    world.store.put(INBOX, "paid/a.pdf", b"%PDF")
    scan_slice(world)
    assert recorded(world) == []


def test_a_place_that_cannot_be_listed_keeps_no_other_from_being_scanned(world):
    world.store.put(INBOX, "paid/a.pdf", b"%PDF")

    def fail(call, key):
        if (call, key) == ("list", "free/"):
            raise StorageUnavailable("It is away.")

    world.store.before = fail
    with capture_logs() as lines:
        scan_slice(world)
    assert "prefix not scanned" in {line["event"] for line in lines}
    assert recorded(world) == ["paid/a.pdf"]


def test_a_run_whose_object_is_gone_ends_by_its_own_step(world):
    run_id = world.drop("paid/a.pdf", b"%PDF")
    world.store.delete(INBOX, "paid/a.pdf")
    world.clock.pass_(timedelta(seconds=10))
    scan_slice(world)
    assert world.state(run_id) is State.RECEIVED
    assert len(world.ledger.gone([world.ledger.run(run_id).document.object_id])) == 1
    world.deliver_all()
    assert world.state(run_id) is State.REMOVED


def test_what_is_stuck_is_told_at_the_end_of_a_scan(world):
    run_id = world.drop("paid/a.pdf", b"%PDF")
    world.clock.pass_(timedelta(minutes=20))
    with capture_logs() as lines:
        scan_slice(world)
    (line,) = [line for line in lines if line["event"] == "runs stand still"]
    assert (line["state"], line["runs"], line["first"]) == ("received", 1, [run_id])


def test_what_a_great_loss_recorded_is_left_to_the_sweep(make_world, provider):
    world = make_world(provider, store=ListingStore([f"paid/{number:04}.pdf" for number in range(2500)]))
    scan_slice(world)
    assert len(recorded(world)) == 100
    assert len(world.app.messages) == 1000
