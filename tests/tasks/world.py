"""The pipeline in one process: real steps, a real ledger, an in-memory store, and messages that a test can see."""

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from config.lanes import LaneSettings
from config.routes import RouteTable
from config.settings import Settings
from headrace.counting.counter import PageCounter
from headrace.document import Document
from headrace.exports import Exporter
from headrace.ledger import Ledger
from headrace.ledger.marker import Marker
from headrace.limits.rate import Place, Rate
from headrace.preparing.preparer import Preparer
from headrace.routing import Lane, Route
from headrace.states import State
from headrace.storage.answers import Answers
from headrace.storage.notes import SubmissionNotes
from headrace.storage.revisions import StoredRevisions
from tasks.export import export
from tasks.hints import ADMIT, EXPORT, POLL, ROUTE, SETTLE, SUBMIT, Hints
from tasks.maintenance import admit_waiting, sweep_overdue
from tasks.poll import take_turn
from tasks.route import route
from tasks.settling import settle_alone
from tasks.step import perform
from tasks.submit import submit
from tests.clocks import ManualClock
from tests.memory_store import InMemoryStore

STEPS = {ROUTE: route, SUBMIT: submit, EXPORT: export}
INBOX = "inbox"


@dataclass
class Message:
    """One published message."""

    task: str
    args: list[Any]
    queue: str
    countdown: float = 0.0


class EmptyRedis:
    """Stands for a broker's pool, its connection and its Redis: no queue is deep, and no mark is kept.

    So every message is published.
    """

    asked = 0

    @contextmanager
    def acquire(self, *, block):
        yield self

    @property
    def default_channel(self):
        return self

    @property
    def client(self):
        return self

    def set(self, mark, value, *, nx, px):
        return True

    def delete(self, mark):
        """There is none."""

    @contextmanager
    def pipeline(self, *, transaction):
        yield self
        self.asked = 0

    def llen(self, name):
        self.asked += 1

    def execute(self):
        return [0] * self.asked


class RecordingApp:
    """Stands where the Celery app stands for Hints: keeps what is published; with an `error` its broker is away."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.published: list[Message] = []
        self.error: Exception | None = None

    @property
    def pool(self):
        if self.error is not None:
            raise self.error
        return EmptyRedis()

    def send_task(self, name, *, args, queue, countdown=None, expires=None, retry):
        if self.error is not None:
            raise self.error
        message = Message(name, args, queue, countdown or 0.0)
        self.messages.append(message)
        self.published.append(message)


@dataclass
class OpenLimits:
    """Stands where Redis stands: there is always a place, but where a lane is paused."""

    clock: ManualClock
    paused: dict[Lane, float] = field(default_factory=dict)
    taken: list[tuple[Lane, int]] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)
    ahead: list[float] = field(default_factory=list)
    emptied: bool = False

    def take(self, lane: Lane, pages: int, rate: Rate, *, most_wait_seconds: float = 0.0) -> Place:
        left = self.paused_seconds(lane)
        if left > 0:
            return Place(taken=False, seconds=left)
        self.taken.append((lane, pages))
        self.taken_at.append(self.clock.monotonic())
        return Place(taken=True, seconds=self.ahead.pop(0) if self.ahead else 0.0)

    def is_known(self, lane: Lane, place: Place) -> bool:
        """Where it was emptied meanwhile, nothing that was given before is known."""
        known, self.emptied = not self.emptied, False
        return known

    def paused_seconds(self, lane: Lane) -> float:
        return max(0.0, self.paused.get(lane, 0.0) - self.clock.monotonic())

    def pause(self, lane: Lane, asked_seconds: float | None = None) -> float:
        self.paused[lane] = self.clock.monotonic() + (asked_seconds or 30.0)
        return asked_seconds or 30.0

    def was_taken(self, lane: Lane) -> None:
        self.paused.pop(lane, None)


@dataclass
class World:
    """tasks.services.Services with everything of a run in reach of a test."""

    ledger: Ledger
    clock: ManualClock
    providers: dict[str, Any]
    routes: RouteTable
    counter: PageCounter
    store: InMemoryStore = field(default_factory=InMemoryStore)
    app: RecordingApp = field(default_factory=RecordingApp)
    settings: Settings = field(default_factory=Settings)
    preparer: Preparer = field(default_factory=Preparer)

    def __post_init__(self) -> None:
        self.hints = Hints(self.app, self.clock)
        self.limiter = OpenLimits(self.clock)
        self.notes = SubmissionNotes(self.store)
        self.answers = Answers(self.store)
        self.revisions = StoredRevisions(self.store)
        self.exporter = Exporter(self.store, self.ledger)
        self.marker = Marker(self.store, self.ledger, self.clock)
        for bucket in (INBOX, "out", "private"):
            self.store.create_bucket(bucket)
        for place in self.routes.privates():
            self.marker.establish(place)

    def provider(self, lane):
        return self.providers[lane.provider]

    def drop(self, key: str, body: bytes) -> str:
        """Put a file into the inbox and record it; the id of the run that was hinted, or of the known one."""
        self.store.put(INBOX, key, body)
        return self.see(key)

    def see(self, key: str) -> str:
        """Record what lies under a key, as a listing or an event would."""
        head = self.store.head(INBOX, key)
        (recorded,) = self.ledger.record(
            [Document(INBOX, key, head.etag, head.size, head.last_modified, version_id=head.version_id)]
        )
        if recorded.hint is not None:
            self.hints.hint(recorded.run_id, recorded.hint)
        return recorded.run_id

    def deliver(self) -> Message | None:
        """Deliver the next message; None when there is none."""
        if not self.app.messages:
            return None
        message = self.app.messages.popleft()
        self.clock.pass_(timedelta(seconds=message.countdown))
        if message.task == ADMIT:
            admit_waiting(self)
        elif message.task == SETTLE:
            settle_alone(self, Lane(*message.args))
        elif message.task == POLL:
            following = take_turn(self, *message.args)
            if following is not None:
                self.hints._publish(
                    POLL,
                    [following.group_id, following.generation],
                    queue="poll",
                    countdown=following.countdown_seconds,
                )
        else:
            task = STEPS[message.task]
            perform(self, *message.args, task.claims, task.body)
        return message

    def deliver_all(self, most: int = 500) -> list[Message]:
        """Deliver until no message is left; what was delivered."""
        delivered = []
        while (message := self.deliver()) is not None:
            delivered.append(message)
            assert len(delivered) < most, "the messages do not end"
        return delivered

    def sweep(self) -> None:
        sweep_overdue(self)

    def live(self, seconds: float) -> None:
        """Let at least so many seconds pass, the sweep looking after what rests or waits."""
        for _ in range(int(seconds // 5) + 1):
            self.clock.pass_(timedelta(seconds=5))
            self.sweep()
            self.deliver_all()

    def wait_out_doubt(self, *, seconds: float = 1200, steps: int = 10) -> None:
        """Let the time pass in which doubt can be settled, in so many steps, the sweep doing its work at each."""
        for _ in range(steps):
            self.clock.pass_(timedelta(seconds=seconds / steps))
            self.sweep()
            self.deliver_all()

    def state(self, run_id: str) -> State:
        return self.ledger.run(run_id).state


def table(*routes: Route, **lanes: int) -> RouteTable:
    """A route table; `lanes` says how much may be in flight, by provider."""
    settings = tuple(
        LaneSettings(
            provider=route.provider,
            account=route.account,
            model=route.model,
            in_flight=lanes.get(route.provider, 16),
            price_per_page="0.1",
        )
        for route in routes
    )
    return RouteTable(routes, settings)


def delivered_until_it_ends(world, run):
    """Deliver and sweep, a second after the other, until the run has left the provider; what was delivered."""
    delivered = world.deliver_all()
    while world.state(run) is State.SUBMITTED:
        world.clock.pass_(timedelta(seconds=1))
        world.sweep()
        delivered += world.deliver_all()
    return delivered
