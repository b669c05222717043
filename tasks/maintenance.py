"""Periodic steps: admit what waits, hint what is overdue, raise the marker. Each holds a short lease of its own,
so that two schedulers, or a doubled message, do no harm."""

import os
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from celery import Task, shared_task

from headrace.errors import HeadraceError
from headrace.ledger.records import Hint
from headrace.ledger.sweep import OVERDUE
from headrace.routing import Lane
from headrace.states import State
from tasks.hints import ADMIT, MARKER, MOST_QUEUED, SWEEP, step_of
from tasks.services import Services

log = structlog.get_logger()

# Longer than any of them works; a holder that dies blocks the next one no longer than this.
LEASE = timedelta(seconds=15)
BATCH = 200
MOST_BATCHES = 10
# How many runs of a kind one sweep hints, at most.
MOST_SWEPT = 500


def holder() -> str:
    """Who holds a lease: this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def alone(services: Services, name: str, work: Callable[[Services], Any]) -> None:
    """Do the work unless somebody else is at it; what fails is reported, and the next round tries again."""
    try:
        if not services.ledger.lease(name, holder(), LEASE):
            log.debug("lease is taken", lease=name)
            return
        try:
            work(services)
        finally:
            services.ledger.release(name, holder())
    except HeadraceError as error:
        log.warning("periodic step failed", lease=name, error=str(error))


@shared_task(bind=True, name=ADMIT, queue="maintenance")
def admit(self: Task) -> None:
    """The dispatcher: let waiting runs go, as many as their lanes have room for."""
    with self.app.services.hints.look() as ours:
        if ours:
            alone(self.app.services, "admit", admit_waiting)


def admit_waiting(services: Services) -> int:
    """Admit and hint; returns how many runs were admitted."""
    admitted = 0
    for _ in range(MOST_BATCHES):
        room = services.hints.room()
        hints = services.ledger.admit(services.routes, _most_of_a_lane(room))
        services.hints.hint_all(hints)
        admitted += len(hints)
        # Where the queues' depths are not known it is left at one batch.
        if len(hints) < BATCH or not room:
            break
    if admitted:
        log.info("runs admitted", runs=admitted)
    return admitted


def _most_of_a_lane(room: Mapping[str, int]) -> Callable[[Lane], int]:
    """How many runs of a lane may be admitted at once: as many as its queue has room for."""
    return lambda lane: min(BATCH, room.get(step_of(State.ADMITTED, lane.provider)[1], BATCH))


@shared_task(bind=True, name=SWEEP, queue="maintenance")
def sweep(self: Task) -> None:
    """Hint again what is overdue: a lease ran out, or a message was lost."""
    alone(self.app.services, "sweep", sweep_overdue)


def sweep_overdue(services: Services) -> None:
    """One sweep over runs, poll groups and lanes in doubt; a queue that is full gets no more."""
    room = services.hints.room()
    room_for = {which: room.get(step_of(which.state, "local" if which.local else None)[1]) for which in OVERDUE}
    hints = services.ledger.sweep(
        {which: MOST_SWEPT if left is None else left for which, left in room_for.items()},
        queued={which: MOST_QUEUED - left for which, left in room_for.items() if left is not None},
    )
    wanted = [hint for hint in hints if _fits(hint, room)]
    services.hints.hint_all(wanted)
    if hints:
        log.info("overdue runs hinted", runs=len(wanted), left_out=len(hints) - len(wanted))
    # Where many messages wait to be begun, those of groups that seem lost are most likely among them.
    for hint in services.ledger.wake_groups(room.get("poll", MOST_SWEPT)):
        log.info("poll group woken", group=hint.group_id)
        services.hints.poll(hint, hint.in_seconds)
    for lane in services.ledger.lanes_in_doubt():
        services.hints.settle(lane)


def _fits(hint: Hint, room: dict[str, int]) -> bool:
    """Whether the hint's queue has room for it, which is then taken."""
    if hint.state is State.WAITING:
        return True  # one for all of them
    _, queue = step_of(hint.state, hint.provider)
    left = room.get(queue, 1)
    if queue in room:
        room[queue] = left - 1
    return left > 0


@shared_task(bind=True, name=MARKER, queue="maintenance")
def raise_marker(self: Task) -> None:
    """Raise the ledger's sequence, first in the ledger and then in the bucket."""
    alone(self.app.services, "marker", lambda services: services.marker.raise_(services.routes.privates()))
