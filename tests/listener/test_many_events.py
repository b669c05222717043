"""Ten thousand events, each told twice and in no order: each document is recorded once, on every kind of server."""

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple
from urllib.parse import quote_plus, urlsplit

import psycopg
import pytest

from headrace.clock import SystemClock
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from tests.listener.clouds import Cloud, Queue
from tests.listener.doors import OpenDoor, s3_record, wait_until
from workers.listener import keep_open

EVENTS = 10_000
BUCKET = "inbox"
MOST_BYTES_A_BATCH = 256_000


class Servers(NamedTuple):
    """Where the events are told and the documents recorded, and how many events a message may tell of."""

    cloud: Cloud
    ledger_url: str
    together: Sequence[int]


@pytest.fixture(params=["ministack and SQLite", pytest.param("moto and PostgreSQL", marks=pytest.mark.proof)])
def servers(request: pytest.FixtureRequest) -> Servers:
    """Some messages tell of one event, the others of several, as a server under load sends them."""
    if request.param == "ministack and SQLite":
        path = request.getfixturevalue("tmp_path") / "ledger.db"
        return Servers(request.getfixturevalue("cloud"), f"sqlite:///{path}", (1, 9, 30))
    # moto takes thirty times as long for a message.
    url = request.getfixturevalue("postgres_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE many_events")
    its_own = urlsplit(url)._replace(path="/many_events").geturl()
    return Servers(request.getfixturevalue("_moto"), its_own, (1, 100, 200))


def of_s3(key: str, number: int) -> dict[str, object]:
    return s3_record(BUCKET, quote_plus(key, safe="/"), f"{number:032x}", sequencer=f"{number:016X}")


def of_minio(key: str, number: int) -> dict[str, object]:
    record = of_s3(key, number)
    told = {"bucket": {"name": BUCKET}, "object": {"key": quote_plus(key), "size": 9, "eTag": f"{number:032x}"}}
    return {**record, "eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put", "s3": told}


def of_eventbridge(key: str, number: int) -> str:
    told = {"key": key, "size": 9, "etag": f"{number:032x}", "sequencer": f"{number:016X}"}
    return json.dumps(
        {
            "version": "0", "id": str(number), "detail-type": "Object Created", "source": "aws.s3",
            "detail": {"version": "0", "bucket": {"name": BUCKET}, "object": told, "reason": "PutObject"},
        }
    )  # fmt: skip


def bodies(events: Sequence[tuple[str, int]], together: Sequence[int], chance: random.Random) -> Iterator[str]:
    """Messages that tell of all these events, in one shape or another."""
    left = list(events)
    while left:
        some = [left.pop() for _ in range(min(chance.choice(together), len(left)))]
        match chance.randrange(4):
            case 0 if len(some) == 1:
                yield of_eventbridge(*some[0])
            case 1:
                yield json.dumps({"Records": [of_minio(*each) for each in some]})
            case 2:
                inner = json.dumps({"Records": [of_s3(*each) for each in some]})
                yield json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:r:1:t", "Message": inner})
            case _:
                yield json.dumps({"Records": [of_s3(*each) for each in some]})


def test_ten_thousand_events_doubled_and_shuffled_are_each_recorded_once(servers):
    chance = random.Random(20261121)
    events = [(f"in/{chance.choice('äé +%')}{number}.pdf", number) for number in range(EVENTS)]
    told = events * 2
    chance.shuffle(told)
    queues = [servers.cloud.make_queue(visibility_seconds=30) for _ in range(2)]
    for number, batch in enumerate(_batches(bodies(told, servers.together, chance))):
        queues[number % 2].tell(*batch)
    with ExitStack() as stack:
        # Two listeners, each with its own connections to one ledger, and a door at either queue.
        ledgers = [Ledger(servers.ledger_url, SystemClock()) for _ in range(2)]
        for ledger in ledgers:
            stack.callback(ledger.close)
        ledgers[0].migrate()
        stops = [_listening(stack, queues, ledger) for ledger in ledgers]
        wait_until(lambda: not any(queue.messages() for queue in queues), seconds=120, every_seconds=0.5)
        for stop in stops:
            stop.set()
        for queue in queues:
            # It wakes each door in turn: what comes once they are to stop is given back.
            queue.tell(json.dumps({"Event": "s3:TestEvent"}))
        runs = ledgers[0].runs(RunFilter(latest=False), limit=EVENTS + 100)
        assert sorted(run.document.key for run in runs) == sorted(key for key, _ in events)
        assert {run.number for run in runs} == {1}
        assert ledgers[0].parked_count() == 0


def _listening(stack: ExitStack, queues: Sequence[Queue], ledger: Ledger) -> threading.Event:
    first = OpenDoor(queues[0], BUCKET, ledger=ledger)
    for door in (first.door, first.opened_beside(queues[1])):
        thread = threading.Thread(target=keep_open, args=(door, first.stop))
        thread.start()
        stack.callback(thread.join, 30)
    stack.callback(first.stop.set)
    return first.stop


def _batches(items: Iterator[str]) -> Iterator[Sequence[str]]:
    """As many messages at once as a queue takes in one request."""
    batch: list[str] = []
    for item in items:
        if len(batch) == 10 or sum(map(len, [*batch, item])) > MOST_BYTES_A_BATCH:
            yield batch
            batch = []
        batch.append(item)
    yield batch
