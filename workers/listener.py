"""The listener: the process that learns of new objects. It keeps every door open until it is stopped."""

import gc
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

import structlog

from config.settings import Settings, environment, load_settings
from headrace.errors import ConfigurationError, LedgerError, StorageError, TransientError
from workers.bucket_queue import bucket_queues
from workers.doors import Door
from workers.intake import Intake
from workers.logging import configure_logging
from workers.private_memory import keep_memory_private
from workers.queue_door import QueueDoor
from workers.watch_door import watch_doors

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
# Less than the process has to end in, and more than a queue is waited for.
LEAVE_SECONDS = 7.0
_HEED_SECONDS = 0.5


def keep_open(door: Door, stop: threading.Event, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> None:
    """Look through a door again and again until stopped; where a server fails it, wait longer and longer."""
    pause_seconds = first_pause_seconds
    while not stop.is_set():
        try:
            next_look_seconds = door.look()
        except (TransientError, LedgerError, StorageError) as error:
            log.warning("door is waiting", door=door.name, seconds=pause_seconds, why=str(error))
            stop.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        else:
            pause_seconds = first_pause_seconds
            stop.wait(next_look_seconds)


def listen(doors: Sequence[Door], stop: threading.Event, leave_seconds: float = LEAVE_SECONDS) -> None:
    """Keep every door open, each in its thread, until stopped; then let each finish what it is at, for a while.

    Where one fails in an unforeseen way all are closed and its error is raised: the supervisor starts the process anew.
    """
    running = {_in_a_thread(door, stop): door for door in doors}
    # A signal's handler interrupts this thread: waiting for `stop` itself, it could hold what setting it needs.
    while not stop.is_set():
        if wait(running, timeout=_HEED_SECONDS, return_when=FIRST_COMPLETED).done:
            stop.set()
    done, late = wait(running, timeout=leave_seconds)
    for ended in late:
        # What it received and did not finish comes again, to the next process.
        log.warning("door did not close in time", door=running[ended].name, seconds=leave_seconds)
    for ended in done:
        ended.result()


def _in_a_thread(door: Door, stop: threading.Event) -> Future[None]:
    """Keep a door open in a thread that does not keep the process from ending, as those of a pool would."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            keep_open(door, stop)
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=run, name=door.name, daemon=True).start()
    return outcome


def main() -> None:
    """Run the listener until SIGTERM or SIGINT; a mistake in the configuration ends it with status 3."""
    keep_memory_private()
    stop = threading.Event()
    try:
        settings = load_settings(environment())
        configure_logging(settings.log_level, settings.log_format, settings.secrets())
        doors = _doors(settings, stop)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(3) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # What is loaded by now stays: looking through it took as long as reading the pages of a listing.
    gc.freeze()
    log.info("listener started", doors=[door.name for door in doors])
    listen(doors, stop)
    log.info("listener stopped")


def _doors(settings: Settings, stop: threading.Event) -> list[Door]:
    from workers.factory import build_services

    services = build_services(settings)
    doors: list[Door] = []
    if settings.watch_seconds > 0:
        doors += watch_doors(
            services.routes,
            services.store,
            services.ledger,
            services.hints.hint,
            every_seconds=settings.watch_seconds,
            clock=services.clock,
        )
    intake = Intake(services.ledger, services.store, services.routes, services.hints.hint, services.clock)
    doors += [QueueDoor(queue, intake, services.clock, stop) for queue in bucket_queues(settings)]
    if not doors:
        raise ConfigurationError(
            "The listener has nothing to listen to: HEADRACE_WATCH_SECONDS is 0 and HEADRACE_SQS_QUEUE_URLS is not "
            "set. Set one of them, or do not start it."
        )
    return doors


if __name__ == "__main__":
    main()
