"""Schedules are served once for each due time, whoever looks, and however many beats there are."""

from datetime import timedelta

import pytest

from config.routes import RouteTable
from config.schedules import Schedule
from headrace.errors import PredictionRejected
from headrace.states import Reason, State
from tasks.maintenance import alone
from tasks.schedules import serve_due
from tests.pdfs import make_pdf
from tests.tasks.scripted import answer


@pytest.fixture
def scheduled(world):
    def with_schedule(**facts):
        schedule = Schedule(name="nightly", every_seconds=3600, **facts)
        world.routes = RouteTable(world.routes.routes, world.routes.lanes, (schedule,))
        return world

    return with_schedule


def test_a_schedule_reprocesses_what_lies_below_its_prefix(scheduled, provider):
    world = scheduled(action="reprocess", prefix="s3://inbox/paid/")
    first = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    world.clock.pass_(timedelta(hours=1))
    assert serve_due(world) == ["nightly"]
    world.deliver_all()
    document = world.ledger.run(first).document
    latest = world.ledger.latest_run(document.id)
    assert (latest.number, latest.state) == (2, State.EXPORTED)
    assert latest.batch is not None
    assert len(provider.requests) == 2


def test_a_schedule_lets_failed_runs_go_on(scheduled, provider):
    world = scheduled(action="retry", reason=Reason.BAD_REQUEST)
    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.submits.extend([PredictionRejected("no", Reason.BAD_REQUEST), answer()])
    world.deliver_all()
    assert world.state(run) is State.FAILED
    world.clock.pass_(timedelta(hours=1))
    assert serve_due(world) == ["nightly"]
    world.deliver_all()
    assert world.state(run) is State.EXPORTED


def test_two_beats_serve_a_due_time_once(scheduled, provider):
    world = scheduled(action="reprocess", prefix="s3://inbox/paid/")
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    world.clock.pass_(timedelta(hours=1))
    assert [serve_due(world), serve_due(world)] == [["nightly"], []]
    world.deliver_all()
    assert len(provider.requests) == 2


def test_a_periodic_step_leaves_the_work_to_whoever_is_at_it(world):
    assert world.ledger.lease("sweep", "somebody else", timedelta(seconds=15))
    done = []
    alone(world, "sweep", done.append)
    assert done == []
    world.clock.pass_(timedelta(seconds=16))
    alone(world, "sweep", done.append)
    assert done == [world]


def test_two_sweeps_at_once_hint_a_run_once(world):
    world.drop("paid/a.pdf", make_pdf(1))
    world.app.messages.clear()
    world.clock.pass_(timedelta(seconds=6))
    world.sweep()
    world.sweep()
    assert [message.task for message in world.app.messages] == ["headrace.route"]


def test_what_a_periodic_step_cannot_do_now_is_left_for_the_next_round(world):
    from headrace.errors import StorageUnavailable

    def fail(_):
        raise StorageUnavailable("The store is away.")

    alone(world, "marker", fail)
    assert world.ledger.lease("marker", "the next one", timedelta(seconds=1))
