"""The door of a watched prefix: how often it looks, and what it says."""

from structlog.testing import capture_logs

from headrace.document import Document
from headrace.errors import StorageUnavailable
from headrace.ledger.records import Recorded
from headrace.states import State
from headrace.storage.watching import Found
from tests.clocks import ManualClock
from workers.watch_door import WatchDoor

RECORDED = Recorded(Document("inbox", "in/a.pdf", "e"), "run-1", new=True, hint=State.RECEIVED)


class ScriptedWatch:
    """Each round takes so many seconds and finds what is written."""

    def __init__(self, clock: ManualClock, *rounds: tuple[float, Found]) -> None:
        self._clock = clock
        self._rounds = iter(rounds)

    def round(self) -> Found:
        seconds, found = next(self._rounds)
        self._clock.sleep(seconds)
        return found


def found(*recorded: Recorded, complete: bool = True, failures: tuple[Exception, ...] = ()) -> Found:
    return Found(recorded, 1000, 1, complete, failures)


def door(*rounds: tuple[float, Found]) -> tuple[WatchDoor, list[str]]:
    clock = ManualClock()
    hints: list[str] = []
    watch = ScriptedWatch(clock, *rounds)
    return WatchDoor("s3://inbox/in/", watch, lambda run, _state: hints.append(run), 10.0, clock), hints


def test_the_interval_is_from_the_start_of_one_listing_to_the_start_of_the_next():
    watching, _ = door((3.0, found()), (1.0, found(complete=False)), (4.0, found()))
    assert watching.look() == 7.0
    assert watching.look() == 0.0
    assert watching.look() == 5.0


def test_a_listing_that_takes_longer_than_its_interval_is_followed_by_the_next_and_told_once():
    watching, _ = door((12.0, found()), (13.0, found()), (2.0, found()), (11.0, found()))
    with capture_logs() as logs:
        assert [watching.look() for _ in range(4)] == [0.0, 0.0, 8.0, 0.0]
    late = [line for line in logs if line["event"] == "listing takes longer than its interval"]
    assert [(line["seconds"], line["interval"]) for line in late] == [(12.0, 10.0), (11.0, 10.0)]


def test_what_was_recorded_is_hinted_though_a_part_of_the_prefix_was_not_listed():
    watching, hints = door((1.0, found(RECORDED, failures=(StorageUnavailable("The store is away."),))))
    with capture_logs() as logs:
        assert watching.look() == 9.0
    assert hints == ["run-1"]
    assert [line["why"] for line in logs if line["event"] == "part of a prefix was not listed"] == [
        "The store is away."
    ]
