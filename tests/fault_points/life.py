"""A process of a case, from its fork to its end: it starts the pipeline, lives until all has ended, and tells."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial

from headrace.faults import set_fault_handler
from tests.fault_points import messages, pipeline
from tests.fault_points.boundaries import watch_boundaries
from tests.fault_points.outcome import open_ends, outcome
from tests.fault_points.passings import ROLE, Passing, Passings
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import World
from workers.logging import configure_logging

LOOK_SECONDS = 0.2
RESULT = "result.json"


def begin(world: World, scenario: Scenario, kill_at: Passing | None, bound_seconds: float) -> int:
    """Fork the process in which a case begins; its id."""
    return _forked(world, lambda: _first_life(world, scenario, kill_at, bound_seconds))


def restart(world: World, scenario: Scenario, bound_seconds: float) -> int:
    """Fork the process in which it goes on after the first one was killed; its id."""
    return _forked(world, lambda: _second_life(world, scenario, bound_seconds))


def _first_life(world: World, scenario: Scenario, kill_at: Passing | None, bound_seconds: float) -> None:
    world.make_ledger()
    if scenario.echoed:
        world.services.ledger.note_echo(world.lane)
    scenario.prepare(world)
    disturbances = {at: partial(disturb, world) for at, disturb in scenario.disturbances.items()}
    passings = Passings(world.trace, kill_at, disturbances)
    set_fault_handler(passings)
    watch_boundaries(passings)
    ended = _live(world, scenario, time.monotonic() + bound_seconds)
    passings.end()
    _tell(world, ended, seconds=None)


def _second_life(world: World, scenario: Scenario, bound_seconds: float) -> None:
    began = time.monotonic()
    ended = _live(world, scenario, began + bound_seconds)
    seconds = time.monotonic() - began
    if ended:
        # What the dead process had taken would come again after the visibility timeout; it must do no harm then.
        messages.give_back_what_was_taken(world)
        ended = _wait(lambda: not messages.waiting(world) and not messages.taken(world), began + bound_seconds)
    _tell(world, ended, seconds)


def _live(world: World, scenario: Scenario, deadline: float) -> bool:
    """Whether everything ended in time."""
    ROLE.set("person")
    scenario.act_before(world)
    pipeline.start(world)
    scenario.act(world)

    def has_ended() -> bool:
        scenario.meanwhile(world)
        return scenario.has_ended(world) and not messages.waiting(world)

    return _wait(has_ended, deadline)


def _wait(has_come: Callable[[], bool], deadline: float) -> bool:
    """Until it has come; whether that was in time."""
    while not has_come():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _tell(world: World, ended: bool, seconds: float | None) -> None:
    result = {"ended": ended, "seconds": seconds, "open": open_ends(world), "outcome": outcome(world)}
    (world.folder / RESULT).write_text(json.dumps(result), encoding="utf-8")


def _forked(world: World, life: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        log = os.open(world.folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        configure_logging("info", "console", world.settings.secrets(), stream=sys.stderr)
        life()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
