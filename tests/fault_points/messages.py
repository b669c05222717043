"""What lies in a case's part of the broker, and what a dead process had taken from it."""

import json
from contextlib import closing

import redis

from config.celery import QUEUES
from tests.fault_points.world import World

# There is always a message of the clock on its way.
_OF_DOCUMENTS = tuple(queue for queue in QUEUES if queue != "maintenance")


def waiting(world: World) -> int:
    """How many messages about documents wait in the queues."""
    with redis.Redis.from_url(world.settings.require("broker_url")) as client:
        return sum(client.llen(queue) for queue in _OF_DOCUMENTS)


def taken(world: World) -> int:
    """How many such messages were taken and not acknowledged, by the living or the dead."""
    with redis.Redis.from_url(world.settings.require("broker_url")) as client:
        entries = [json.loads(entry) for entry in client.hvals("unacked")]
    return sum(routing_key in _OF_DOCUMENTS for _, _, routing_key in entries)


def give_back_what_was_taken(world: World) -> None:
    """Have everything that was taken come again, now and not after the visibility timeout."""
    with world.app.connection_for_write() as connection, closing(connection.channel()) as channel:
        for tag in channel.client.zrange(channel.unacked_index_key, 0, -1):
            channel.qos.restore_by_tag(tag.decode() if isinstance(tag, bytes) else tag)


def forget(world: World) -> None:
    """Leave nothing in the broker."""
    with redis.Redis.from_url(world.settings.require("broker_url")) as client:
        client.flushdb()
