"""From a real queue: each drop is recorded, and its message is deleted only then."""

import json

import pytest

from headrace.errors import QueueUnavailable, StorageRefused
from headrace.ledger.records import RunFilter
from headrace.states import State
from tests.listener.clouds import KEY_ID, SECRET
from tests.listener.conftest import Killed
from tests.listener.doors import s3_message, s3_record
from tests.memory_store import InMemoryStore
from workers.bucket_queue import bucket_queues

PLAIN = ["in/a.pdf", "in/Zürich.pdf", "in/deep/er/b.pdf"]
ODD = ["in/a b+c%.pdf", "in/ä/ö.pdf", "in/100%25.pdf"]


def test_without_queues_in_the_settings_there_are_none(cloud):
    assert bucket_queues(cloud.settings()) == []


def test_a_drop_becomes_a_recorded_document_and_its_message_is_gone(inbox, ledger, door):
    inbox.put("in/Zürich.pdf", b"%PDF one")
    door.look_until(lambda: inbox.queue.messages() == 0 and len(door.keys()) == 1)
    (run,) = ledger.runs(RunFilter(), limit=10)
    assert (run.document.bucket, run.document.key, run.state) == (inbox.bucket, "in/Zürich.pdf", State.RECEIVED)
    assert run.document.size == 8
    assert door.hints == [(run.id, State.RECEIVED)]


def test_each_server_tells_of_drops_in_its_own_way_and_each_is_recorded_once(each_cloud, open_door):
    inbox = each_cloud.make_inbox()
    # ministack writes a key as it is, and not encoded as S3 does: an odd one cannot be told from another by it.
    keys = PLAIN + (ODD if each_cloud.name == "moto" else [])
    for key in keys:
        inbox.put(key)
        inbox.put(key)
    door = open_door(inbox)
    door.empty_the_queue()
    assert door.keys() == sorted(keys)


def test_a_multipart_upload_becomes_the_document_that_a_listing_gives(each_cloud, ledger, open_door):
    inbox = each_cloud.make_inbox()
    s3, place = inbox.cloud.s3, {"Bucket": inbox.bucket, "Key": "in/big.pdf"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    etags = [
        s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=bytes([number]) * size)["ETag"]
        for number, size in ((1, 5 * 1024 * 1024), (2, 10))
    ]
    parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    door = open_door(inbox)
    door.empty_the_queue()
    (listed,) = s3.list_objects_v2(Bucket=inbox.bucket, Prefix="in/")["Contents"]
    whole = [run for run in ledger.runs(RunFilter(), limit=10) if run.document.etag == listed["ETag"].strip('"')]
    assert len(whole) == 1


def test_odd_names_arrive_through_eventbridge_as_they_are(cloud, open_door):
    inbox = cloud.make_inbox()
    bridge = cloud.client("events")
    cloud.s3.put_bucket_notification_configuration(
        Bucket=inbox.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [inbox.bucket]}}}
    bridge.put_rule(Name=inbox.bucket, EventPattern=json.dumps(pattern))
    bridge.put_targets(Rule=inbox.bucket, Targets=[{"Id": "queue", "Arn": inbox.queue.arn}])
    bridge.close()
    for key in ODD:
        inbox.put(key)
    door = open_door(inbox)
    door.look_until(lambda: inbox.queue.messages() == 0 and len(door.keys()) == len(ODD))
    assert door.keys() == sorted(ODD)


def test_the_document_of_an_event_is_the_one_that_a_listing_gives(each_cloud, ledger, open_door):
    inbox = each_cloud.make_inbox()
    inbox.put("in/a.pdf")
    door = open_door(inbox)
    door.look_until(lambda: len(door.keys()) == 1)
    (run,) = ledger.runs(RunFilter(), limit=10)
    (listed,) = inbox.cloud.s3.list_objects_v2(Bucket=inbox.bucket, Prefix="in/")["Contents"]
    assert run.document.etag == listed["ETag"].strip('"')


def test_what_no_route_takes_is_left_alone(inbox, door):
    for key in ("in/a.txt", "other/a.pdf", "in/folder/"):
        inbox.put(key)
    door.empty_the_queue()
    assert door.keys() == []


def test_that_an_object_was_removed_is_read_and_not_acted_on(inbox, ledger, door):
    removal = {**s3_record(inbox.bucket, "in/a.pdf", etag=None), "eventName": "ObjectRemoved:Delete"}
    inbox.queue.tell(s3_message(s3_record(inbox.bucket, "in/a.pdf")), s3_message(removal))
    door.empty_the_queue()
    assert [run.state for run in ledger.runs(RunFilter(), limit=10)] == [State.RECEIVED]
    assert ledger.parked_count() == 0


@pytest.mark.parametrize("point", ["ledger.record.before_commit", "ledger.record.after_commit", "queue.delete.before"])
def test_killed_before_the_message_is_deleted_it_comes_again_and_is_recorded_once(inbox, door, open_door, dying, point):
    inbox.put("in/a.pdf")
    dying(point)
    with pytest.raises(Killed):
        door.look_until(lambda: False)
    assert inbox.queue.messages() >= 1
    open_door(inbox).empty_the_queue()
    assert door.keys() == ["in/a.pdf"]


def test_an_object_that_cannot_be_looked_at_holds_up_only_its_own_message(inbox, ledger, open_door):
    store = InMemoryStore()
    door = open_door(inbox, store=store)
    # The first two are told of, then other contents of their keys: now they have come back.
    for etag in ("e", "f"):
        inbox.queue.tell(*(s3_message(s3_record(inbox.bucket, f"in/{name}.pdf", etag)) for name in "ab"))
        door.empty_the_queue()

    def refuse(_call, key):
        if key == "in/a.pdf":
            raise StorageRefused("A right is missing.")

    store.before = refuse
    back = [s3_record(inbox.bucket, f"in/{name}.pdf") for name in "abcd"]
    inbox.queue.tell(s3_message(back[0], back[2]), s3_message(back[1]), s3_message(back[3]))
    door.look_until(lambda: inbox.queue.messages() == 1)
    assert {"in/c.pdf", "in/d.pdf"} <= set(door.keys())
    store.before = lambda _call, _key: None
    door.empty_the_queue()
    assert ledger.parked_count() == 0


def test_a_message_whose_deletion_fails_comes_again_and_does_no_harm(inbox, door):
    queue = inbox.queue.opened()
    door.empty_the_queue()
    inbox.put("in/a.pdf")
    first = queue.receive(visibility_seconds=1)
    while not (again := queue.receive(visibility_seconds=30)):
        pass
    # Its receipt is no longer good for anything: the message was received once more since.
    inbox.cloud.sqs.delete_message(QueueUrl=inbox.queue.url, ReceiptHandle=again[0].receipt)
    queue.delete(first)
    queue.give_back(first)
    assert inbox.queue.messages() == 0


def test_a_door_names_its_queue_and_no_secret():
    (queue,) = bucket_queues_at("http://me:hunter2@127.0.0.1:9/1/inbox")
    assert queue.name == "127.0.0.1/1/inbox"


def bucket_queues_at(url: str):
    from config.settings import load_settings

    return bucket_queues(
        load_settings(
            {
                "HEADRACE_SQS_QUEUE_URLS": url,
                "HEADRACE_SQS_ENDPOINT": "http://127.0.0.1:9",
                "HEADRACE_S3_ACCESS_KEY_ID": KEY_ID,
                "HEADRACE_S3_SECRET_ACCESS_KEY": SECRET,
            }
        )
    )


def test_a_queue_that_is_not_there_says_what_to_check(each_cloud):
    (queue,) = bucket_queues(each_cloud.settings(f"{each_cloud.make_queue().url}-not"))
    with pytest.raises(QueueUnavailable, match="HEADRACE_SQS_QUEUE_URLS"):
        queue.receive(0)


def test_a_server_that_is_away_says_what_to_check():
    (queue,) = bucket_queues_at("http://127.0.0.1:9/1/inbox")
    with pytest.raises(QueueUnavailable, match="EndpointConnectionError"):
        queue.receive(0)
    with pytest.raises(QueueUnavailable, match="EndpointConnectionError"):
        queue.traits()
