"""The whole pipeline in one process: a worker for every queue, the doors, and beat; everything in threads."""

import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context

import structlog
from celery.worker import WorkController

from config.celery import QUEUES
from tests.fault_points.passings import ROLE
from tests.fault_points.world import World
from workers.bucket_queue import bucket_queues
from workers.doors import Door
from workers.intake import Intake
from workers.listener import keep_open
from workers.queue_door import QueueDoor
from workers.watch_door import watch_doors

log = structlog.get_logger()

THREADS = 6
WATCH_SECONDS = 1.5
# What comes by the clock comes sooner here, all else being the same: the first time at once, then as often as this.
FIRST_HINT_SECONDS = 0.3
SHORTEST_INTERVAL_SECONDS = 1.5


def start(world: World) -> None:
    """Start everything; nothing stops it but the process's end."""
    worker = WorkController(
        app=world.app,
        hostname=f"{world.name}@here",
        pool_cls="threads",
        concurrency=THREADS,
        queues=",".join(QUEUES),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    _in_a_thread("worker", worker.start)
    never = threading.Event()
    for role, door in _doors(world, never):
        _in_a_thread(role, lambda door=door: keep_open(door, never))
    _in_a_thread("beat", lambda: _beat(world))


def _doors(world: World, stop: threading.Event) -> Iterator[tuple[str, Door]]:
    """What the listener keeps open, and what each is called here."""
    services, settings = world.services, world.settings
    if settings.watch_seconds > 0:
        for door in watch_doors(
            services.routes,
            services.store,
            services.ledger,
            services.hints.hint,
            every_seconds=WATCH_SECONDS,
            clock=services.clock,
        ):
            yield "door", door
    intake = Intake(services.ledger, services.store, services.routes, services.hints.hint, services.clock)
    for queue in bucket_queues(settings):
        yield "queue", QueueDoor(queue, intake, services.clock, stop)


def _beat(world: World) -> None:
    """Publish what beat's schedule says, a bit at a time, sooner than it says."""
    schedule = world.app.conf.beat_schedule.values()
    now = world.services.clock.monotonic()
    due = {entry["task"]: now + FIRST_HINT_SECONDS for entry in schedule}
    shortest = min(entry["schedule"] for entry in schedule)
    intervals = {entry["task"]: SHORTEST_INTERVAL_SECONDS * entry["schedule"] / shortest for entry in schedule}
    while True:
        now = world.services.clock.monotonic()
        for entry in schedule:
            task = entry["task"]
            if due[task] <= now:
                world.app.send_task(task, **entry["options"], retry=False)
                due[task] = now + intervals[task]
        world.services.clock.sleep(max(0.05, min(due.values()) - world.services.clock.monotonic()))


def _in_a_thread(role: str, work: Callable[[], object]) -> None:
    def run() -> None:
        ROLE.set(role)
        try:
            work()
        except BaseException:
            log.exception("thread ended", role=role)

    threading.Thread(target=copy_context().run, args=(run,), name=role, daemon=True).start()
