"""Ten thousand events, each told twice and in no order: each document is recorded once."""

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from urllib.parse import quote_plus

from headrace.clock import SystemClock
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from tests.listener.clouds import Queue
from tests.listener.doors import OpenDoor, s3_record, wait_until
from workers.listener import keep_open

EVENTS = 10_000
BUCKET = "inbox"
# Of each 20 events one comes alone, the others several in a message, as a server under load sends them.
TOGETHER = (1, 4, 15)


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


def bodies(events: Sequence[tuple[str, int]], chance: random.Random) -> Iterator[str]:
    """Messages that tell of all these events, in one shape or another."""
    left = list(events)
    while left:
        some = [left.pop() for _ in range(min(chance.choice(TOGETHER), len(left)))]
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


def test_ten_thousand_events_doubled_and_shuffled_are_each_recorded_once(cloud, ledger, tmp_path):
    chance = random.Random(20261121)
    events = [(f"in/{chance.choice('äé +%')}{number}.pdf", number) for number in range(EVENTS)]
    told = events * 2
    chance.shuffle(told)
    queues = [cloud.make_queue(visibility_seconds=30) for _ in range(2)]
    for body_number, batch in enumerate(_in_tens(list(bodies(told, chance)))):
        queues[body_number % 2].tell(*batch)
    with ExitStack() as stack:
        # Two listeners, each with its own connections to one ledger, and a door at either queue.
        stops = []
        for _ in range(2):
            own = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", SystemClock())
            stack.callback(own.close)
            stops.append(_listening(stack, queues, own))
        wait_until(lambda: not any(queue.messages() for queue in queues), seconds=120)
        for stop in stops:
            stop.set()
    runs = ledger.runs(RunFilter(latest=False), limit=EVENTS + 100)
    assert sorted(run.document.key for run in runs) == sorted(key for key, _ in events)
    assert {run.number for run in runs} == {1}
    assert ledger.parked_count() == 0


def _listening(stack: ExitStack, queues: Sequence[Queue], ledger: Ledger) -> threading.Event:
    first = OpenDoor(queues[0], BUCKET, ledger=ledger)
    for door in (first.door, first.opened_beside(queues[1])):
        thread = threading.Thread(target=keep_open, args=(door, first.stop))
        thread.start()
        stack.callback(thread.join, 30)
    stack.callback(first.stop.set)
    return first.stop


def _in_tens(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), 10):
        yield items[start : start + 10]
