"""How the queue is set up."""

from datetime import timedelta

import pytest

from config.celery import LONGEST_TASK_SECONDS, QUEUES, SWEEP_SECONDS, VISIBILITY_TIMEOUT_SECONDS, celery_settings
from headrace.ledger.poll_groups import RESTS_FROM, WOKEN_AHEAD
from headrace.polling import PollSchedule

SETTINGS = celery_settings("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("name", QUEUES)
def test_a_message_goes_to_its_own_queue_and_no_other(name):
    queues = {queue.name: queue for queue in SETTINGS["task_queues"]}
    same = [
        other.name
        for other in queues.values()
        if (other.exchange.name, other.routing_key) == (queues[name].exchange.name, queues[name].routing_key)
    ]
    assert same == [name]


def test_redis_waits_longer_than_any_task_and_any_task_longer_than_any_countdown():
    longest_countdown = PollSchedule(longest_seconds=60).longest_seconds
    assert VISIBILITY_TIMEOUT_SECONDS > LONGEST_TASK_SECONDS > longest_countdown


def test_a_sweep_may_be_missing_and_no_poll_group_that_rests_is_late():
    assert timedelta(seconds=2 * SWEEP_SECONDS) < WOKEN_AHEAD < RESTS_FROM


def test_messages_are_json_and_acknowledged_late():
    assert SETTINGS["accept_content"] == ["json"]
    assert SETTINGS["task_acks_late"]
    assert SETTINGS["task_reject_on_worker_lost"]
    assert SETTINGS["worker_prefetch_multiplier"] == 1


def test_what_beat_hints_does_not_pile_up():
    for entry in SETTINGS["beat_schedule"].values():
        assert entry["options"]["expires"] == entry["schedule"]
