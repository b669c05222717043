"""The poll task as Celery runs it: it retries itself with the next generation and the next countdown."""

import pytest
from celery import Celery
from celery.exceptions import Retry

from config.celery import celery_settings
from headrace.faults import set_fault_handler
from headrace.providers import Pending
from tasks.hints import POLL
from tasks.poll import poll
from tests.pdfs import make_pdf
from tests.tasks.scripted import accepted, answer


@pytest.fixture
def app(world):
    """The real app, its broker in this process's memory."""
    app = Celery("headrace", include=["tasks.poll"])
    app.conf.update(celery_settings("memory://"))
    app.services = world
    app.set_current()
    yield app
    app.close()


@pytest.fixture
def passed():
    points = []
    set_fault_handler(points.append)
    yield points
    set_fault_handler(None)


def _submitted(world, provider):
    world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    while not world.app.messages or world.app.messages[0].task != POLL:
        world.deliver()
    message = world.app.messages.popleft()
    world.clock.sleep(message.countdown)
    return message.args


def _run(task, app, args):
    task.push_request(args=args, kwargs={}, id="message-1", retries=0, called_directly=False, delivery_info={})
    try:
        return task.run(*args)
    finally:
        task.pop_request()


def _waiting(app):
    """The messages of the poll queue: their arguments, and how long each is held back."""
    found = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(app.amqp.queues["poll"])
        while queue.qsize():
            message = queue.get_nowait()
            found.append((message.payload[0], message.headers["eta"]))
            message.ack()
        queue.close()
    return found


def test_a_turn_publishes_the_next_generation_and_then_raises_retry(world, provider, app, passed):
    group, generation = _submitted(world, provider)
    provider.polls.append(Pending("queued"))
    passed.clear()
    task = app.tasks[POLL]
    with pytest.raises(Retry):
        _run(task, app, [group, generation])
    ((args, eta),) = _waiting(app)
    assert args == [group, generation + 1]
    assert eta is not None
    assert passed[-2:] == ["poll.retry.before", "poll.retry.after"]


def test_the_last_turn_publishes_nothing(world, provider, app):
    group, generation = _submitted(world, provider)
    provider.polls.append(answer(5))
    _run(app.tasks[POLL], app, [group, generation])
    assert _waiting(app) == []


def test_polling_never_gives_up_by_count_of_messages(app):
    assert app.tasks[POLL].max_retries is None
    assert poll.name == POLL
