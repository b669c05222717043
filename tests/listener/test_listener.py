"""The listener process: doors stay open while servers come and go, and it stops when asked."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from config.routes import RouteTable
from headrace.errors import LedgerError, LedgerUnavailable, StorageRefused, StorageUnavailable
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from headrace.routing import Route
from headrace.states import State
from headrace.storage.s3 import S3Store, s3_client
from tests.clocks import ManualClock
from tests.listener.doors import OpenDoor, recorded_keys, s3_message, s3_record, wait_until
from tests.memory_store import InMemoryStore
from workers.listener import keep_open, listen
from workers.stack.processes import LISTENER
from workers.watch_door import watch_doors

PROJECT = Path(__file__).parents[2]


class ScriptedDoor:
    """A door at which these things happen, one a look; then it asks to stop."""

    name = "scripted"

    def __init__(self, stop: threading.Event, *script: Exception | float) -> None:
        self._stop = stop
        self._script = list(script)
        self.looks = 0

    def look(self) -> float:
        self.looks += 1
        if not self._script:
            self._stop.set()
            return 0.0
        happening = self._script.pop(0)
        if isinstance(happening, Exception):
            raise happening
        return happening


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailable("away"),
        LedgerError("a name that cannot be kept"),
        StorageUnavailable("away"),
        StorageRefused("a right is missing"),
    ],
)
def test_a_door_stays_open_while_a_server_is_away_or_refuses(error):
    stop = threading.Event()
    door = ScriptedDoor(stop, error, error, 0.0, error)
    keep_open(door, stop, first_pause_seconds=0.001)
    assert door.looks == 5


def test_an_unforeseen_error_closes_every_door_and_is_raised():
    stop = threading.Event()

    class Patient:
        name = "patient"

        def look(self) -> float:
            return 60.0

    with pytest.raises(ZeroDivisionError):
        listen([Patient(), ScriptedDoor(stop, ZeroDivisionError())], stop)


def test_stopping_does_not_wait_for_the_next_look():
    stop = threading.Event()
    door = ScriptedDoor(stop, 60.0)
    asked = threading.Timer(0.1, stop.set)
    asked.start()
    started = time.monotonic()
    listen([door], stop)
    assert time.monotonic() - started < 5
    asked.join()


def test_what_is_under_way_is_finished_before_the_listener_ends():
    stop = threading.Event()
    finished = []

    class Busy:
        name = "busy"

        def look(self) -> float:
            stop.set()
            threading.Event().wait(0.2)
            finished.append("batch")
            return 0.0

    listen([Busy()], stop)
    assert finished == ["batch"]


def test_a_door_that_hangs_does_not_keep_the_listener_from_ending():
    stop, released = threading.Event(), threading.Event()

    class Hanging:
        name = "hanging"

        def look(self) -> float:
            stop.set()
            released.wait(30)
            return 0.0

    with capture_logs() as logs:
        listen([Hanging()], stop, leave_seconds=0.1)
    released.set()
    assert [line["door"] for line in logs if line["event"] == "door did not close in time"] == ["hanging"]


def test_what_arrives_in_the_last_long_poll_is_given_back(each_cloud, ledger):
    queue = each_cloud.make_queue(visibility_seconds=60)
    door = OpenDoor(queue, "inbox", ledger=ledger)
    looking = threading.Thread(target=door.look)
    looking.start()
    door.stop.set()
    queue.tell(s3_message(s3_record("inbox", "in/a.pdf")))
    looking.join(15)
    assert not looking.is_alive()
    assert queue.visible() == 1
    assert door.keys() == []


def test_a_door_for_each_watched_prefix_records_what_a_route_takes(ledger):
    def route(name: str, prefix: str, suffix: str) -> Route:
        return Route(
            name=name, bucket="inbox", prefix=prefix, suffixes=(suffix,), provider="local",
            output="s3://o/rows", private="s3://p/own",
        )  # fmt: skip

    store = InMemoryStore()
    for key in ("in/a.pdf", "in/b.png", "in/deep/b.png", "in/deep/c.pdf", "in/deep/d.txt"):
        store.put("inbox", key, key.encode())
    hints: list[tuple[str, State]] = []
    table = RouteTable((route("pdf", "in/", ".pdf"), route("png", "in/deep/", ".png")))
    doors = watch_doors(
        table, store, ledger, lambda run, state: hints.append((run, state)), every_seconds=7.0, clock=ManualClock()
    )
    assert [door.name for door in doors] == ["s3://inbox/in/"]
    assert doors[0].look() == 7.0
    runs = ledger.runs(RunFilter(), limit=10)
    assert {run.document.key for run in runs} == {"in/a.pdf", "in/deep/b.png", "in/deep/c.pdf"}
    assert sorted(hints) == sorted((run.id, State.RECEIVED) for run in runs)


ROUTES = """
[[routes]]
name = "in"
bucket = "{bucket}"
prefix = "in/"
provider = "local"
output = "s3://outbox/rows"
private = "s3://private/own"
"""


@pytest.fixture
def started(tmp_path, s3_server, s3_bucket, valkey_url, ledger):
    """Starts the real process; what it wrote is in tmp_path/log."""
    (tmp_path / "headrace.toml").write_text(ROUTES.format(bucket=s3_bucket))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    base = {
        **kept,
        "PYTHONPATH": str(PROJECT),
        "HEADRACE_BROKER_URL": valkey_url,
        "HEADRACE_LEDGER_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
        "HEADRACE_ROUTES_FILE": str(tmp_path / "headrace.toml"),
        "HEADRACE_S3_ENDPOINT": s3_server.endpoint,
        "HEADRACE_S3_ACCESS_KEY_ID": s3_server.access_key,
        "HEADRACE_S3_SECRET_ACCESS_KEY": s3_server.secret_key,
        "HEADRACE_WATCH_SECONDS": "0.1",
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(**changed: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            command = [sys.executable, "-m", "workers.listener"]
            process = subprocess.Popen(command, env=base | changed, cwd=tmp_path, stdout=log, stderr=log)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait(10)


def wait_for_runs(ledger: Ledger, count: int) -> None:
    until = time.monotonic() + 30
    while len(ledger.runs(RunFilter(), limit=100)) < count:
        assert time.monotonic() < until, "the documents were not recorded in time"
        time.sleep(0.05)


def store_of(s3_server):
    return S3Store(
        s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr(s3_server.secret_key))
    )


def test_the_process_records_drops_survives_a_kill_and_stops_when_asked(
    started, ledger, s3_server, s3_bucket, valkey_url, tmp_path
):
    store = store_of(s3_server)
    first = started()
    store.put(s3_bucket, "in/a.pdf", b"%PDF a")
    wait_for_runs(ledger, 1)
    first.kill()
    first.wait(10)
    store.put(s3_bucket, "in/b.pdf", b"%PDF b")
    second = started()
    wait_for_runs(ledger, 2)
    second.send_signal(signal.SIGTERM)
    assert second.wait(15) == 0
    assert sorted(run.document.key for run in ledger.runs(RunFilter(), limit=10)) == ["in/a.pdf", "in/b.pdf"]
    log = (tmp_path / "log").read_text()
    assert "listener stopped" in log
    assert s3_server.secret_key not in log
    assert "valkey-of-the-tests" not in log


def test_a_queue_that_is_missing_stops_neither_the_others_nor_watching(
    started, ledger, s3_server, s3_bucket, cloud, tmp_path
):
    queue = cloud.make_queue(visibility_seconds=5)
    store_of(s3_server).put(s3_bucket, "in/watched.pdf", b"%PDF")
    queue.tell(s3_message(s3_record(s3_bucket, "in/told.pdf")), "no json")
    process = started(
        HEADRACE_SQS_QUEUE_URLS=f"{queue.url}-not {queue.url}",
        HEADRACE_SQS_ENDPOINT=cloud.endpoint,
    )
    wait_for_runs(ledger, 2)
    wait_until(lambda: queue.messages() == 0)
    assert recorded_keys(ledger) == ["in/told.pdf", "in/watched.pdf"]
    assert ledger.parked_count() == 1
    # It waits for messages at this moment, and ends all the same within its grace.
    process.send_signal(signal.SIGTERM)
    assert process.wait(LISTENER.grace_seconds) == 0
    assert "HEADRACE_SQS_QUEUE_URLS" in (tmp_path / "log").read_text()


def test_without_a_broker_documents_are_recorded_all_the_same(started, ledger, s3_server, s3_bucket):
    store_of(s3_server).put(s3_bucket, "in/a.pdf", b"%PDF a")
    started(HEADRACE_BROKER_URL="redis://127.0.0.1:9/0")
    wait_for_runs(ledger, 1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"HEADRACE_WATCH_SECONDS": "0"}, "nothing to listen to"),
        ({"HEADRACE_WACH_SECONDS": "1"}, 'Did you mean "HEADRACE_WATCH_SECONDS"?'),
        ({"HEADRACE_ROUTES_FILE": "not-there.toml"}, "there is no such file"),
    ],
)
def test_a_mistake_in_the_configuration_ends_it_with_its_remedy(started, tmp_path, changed, words):
    assert started(**changed).wait(30) == 3
    log = (tmp_path / "log").read_text()
    assert words in log
    assert "Traceback" not in log
