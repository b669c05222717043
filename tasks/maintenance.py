"""Periodic steps: admit what waits, hint what is overdue, raise the marker. Each holds a short lease of its own,
so that two schedulers, or a doubled message, do no harm."""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from celery import Task, shared_task

from headrace.errors import HeadraceError
from headrace.ledger.records import Hint
from headrace.states import State
from tasks.hints import ADMIT, MARKER, SWEEP, step_of
from tasks.services import Services

log = structlog.get_logger()

# Longer than any of them works; a holder that dies blocks the next one no longer than this.
LEASE = timedelta(seconds=15)
BATCH = 200
MOST_BATCHES = 10


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
    alone(self.app.services, "admit", admit_waiting)


def admit_waiting(services: Services) -> int:
    """Admit and hint; returns how many runs were admitted."""
    admitted = 0
    for _ in range(MOST_BATCHES):
        hints = services.ledger.admit(lambda lane: services.routes.lane(lane).in_flight, limit=BATCH)
        services.hints.hint_all(hints)
        admitted += len(hints)
        if len(hints) < BATCH:
            break
    if admitted:
        log.info("runs admitted", runs=admitted)
    return admitted


@shared_task(bind=True, name=SWEEP, queue="maintenance")
def sweep(self: Task) -> None:
    """Hint again what is overdue: a lease ran out, or a message was lost."""
    alone(self.app.services, "sweep", sweep_overdue)


def sweep_overdue(services: Services) -> None:
    """One sweep over runs, poll groups and lanes in doubt, in bounded batches; a queue that is full gets no more."""
    room = services.hints.room()
    for _ in range(MOST_BATCHES):
        hints = services.ledger.sweep(limit=BATCH)
        wanted = [hint for hint in hints if _fits(hint, room)]
        services.hints.hint_all(wanted)
        if hints:
            log.info("overdue runs hinted", runs=len(wanted), left_out=len(hints) - len(wanted))
        if len(hints) < BATCH:
            break
    for hint in services.ledger.revive_groups():
        log.info("poll group revived", group=hint.group_id)
        services.hints.poll(hint, 0.0)
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
