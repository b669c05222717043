"""Who is held up between its place and its request does not go out beside those whose places are now."""

from datetime import timedelta

import pytest

from config.routes import RouteTable
from headrace.faults import set_fault_handler
from headrace.states import State
from tasks.hints import Hints
from tests.clocks import ManualClock
from tests.pdfs import make_pdf
from tests.tasks.conftest import PAID
from tests.tasks.scripted import answer
from tests.tasks.world import RecordingApp

LANE = PAID.lane


class SlowApp(RecordingApp):
    """A broker that is away: to find that out takes seconds."""

    clock: ManualClock

    @property
    def pool(self):
        self.clock.pass_(timedelta(seconds=3))
        raise OSError("away")


@pytest.fixture
def held_up(clock):
    """The first worker that notes what it is about to send stands still for so long, and something happens then."""

    def arm(seconds, meanwhile=lambda: None):
        def handler(here):
            if here == "notes.create.after":
                set_fault_handler(None)
                clock.pass_(timedelta(seconds=seconds))
                meanwhile()

        set_fault_handler(handler)

    yield arm
    set_fault_handler(None)


def test_who_is_on_time_goes_with_its_place(world, provider, held_up):
    held_up(0.4)
    run = world.drop("paid/a.pdf", make_pdf(2))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert world.limiter.taken == [(LANE, 2)]


def test_who_is_late_takes_another_place(world, provider, held_up):
    held_up(3)
    run = world.drop("paid/a.pdf", make_pdf(2))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert world.limiter.taken == [(LANE, 2), (LANE, 2)]
    assert len(provider.requests) == 1


def test_a_broker_that_is_slow_to_be_asked_makes_nobody_late(world, provider, clock):
    """What goes out asks for the next one to be admitted; where the broker is away, that takes seconds."""
    limited = world.routes.lane(LANE).model_copy(update={"pages_per_minute": 60})
    world.routes = RouteTable(world.routes.routes, (limited,))
    run = world.drop("paid/a.pdf", make_pdf(2))
    while world.state(run) is not State.ADMITTED:
        world.deliver()
    slow = SlowApp()
    slow.clock, slow.messages = clock, world.app.messages
    world.app, world.hints = slow, Hints(slow, clock)
    sent_at = []
    provider.submits.append(lambda _source, _request: sent_at.append(clock.monotonic()) or answer())
    world.deliver_all()
    assert world.state(run) is State.PREDICTED, "the sweep has it exported"
    assert world.limiter.taken == [(LANE, 2), (LANE, 2)], "it was late, and took another place"
    assert sent_at[0] - world.limiter.taken_at[-1] < 1


def test_who_is_late_and_finds_no_place_goes_back_into_its_queue(world, provider, clock, held_up):
    held_up(3, lambda: world.limiter.pause(LANE, 20))
    run = world.drop("paid/a.pdf", make_pdf(2))
    world.deliver_all()
    assert (world.state(run), world.ledger.run(run).attempts) == (State.WAITING, 0)
    assert provider.requests == []
    clock.pass_(timedelta(seconds=21))
    world.sweep()
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert [request.key.n for request in provider.requests] == [1]


def test_a_place_that_lies_ahead_is_waited_for(world, provider, clock):
    world.limiter.ahead = [1.5]
    run = world.drop("paid/a.pdf", make_pdf(2))
    began_at = clock.monotonic()
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert world.limiter.taken == [(LANE, 2)]
    assert clock.monotonic() - began_at >= 1.5


def test_a_place_that_redis_has_forgotten_meanwhile_is_not_used(world, provider):
    """Who asks the emptied one is given places from now on: both would go at the same time."""
    world.limiter.ahead, world.limiter.emptied = [1.5], True
    run = world.drop("paid/a.pdf", make_pdf(2))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert world.limiter.taken == [(LANE, 2), (LANE, 2)]
    assert len(provider.requests) == 1
    assert world.ledger.run(run).attempts == 0
