"""Hints may be lost: a broker that is away slows nobody down."""

import threading
from datetime import timedelta

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from config.celery import celery_settings
from headrace.clock import SystemClock
from headrace.ledger.records import Hint
from headrace.states import State
from tasks.hints import APART_SECONDS, AWAY_SECONDS, BACKLOG_QUEUES, MOST_APART_SECONDS, MOST_QUEUED, Hints
from tasks.maintenance import admit_waiting
from tests.pdfs import make_pdf
from tests.tasks.world import EmptyRedis


class AwayApp:
    """A broker that cannot be reached while `error` is set."""

    def __init__(self, error):
        self.error = error
        self.tries = 0

    @property
    def pool(self):
        if self.error is not None:
            self.tries += 1
            raise self.error
        return EmptyRedis()

    def send_task(self, name, **_):
        self.tries += 1
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [OperationalError("away"), RedisConnectionError("cut"), OSError("refused")])
def test_a_broker_that_is_away_is_tried_once_in_a_while(error, clock):
    app = AwayApp(error)
    hints = Hints(app, clock)
    assert [hints.hint(f"run-{n}", State.RECEIVED) for n in range(100)] == [False] * 100
    assert app.tries == 1
    app.error = None
    clock.sleep(AWAY_SECONDS)
    assert hints.hint("run-1", State.RECEIVED)
    assert app.tries == 2


def test_many_waiting_runs_are_one_hint_for_the_dispatcher(clock):
    app = AwayApp(None)
    Hints(app, clock).hint_all([Hint(f"run-{n}", State.WAITING) for n in range(50)])
    assert app.tries == 1


def test_looks_of_the_dispatcher_are_a_moment_apart_and_a_lone_one_does_not_wait(clock):
    hints, began = Hints(AwayApp(None), clock), clock.monotonic()
    with hints.look():
        assert clock.monotonic() == began
    with hints.look():
        assert clock.monotonic() == pytest.approx(began + APART_SECONDS)
    clock.sleep(1)
    with hints.look():
        assert clock.monotonic() == pytest.approx(began + APART_SECONDS + 1)


@pytest.mark.parametrize(("took", "rests"), [(0.05, 0.2), (3.0, MOST_APART_SECONDS)])
def test_a_look_that_takes_long_is_followed_by_a_longer_rest(clock, took, rests):
    hints = Hints(AwayApp(None), clock)
    with hints.look():
        clock.sleep(took)
    ended = clock.monotonic()
    with hints.look():
        assert clock.monotonic() == pytest.approx(ended + rests)


def test_who_asks_while_the_dispatcher_looks_is_served_by_one_look_after_it():
    """However long a look takes, no more than one other waits for it: the sweep shares their threads."""
    hints, second_looks = Hints(AwayApp(None), SystemClock()), threading.Event()

    def look_second():
        with hints.look() as ours:
            assert ours
            second_looks.set()

    with hints.look() as ours:
        assert ours
        second = threading.Thread(target=look_second)
        second.start()
        while not hints._next_look.locked():
            second_looks.wait(0.01)
        with hints.look() as third:
            assert not third, "the second looks for it"
        assert not second_looks.is_set(), "the first to end would give up the lease of both"
    second.join(10)
    assert second_looks.is_set()


def test_a_submitted_run_needs_no_hint_of_its_own(clock):
    app = AwayApp(None)
    assert Hints(app, clock).hint("run", State.SUBMITTED)
    assert app.tries == 0


def test_what_is_admitted_while_the_broker_is_away_goes_once_it_is_back_and_is_paid_once(world, provider):
    runs = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (1, 2, 3)]
    for _ in runs:
        world.deliver()  # routed
    world.app.error = OSError("refused")
    world.app.messages.clear()
    assert world.hints.room() == {}
    assert admit_waiting(world) == 3
    for _ in range(3):
        world.clock.pass_(timedelta(minutes=1))
        world.sweep()
    assert [*map(world.state, runs), *world.app.messages] == [State.ADMITTED] * 3
    assert provider.requests == []
    world.app.error = None
    world.clock.pass_(timedelta(seconds=15))
    world.sweep()
    world.deliver_all()
    assert {world.state(run) for run in runs} == {State.EXPORTED}
    assert len(provider.requests) == 3


def test_the_sweep_feeds_a_queue_only_to_a_set_depth(world, monkeypatch):
    monkeypatch.setattr("tasks.maintenance.MOST_QUEUED", 2)
    for number in range(5):
        world.drop(f"paid/{number}.pdf", b"%PDF-1.7 " + bytes([number]))
    world.app.messages.clear()
    world.clock.sleep(6)
    world.hints.room = lambda: {"route": 2}
    world.sweep()
    assert [message.queue for message in world.app.messages] == ["route"] * 2
    # What was left out is due again; nothing is forgotten.
    world.app.messages.clear()
    world.clock.sleep(30)
    world.hints.room = dict
    world.sweep()
    assert len(world.app.messages) == 5


def test_the_sweep_gives_no_second_message_to_runs_whose_own_wait_in_a_deep_queue(world):
    for number in range(5):
        world.drop(f"paid/{number}.pdf", b"%PDF-1.7 " + bytes([number]))
    world.app.messages.clear()
    world.clock.sleep(6)
    world.hints.room = lambda: {"route": MOST_QUEUED - 4}
    world.sweep()
    assert [message.queue for message in world.app.messages] == ["route"]


def test_a_full_queue_of_paid_requests_keeps_no_local_document_from_being_hinted(world):
    runs = [world.drop(f"{folder}/a.pdf", make_pdf(1)) for folder in ("paid", "free")]
    for _ in runs:
        world.deliver()  # routed
    admit_waiting(world)
    world.app.messages.clear()
    world.clock.sleep(6)
    world.hints.room = lambda: {"submit": 0, "local": MOST_QUEUED}
    world.sweep()
    assert [(message.queue, message.args) for message in world.app.messages] == [("local", [runs[1]])]


def test_the_dispatcher_is_asked_once_until_it_begins(valkey_url, clock):
    app = Celery("headrace")
    app.conf.update(celery_settings(valkey_url))
    one, other = Hints(app, clock), Hints(app, clock)
    assert [hints.dispatch() for hints in (one, other, one)] == [True] * 3
    assert _waiting(app, "maintenance") == 1
    with one.look():
        pass
    assert other.dispatch()
    assert _waiting(app, "maintenance") == 2
    other.dispatch_anyway()
    assert _waiting(app, "maintenance") == 3, "the sweep asks whoever has asked: a message may be lost"
    app.close()


def test_a_run_that_comes_back_later_has_one_message_on_its_way(valkey_url, clock):
    """Else each message that finds no place leads to another one, and so does each that the sweep adds."""
    app = Celery("headrace")
    app.conf.update(celery_settings(valkey_url))
    one, other = Hints(app, clock), Hints(app, clock)
    for hints in (one, other, one):
        hints.later("run-1", State.ADMITTED, "nanonets", 30.0)
    one.later("run-2", State.ADMITTED, "nanonets", 30.0)
    assert _waiting(app, "submit") == 2
    app.close()


def test_a_queue_that_is_fuller_than_it_should_be_has_no_room(valkey_url, clock):
    app = Celery("headrace")
    app.conf.update(celery_settings(valkey_url))
    with app.connection_for_read() as connection:
        connection.default_channel.client.lpush("export", *range(MOST_QUEUED + 5))
    assert Hints(app, clock).room()["export"] == 0
    app.close()


def _waiting(app, queue):
    with app.connection_for_read() as connection:
        return connection.default_channel.queue_declare(queue=queue, passive=True).message_count


def test_a_real_broker_tells_how_much_room_its_queues_have(valkey_url, clock):
    app = Celery("headrace")
    app.conf.update(celery_settings(valkey_url))
    hints = Hints(app, clock)
    assert hints.room() == dict.fromkeys(BACKLOG_QUEUES, MOST_QUEUED)
    hints.hint("run", State.RECEIVED)
    hints.hint("run", State.ADMITTED, "local")
    assert (hints.room()["route"], hints.room()["local"]) == (MOST_QUEUED - 1, MOST_QUEUED - 1)
    app.close()
