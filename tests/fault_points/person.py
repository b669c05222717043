"""What a person does in a case: calls a command, waits, has something done sooner than it is due."""

import os
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from typer.testing import CliRunner

from headrace.ledger.records import Run
from headrace.ledger.schema import runs
from headrace.states import Reason, State
from tests.fault_points import pipeline
from tests.fault_points.world import World
from workers.cli.main import app
from workers.cli.session import Session

WAIT_SECONDS = 120.0
_LOOK_SECONDS = 0.2


class NotCome(Exception):
    """What a person waited for did not come."""


def headrace(world: World, *arguments: str, may_end_with: tuple[int, ...] = (0,)) -> str:
    """Call a command in this process; what it said on standard output."""
    session = Session(
        environ=lambda: dict(world.environ),
        local_environment=lambda _folder: None,
        build=lambda _settings: world.services,
        start_logging=lambda _settings, _level: None,
        can_ask=lambda: False,
    )
    result = CliRunner().invoke(app, list(arguments), obj=session, prog_name="headrace", catch_exceptions=False)
    if result.exit_code not in may_end_with:
        raise NotCome(f"headrace {' '.join(arguments)} ended with {result.exit_code}: {result.output} {result.stderr}")
    return result.stdout


def until(has_come: Callable[[], object], what: str) -> None:
    """Wait for it; NotCome where it takes too long."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not has_come():
        if time.monotonic() > deadline:
            raise NotCome(what)
        time.sleep(_LOOK_SECONDS)


def run_of(world: World, number: int = 1) -> Run | None:
    """The run of this number of the case's only document, if there is one yet."""
    return next((run for run in world.runs() if run.number == number), None)


def is_out(world: World, *states: State, number: int = 1) -> bool:
    """Whether the run stands in one of these states and its manifest is published."""
    run = run_of(world, number)
    return run is not None and run.state in states and run.published


def hurry(world: World, state: State, *reasons: Reason | None) -> None:
    """Have what waits be due now: nobody has to sit through a pause of half a minute."""
    waits = (runs.c.state == state) & runs.c.lease_until.is_(None)
    if reasons:
        waits &= runs.c.reason.in_([reason for reason in reasons if reason is not None])
    now = datetime.now(UTC)
    with world.database.begin() as connection:
        connection.execute(update(runs).where(waits, runs.c.due_at > now + timedelta(seconds=1)).values(due_at=now))


def take_over(world: World) -> None:
    """Let the lease of who is submitting run out now, as if it had slept for long: another one takes the run up."""
    now = datetime.now(UTC)
    held = (runs.c.state == State.ADMITTED) & runs.c.lease_until.is_not(None) & (runs.c.token == _token(world))
    with world.database.begin() as connection:
        connection.execute(update(runs).where(held).values(lease_until=now, due_at=now))


def _token(world: World) -> int:
    run = run_of(world)
    return -1 if run is None else run.token


def live_before(world: World, has_ended: Callable[[World], bool]) -> None:
    """Live in a process of its own, undisturbed, until it has ended: what a case finds when it begins."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            pipeline.start(world)
            until(lambda: has_ended(world), "the life before did not end")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if status:
        raise NotCome("the life before did not end")
