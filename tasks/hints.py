"""Hints: messages that say "look at this run now". The ledger is the truth, so losing one costs only time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from headrace.clock import Clock
from headrace.faults import fault_point
from headrace.ledger.records import Hint, PollHint
from headrace.routing import Lane
from headrace.states import State

log = structlog.get_logger()

Found = TypeVar("Found")

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
BACKLOG_QUEUES = ("route", "submit", "poll", "local", "export")
MOST_QUEUED = 1000
# How long what was asked of the queues' depths is believed.
ROOM_SECONDS = 1.0

# Where many documents go at once, each would ask for two looks of the dispatcher, which cost as much as its own steps:
# looks are so far apart, and take a fifth of the time, unless that kept those who wait for more than a moment.
APART_SECONDS = 0.1
REST_OF_A_LOOK = 4
MOST_APART_SECONDS = 0.5

# Somebody asked for the dispatcher, and it has not begun.
_ASKED = "headrace:dispatcher-asked"
_ASKED_SECONDS = 2.0
# A message is on its way that has a step look at a run later.
_COMES_BACK = "headrace:comes-back"

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


def _room_of(client: Redis) -> dict[str, int]:
    # A queue is a list of Redis, and one call asks for the lengths of all.
    with client.pipeline(transaction=False) as pipeline:
        for name in BACKLOG_QUEUES:
            pipeline.llen(name)
        depths = pipeline.execute()
    return {name: max(0, MOST_QUEUED - depth) for name, depth in zip(BACKLOG_QUEUES, depths, strict=True)}


class Hints:
    """Publishes hints; where the broker cannot be reached it says so in the log, and the sweep hints later."""

    def __init__(self, app: Celery, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._away_until = 0.0
        self._room: dict[str, int] = {}
        self._room_until = 0.0
        self._looks_from = 0.0
        self._looks = threading.Lock()
        self._next_look = threading.Lock()

    def hint(self, run_id: str, state: State, provider: str | None = None) -> bool:
        """Have the step that takes a run on from this state look at it; False where the broker is away."""
        match state:
            case State.WAITING:
                return self.dispatch()
            case State.SUBMITTED:
                return True  # Its poll group has a message of its own.
            case _:
                task, queue = step_of(state, provider)
                # What a full queue has no room for stays in the ledger; the sweep feeds it.
                return not self._takes_room(queue) or self._publish(task, [run_id], queue=queue)

    def later(self, run_id: str, state: State, provider: str, seconds: float) -> None:
        """Have the step look at a run in so many seconds, at most 60: sooner than the sweep would, and to the point.

        A run has one such message on its way: each of two would lead to a further one, and so would what the sweep
        adds, for as long as it waits.
        """
        task, queue = step_of(state, provider)
        # Clocks differ a little: the mark is to be gone when the message comes.
        if self._marks(f"{_COMES_BACK}:{run_id}", seconds - 0.2):
            self._publish(task, [run_id], queue=queue, countdown=seconds)

    def room(self) -> dict[str, int]:
        """How many more messages each queue should get; nothing where the broker does not tell.

        The ledger holds the backlog: a queue that is fed to a set depth keeps the broker small.
        """
        return self._asked(_room_of, {})

    def _takes_room(self, queue: str) -> bool:
        """Whether the queue has room for one more, as far as was known a moment ago."""
        now = self._clock.monotonic()
        if now >= self._room_until:
            room = self.room()
            self._room, self._room_until = room, self._clock.monotonic() + (ROOM_SECONDS if room else AWAY_SECONDS)
        left = self._room.get(queue, 1)
        if queue in self._room:
            self._room[queue] = left - 1
        return left > 0

    def hint_all(self, hints: list[Hint]) -> None:
        """Publish several; the dispatcher is hinted once, however many runs wait.

        Where the broker is away the rest is left to the sweep: each try would wait for seconds.
        """
        for hint in hints:
            if hint.state is not State.WAITING and not self.hint(hint.run_id, hint.state, hint.provider):
                return
        if any(hint.state is State.WAITING for hint in hints):
            self.dispatch_anyway()

    def dispatch(self) -> bool:
        """Have the dispatcher look for runs that may be admitted; False where the broker is away.

        A message that waits to be begun says all that a second one would: then none is published.
        """
        return not self._marks(_ASKED, _ASKED_SECONDS) or self.dispatch_anyway()

    def dispatch_anyway(self) -> bool:
        """The same, whoever else has asked: a message may be lost."""
        return self._publish(ADMIT, [], queue="maintenance")

    @contextmanager
    def look(self) -> Iterator[bool]:
        """A look of the dispatcher, in the block: who asks from its beginning on needs another message.

        Where it looks already, or did so a moment ago, it waits, so that one look serves all who ask meanwhile. It is
        given False, and not to look, where another one waits: that one looks for both.
        """
        if not self._next_look.acquire(blocking=False):
            yield False
            return
        self._looks.acquire()
        self._next_look.release()
        began_at = self._clock.monotonic()
        try:
            self._clock.sleep(max(0.0, self._looks_from - began_at))
            self._asked(lambda client: client.delete(_ASKED), None)
            began_at = self._clock.monotonic()
            yield True
        finally:
            ended_at = self._clock.monotonic()
            apart = max(APART_SECONDS, REST_OF_A_LOOK * (ended_at - began_at))
            self._looks_from = ended_at + min(apart, MOST_APART_SECONDS)
            self._looks.release()

    def _marks(self, mark: str, seconds: float) -> bool:
        """Set a mark that goes after so long; False where it is set already. Where nobody can tell, it was not."""
        milliseconds = max(1, round(seconds * 1000))
        return self._asked(lambda client: bool(client.set(mark, "1", nx=True, px=milliseconds)), otherwise=True)

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
        if self._is_away():
            return False
        fault_point(f"publish.{task}.before")
        try:
            self._app.send_task(task, args=args, queue=queue, countdown=countdown, expires=expires, retry=False)
        except (OperationalError, RedisError, OSError) as error:
            self._note_away(error, task=task, args=args, queue=queue)
            return False
        fault_point(f"publish.{task}.after")
        return True

    def _asked(self, ask: Callable[[Redis], Found], otherwise: Found) -> Found:
        """What the broker's Redis answers; `otherwise` where it is away."""
        if self._is_away():
            return otherwise
        try:
            with self._app.pool.acquire(block=True) as connection:
                return ask(connection.default_channel.client)
        except (OperationalError, RedisError, OSError) as error:
            self._note_away(error)
            return otherwise

    def _is_away(self) -> bool:
        return self._clock.monotonic() < self._away_until

    def _note_away(self, error: Exception, **unpublished: Any) -> None:
        # Nothing is lost: the ledger has the state, and the sweep hints what is overdue.
        log.warning("broker away, the sweep hints later", error=type(error).__name__, **unpublished)
        self._away_until = self._clock.monotonic() + AWAY_SECONDS
