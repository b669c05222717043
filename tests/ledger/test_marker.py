"""The marker keeps a ledger that does not know what was paid from submitting."""

import json

import pytest

from headrace.errors import ForeignLedger, StorageUnavailable
from headrace.faults import set_fault_handler
from headrace.ledger import Ledger
from headrace.ledger.marker import Marker
from headrace.storage import Location
from tests.memory_store import InMemoryStore

PLACE = Location("out", "private")


@pytest.fixture
def store():
    return InMemoryStore()


@pytest.fixture
def marker(store, ledger, clock):
    return Marker(store, ledger, clock)


@pytest.fixture
def stranger(tmp_path, clock, store):
    """The marker of another ledger that uses the same store."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'other.db'}", clock)
    ledger.migrate()
    yield Marker(store, ledger, clock)
    ledger.close()


def _content(store, place=PLACE):
    return json.loads(store.read(place.bucket, place.key("ledger.json")))


def test_the_first_start_makes_a_place_its_own(marker, store, ledger, clock):
    marker.establish(PLACE)
    assert _content(store) == {"ledger": ledger.identity().id, "sequence": 0, "raised_at": clock.now().isoformat()}
    marker.check(PLACE)
    marker.establish(PLACE)


def test_a_place_of_another_ledger_is_refused(marker, stranger, store):
    stranger.establish(PLACE)
    before = _content(store)
    for call in (marker.establish, marker.check, lambda place: marker.raise_([place])):
        with pytest.raises(ForeignLedger, match="nothing is submitted"):
            call(PLACE)
    assert _content(store) == before


def test_an_old_copy_of_the_ledger_is_refused(marker, store, ledger):
    marker.establish(PLACE)
    ahead = json.dumps({"ledger": ledger.identity().id, "sequence": 7}).encode()
    store.put(PLACE.bucket, PLACE.key("ledger.json"), ahead)
    for call in (marker.check, lambda place: marker.raise_([place])):
        with pytest.raises(ForeignLedger, match="sequence 7 of this ledger, which is now at"):
            call(PLACE)
    assert _content(store)["sequence"] == 7


def test_an_old_copy_of_the_ledger_does_not_become_valid_however_often_it_tries(marker, store, ledger):
    behind, level = PLACE, Location("out2", "private")
    for place in (behind, level):
        marker.establish(place)
    ahead = json.dumps({"ledger": ledger.identity().id, "sequence": 3}).encode()
    store.put(behind.bucket, behind.key("ledger.json"), ahead)
    for _ in range(5):
        with pytest.raises(ForeignLedger, match="old copy"):
            marker.raise_([level, behind])
        with pytest.raises(ForeignLedger, match="old copy"):
            marker.check(behind)
    assert ledger.identity().sequence == _content(store, level)["sequence"] == 0


def test_a_ledger_that_can_read_no_marker_does_not_count_on(marker, store, ledger):
    marker.establish(PLACE)

    def away(_call, _key):
        raise StorageUnavailable("The store is away.")

    store.before = away
    with pytest.raises(StorageUnavailable):
        marker.raise_([PLACE])
    assert ledger.identity().sequence == 0


def test_a_place_without_a_marker_does_not_stop_the_others(marker, store):
    marker.establish(PLACE)
    with pytest.raises(ForeignLedger, match="never set up"):
        marker.raise_([Location("empty", "private"), PLACE])
    assert _content(store)["sequence"] == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"ledger": "", "sequence": 1}', b'{"ledger": "x", "sequence": -1}']
)
def test_a_marker_that_cannot_be_read_is_refused(marker, store, body):
    store.put(PLACE.bucket, PLACE.key("ledger.json"), body)
    with pytest.raises(ForeignLedger, match="cannot be read"):
        marker.check(PLACE)


def test_a_place_without_marker_is_refused(marker):
    with pytest.raises(ForeignLedger, match="never set up"):
        marker.check(PLACE)


def test_the_ledger_is_raised_first_and_then_every_place(marker, store, ledger):
    places = [PLACE, Location("out2", "")]
    for place in places:
        marker.establish(place)
    marker.raise_(places)
    marker.raise_(places)
    assert ledger.identity().sequence == 2
    assert [_content(store, place)["sequence"] for place in places] == [2, 2]


def test_a_process_that_stops_between_the_two_leaves_the_ledger_ahead(marker, store, ledger):
    marker.establish(PLACE)

    def stop(name):
        if name == "marker.raise.before":
            raise KeyboardInterrupt

    set_fault_handler(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            marker.raise_([PLACE])
    finally:
        set_fault_handler(None)
    assert (ledger.identity().sequence, _content(store)["sequence"]) == (1, 0)
    marker.check(PLACE)


def test_two_processes_that_raise_at_once_do_no_harm(marker, store, ledger, open_ledger, clock):
    """The second raises both just before the first writes."""
    marker.establish(PLACE)
    second = Marker(store, open_ledger(), clock)
    calls = []

    def interfere(call, key):
        if call == "put" and not calls:
            calls.append(key)
            second.raise_([PLACE])

    store.before = interfere
    marker.raise_([PLACE])
    assert calls
    assert ledger.identity().sequence == _content(store)["sequence"] == 2
    marker.check(PLACE)


def test_a_place_that_is_away_does_not_stop_the_others(marker, store):
    away = Location("away", "private")
    for place in (away, PLACE):
        marker.establish(place)

    def fail(call, key):
        if call == "put" and not failed:
            failed.append(key)
            raise StorageUnavailable("The store is away.")

    failed = []
    store.before = fail
    with pytest.raises(StorageUnavailable):
        marker.raise_([away, PLACE])
    assert _content(store, away)["sequence"] == 0
    assert _content(store)["sequence"] == 1
