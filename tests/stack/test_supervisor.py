import os
import signal
import sys
import threading
import time

import psutil
import pytest

from headrace.clock import SystemClock
from workers.stack import processes_file
from workers.stack.child import Child, Command, start_time
from workers.stack.errors import StackError, StopAsked
from workers.stack.servers import minimal_environment
from workers.stack.stopping import StopRequest
from workers.stack.supervisor import Supervisor, backoff_after

CLOCK = SystemClock()

# Each script says what happens to it in a file that all of them share.
SERVE = """
import os, signal, sys, time
name, journal = sys.argv[1:]
def say(word):
    with open(journal, "a") as file:
        file.write(f"{word} {name}\\n")
def leave(*_):
    say("stopped")
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
say("started")
time.sleep(60)
"""
STUBBORN = SERVE.replace("signal.signal(signal.SIGTERM, leave)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
DIE = SERVE.replace("time.sleep(60)", "sys.exit(3)")
WITH_A_CHILD = SERVE.replace("time.sleep(60)", "os.fork(); say('forked'); time.sleep(60)")


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal"
    path.touch()
    return path


def command(tmp_path, name, script=SERVE, **options):
    options.setdefault("ready", lambda: f"started {name}" in (tmp_path / "journal").read_text())
    return Command(
        name,
        (sys.executable, "-c", script, name, str(tmp_path / "journal")),
        folder=tmp_path,
        log=tmp_path / f"{name}.log",
        environment=minimal_environment(),
        **options,
    )


def eventually(holds, seconds=10):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def noted(tmp_path):
    return {row.name: row.pid for row in processes_file.read_noted(tmp_path / "processes.json")}


def supervisor(tmp_path, *groups, stop=None):
    return Supervisor(groups, tmp_path / "processes.json", CLOCK, stop)


def test_the_wait_before_a_restart_doubles_up_to_ten_seconds():
    assert [backoff_after(deaths) for deaths in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert backoff_after(10_000) == 10


def test_children_start_in_order_and_stop_in_the_opposite_one(tmp_path, journal):
    stack = supervisor(
        tmp_path,
        [command(tmp_path, "broker")],
        [command(tmp_path, "store")],
        [command(tmp_path, "one"), command(tmp_path, "two")],
    )
    stack.start()
    assert list(noted(tmp_path)) == ["broker", "store", "one", "two"]
    stack.stop()
    lines = journal.read_text().splitlines()
    assert lines[:2] == ["started broker", "started store"]
    assert sorted(lines[2:6]) == ["started one", "started two", "stopped one", "stopped two"]
    assert lines[6:] == ["stopped store", "stopped broker"]
    assert noted(tmp_path) == {}


def test_a_child_that_was_killed_is_started_again_and_noted(tmp_path, journal):
    stack = supervisor(tmp_path, [command(tmp_path, "worker")])
    stack.start()
    try:
        first = noted(tmp_path)["worker"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: journal.read_text().count("started worker") == 2)
        assert noted(tmp_path)["worker"] != first
        assert stack.restarts() == {"worker": 1}
    finally:
        stack.stop()
    assert journal.read_text().splitlines()[-1] == "stopped worker"


def test_a_child_that_keeps_dying_is_told_of(tmp_path, journal):
    stack = supervisor(tmp_path, [command(tmp_path, "worker", DIE, ready=lambda: True)])
    stack.start()
    try:
        eventually(lambda: journal.read_text().count("started") == 3)
        assert stack.failing() == []  # three deaths can be an accident
        assert stack.trouble is None
    finally:
        stack.stop()


def test_what_a_child_started_ends_with_it(tmp_path, journal):
    stack = supervisor(tmp_path, [command(tmp_path, "worker", WITH_A_CHILD)])
    stack.start()
    eventually(lambda: journal.read_text().count("forked") == 2)
    group = noted(tmp_path)["worker"]
    stack.stop()
    eventually(lambda: not [one for one in psutil.process_iter() if group_of(one) == group])


def group_of(process):
    try:
        return os.getpgid(process.pid) if process.status() != psutil.STATUS_ZOMBIE else None
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None


def test_a_child_that_does_not_stop_is_killed_after_its_grace(tmp_path, journal):
    stack = supervisor(tmp_path, [command(tmp_path, "worker", STUBBORN, grace_seconds=0.3)])
    stack.start()
    pid = noted(tmp_path)["worker"]
    stack.stop()
    assert start_time(pid) is None


def test_asking_twice_shortens_every_grace(tmp_path, journal):
    stop = StopRequest()
    stack = supervisor(tmp_path, [command(tmp_path, "worker", STUBBORN, grace_seconds=60)], stop=stop)
    stack.start()
    stop.ask()
    threading.Timer(0.2, stop.ask).start()
    begun = time.monotonic()
    stack.stop()
    assert time.monotonic() - begun < 10


def test_a_child_that_ends_while_starting_is_shown_with_its_log(tmp_path, journal):
    script = "import sys; print('the disk is made of cheese'); sys.exit(3)"
    stack = supervisor(tmp_path, [command(tmp_path, "store", script, ready=lambda: False)])
    with pytest.raises(StackError, match=r"store ended with code 3 while starting(?s:.*)made of cheese"):
        stack.start()
    stack.stop()


def test_a_child_that_never_answers_is_not_waited_for_longer_than_its_limit(tmp_path, journal):
    stack = supervisor(tmp_path, [command(tmp_path, "store", ready=lambda: False, ready_seconds=0.3)])
    with pytest.raises(StackError, match="store did not answer within"):
        stack.start()
    stack.stop()


def test_a_stop_that_is_asked_for_while_starting_is_heeded(tmp_path, journal):
    stop = StopRequest()
    stop.ask()
    stack = supervisor(tmp_path, [command(tmp_path, "store", ready=lambda: False)], stop=stop)
    with pytest.raises(StopAsked):
        stack.start()
    stack.stop()
    assert noted(tmp_path) == {}


def test_a_missing_tool_is_named_with_the_remedy(tmp_path):
    missing = Command("store", (str(tmp_path / "weed"),), folder=tmp_path, log=tmp_path / "log")
    with pytest.raises(StackError, match=r"store cannot start: .*weed is missing .*make run"):
        Child(missing)
    (tmp_path / "weed").touch(mode=0o600)
    with pytest.raises(StackError, match="may not be executed"):
        Child(missing)


def test_orphans_of_a_killed_supervisor_are_ended(tmp_path, journal):
    children = [Child(command(tmp_path, name)) for name in ("broker", "worker")]
    processes_file.note(tmp_path / "processes.json", children)
    eventually(lambda: journal.read_text().count("started") == 2)
    reaper = threading.Thread(target=lambda: [child._process.wait() for child in children])
    reaper.start()  # an orphan's parent is init, which reaps it
    assert processes_file.end_orphans(tmp_path / "processes.json", CLOCK) == ["worker", "broker"]
    reaper.join()
    assert journal.read_text().splitlines()[2:] == ["stopped worker", "stopped broker"]
    assert processes_file.end_orphans(tmp_path / "processes.json", CLOCK) == []


def test_another_process_with_the_same_id_is_left_alone(tmp_path, journal):
    child = Child(command(tmp_path, "stranger"))
    child.started_at -= 3600
    processes_file.note(tmp_path / "processes.json", [child])
    assert processes_file.end_orphans(tmp_path / "processes.json", CLOCK) == []
    assert child.exit_code is None
    child.stop(CLOCK)


def test_damaged_notes_are_no_notes(tmp_path):
    for text in ("", "{", "[{}]", "7", '[{"name": "x", "pid": "y", "started_at": 0}]'):
        (tmp_path / "processes.json").write_text(text)
        assert processes_file.end_orphans(tmp_path / "processes.json", CLOCK) == []
