"""Hints may be lost: a broker that is away slows nobody down."""

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from headrace.ledger.records import Hint
from headrace.states import State
from tasks.hints import AWAY_SECONDS, Hints


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
