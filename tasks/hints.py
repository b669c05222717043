"""Hints: messages that say "look at this run now". The ledger is the truth, so losing one costs only time."""

from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import RedisError

from headrace.clock import Clock
from headrace.faults import fault_point
from headrace.ledger.records import Hint, PollHint
from headrace.routing import Lane
from headrace.states import State

log = structlog.get_logger()

ROUTE = "headrace.route"
ADMIT = "headrace.admit"
SUBMIT = "headrace.submit"
POLL = "headrace.poll"
EXPORT = "headrace.export"
SWEEP = "headrace.sweep"
SETTLE = "headrace.settle"
SCAN = "headrace.scan"
SCHEDULES = "headrace.schedules"
MARKER = "headrace.marker"

SETTLE_EXPIRES_SECONDS = 30.0

# A try at a broker that is away takes seconds, so after one no other is made for this long.
AWAY_SECONDS = 5.0

# What the sweep feeds, and how deep; a queue that is deeper has work for long enough.
BACKLOG_QUEUES = ("route", "submit", "local", "export")
MOST_QUEUED = 1000

# What must be loaded for it is heavy, so the local provider has a queue, and processes, of its own.
LOCAL_QUEUE = "local"


def step_of(state: State, provider: str | None) -> tuple[str, str]:
    """The task that takes a run on from this state, and its queue."""
    match state:
        case State.RECEIVED:
            return ROUTE, "route"
        case State.ADMITTED:
            return SUBMIT, LOCAL_QUEUE if provider == "local" else "submit"
        case _:
            return EXPORT, "export"


def _depth(channel: Any, queue: str) -> int:
    try:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:
        return 0  # Redis knows no queue that is empty.


class Hints:
    """Publishes hints; where the broker cannot be reached it says so in the log, and the sweep hints later."""

    def __init__(self, app: Celery, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._away_until = 0.0

    def hint(self, run_id: str, state: State, provider: str | None = None) -> bool:
        """Have the step that takes a run on from this state look at it; False where the broker is away."""
        match state:
            case State.WAITING:
                return self.dispatch()
            case State.SUBMITTED:
                return True  # Its poll group has a message of its own.
            case _:
                task, queue = step_of(state, provider)
                return self._publish(task, [run_id], queue=queue)

    def room(self) -> dict[str, int]:
        """How many more messages each queue should get; nothing where the broker does not tell.

        The ledger holds the backlog: a queue that is fed to a set depth keeps the broker small.
        """
        try:
            with self._app.connection_for_read() as connection:
                channel = connection.default_channel
                return {name: MOST_QUEUED - _depth(channel, name) for name in BACKLOG_QUEUES}
        except (OperationalError, RedisError, OSError) as error:
            log.warning("queue depths unknown", error=type(error).__name__)
            return {}

    def hint_all(self, hints: list[Hint]) -> None:
        """Publish several; the dispatcher is hinted once, however many runs wait.

        Where the broker is away the rest is left to the sweep: each try would wait for seconds.
        """
        for hint in hints:
            if hint.state is not State.WAITING and not self.hint(hint.run_id, hint.state, hint.provider):
                return
        if any(hint.state is State.WAITING for hint in hints):
            self.dispatch()

    def dispatch(self) -> bool:
        """Have the dispatcher look for runs that may be admitted; False where the broker is away."""
        return self._publish(ADMIT, [], queue="maintenance")

    def poll(self, hint: PollHint, countdown_seconds: float) -> None:
        """Start (or revive) a poll group's chain of messages."""
        self._publish(POLL, [hint.group_id, hint.generation], queue="poll", countdown=max(countdown_seconds, 0.0))

    def settle(self, lane: Lane) -> bool:
        """Have the doubts of a lane looked at; False where the broker is away.

        The sweep says so again as long as one is due, so a message that nobody takes is dropped.
        """
        return self._publish(SETTLE, list(lane), queue="poll", expires=SETTLE_EXPIRES_SECONDS)

    def _publish(
        self, task: str, args: list[Any], *, queue: str, countdown: float | None = None, expires: float | None = None
    ) -> bool:
        if self._clock.monotonic() < self._away_until:
            return False
        fault_point(f"publish.{task}.before")
        try:
            self._app.send_task(task, args=args, queue=queue, countdown=countdown, expires=expires, retry=False)
        except (OperationalError, RedisError, OSError) as error:
            # Nothing is lost: the ledger has the state, and the sweep hints what is overdue.
            log.warning("hint not published", task=task, args=args, queue=queue, error=type(error).__name__)
            self._away_until = self._clock.monotonic() + AWAY_SECONDS
            return False
        fault_point(f"publish.{task}.after")
        return True
