"""The shapes that an event comes in: examples as they are published, and the same shapes around any object."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

ETAG = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(frozen=True)
class Example:
    """A message's body, and what it tells: created as (bucket, key, eTag), removed as (bucket, key)."""

    name: str
    body: str
    created: list[tuple[str, str, str]]
    removed: list[tuple[str, str]]
    ignored: int
    unreadable: int


def _examples() -> list[Example]:
    return [
        Example(
            f"{file.stem}: {one['about']}",
            json.dumps(one["body"]),
            [tuple(each) for each in one["created"]],
            [tuple(each) for each in one["removed"]],
            one["ignored"],
            one["unreadable"],
        )
        for file in sorted((Path(__file__).parent / "examples").glob("*.json"))
        for one in json.loads(file.read_text())
    ]


EXAMPLES = _examples()


def s3(key: str, etag: str = ETAG) -> dict[str, Any]:
    return {
        "Records": [_record("aws:s3", "ObjectCreated:Put", quote_plus(key, safe="/", errors="surrogatepass"), etag)]
    }


def minio(key: str, etag: str = ETAG) -> dict[str, Any]:
    record = _record("minio:s3", "s3:ObjectCreated:Put", quote_plus(key, errors="surrogatepass"), etag)
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"inbox/{key}", "Records": [record]}


def minio_redis_access(key: str, etag: str = ETAG) -> list[dict[str, Any]]:
    return [{"Event": minio(key, etag)["Records"], "EventTime": "2024-01-02T03:04:05Z"}]


def eventbridge(key: str, etag: str = ETAG) -> dict[str, Any]:
    place = {"bucket": {"name": "inbox"}, "object": {"key": key, "etag": etag}}
    return {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": place}


def in_sns(event: Any) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:us-west-2:1:drops", "Message": json.dumps(event)}


def in_lambda_of_queue(event: Any) -> dict[str, Any]:
    return {"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(event)}]}


def in_lambda_of_topic(event: Any) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": in_sns(event)}]}


SHAPES: dict[str, Callable[..., Any]] = {
    "S3 to SQS": s3,
    "S3 to SNS to SQS": lambda *place: in_sns(s3(*place)),
    "EventBridge": eventbridge,
    "EventBridge to SNS": lambda *place: in_sns(eventbridge(*place)),
    "MinIO webhook": minio,
    "MinIO Redis list": minio_redis_access,
    "MinIO Redis hash": lambda *place: {"Records": minio(*place)["Records"]},
    "Lambda with a queue": lambda *place: in_lambda_of_queue(s3(*place)),
    "Lambda with a topic": lambda *place: in_lambda_of_topic(s3(*place)),
    "Lambda with a queue with a topic": lambda *place: in_lambda_of_queue(in_sns(eventbridge(*place))),
}


def _record(source: str, name: str, encoded_key: str, etag: str) -> dict[str, Any]:
    place = {"bucket": {"name": "inbox"}, "object": {"key": encoded_key, "eTag": etag}}
    return {"eventVersion": "2.1", "eventSource": source, "eventName": name, "s3": place}
