"""Hints may be lost: a broker that is away slows nobody down."""

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from config.celery import celery_settings
from headrace.ledger.records import Hint
from headrace.states import State
from tasks.hints import AWAY_SECONDS, BACKLOG_QUEUES, MOST_QUEUED, Hints


class AwayApp:
    """A broker that cannot be reached while `error` is set."""

    def __init__(self, error):
        self.error = error
        self.tries = 0

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


def test_a_submitted_run_needs_no_hint_of_its_own(clock):
    app = AwayApp(None)
    assert Hints(app, clock).hint("run", State.SUBMITTED)
    assert app.tries == 0


def test_the_sweep_feeds_a_queue_only_to_a_set_depth(world):
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


def test_a_real_broker_tells_how_much_room_its_queues_have(valkey_url, clock):
    app = Celery("headrace")
    app.conf.update(celery_settings(valkey_url))
    hints = Hints(app, clock)
    assert hints.room() == dict.fromkeys(BACKLOG_QUEUES, MOST_QUEUED)
    hints.hint("run", State.RECEIVED)
    hints.hint("run", State.ADMITTED, "local")
    assert (hints.room()["route"], hints.room()["local"]) == (MOST_QUEUED - 1, MOST_QUEUED - 1)
    app.close()
