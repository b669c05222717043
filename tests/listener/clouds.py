"""Servers that speak S3 and SQS, each in its own way, and inboxes in them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import boto3
from botocore.config import Config

from config.settings import load_settings
from workers.bucket_queue import BucketQueue, queue_client

KEY_ID, SECRET = "test", "test"
_names = count(1)


class Cloud:
    """Where the server is, and clients for it."""

    def __init__(self, name: str, endpoint: str) -> None:
        self.name = name
        self.endpoint = endpoint
        self.s3 = self.client("s3")
        self.sqs = self.client("sqs")
        # Clients take long to make.
        self.listener = queue_client(self.settings())

    def close(self) -> None:
        self.s3.close()
        self.sqs.close()
        self.listener.close()

    def client(self, service: str):
        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def make_queue(self, visibility_seconds: int = 1) -> "Queue":
        name = f"queue-{next(_names)}"
        attributes = {"VisibilityTimeout": str(visibility_seconds)}
        return Queue(self, self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def make_inbox(self) -> "Inbox":
        """A bucket whose drops are told in a queue."""
        name = f"inbox-{next(_names)}"
        queue = self.make_queue()
        self.s3.create_bucket(Bucket=name)
        self.s3.put_bucket_notification_configuration(
            Bucket=name,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}]
            },
        )
        return Inbox(name, queue)

    def settings(self, *urls: str):
        """The settings of a listener at these queues."""
        return load_settings(
            {
                "HEADRACE_SQS_QUEUE_URLS": " ".join(urls),
                "HEADRACE_SQS_ENDPOINT": self.endpoint,
                "HEADRACE_S3_ACCESS_KEY_ID": KEY_ID,
                "HEADRACE_S3_SECRET_ACCESS_KEY": SECRET,
            }
        )


@dataclass(frozen=True)
class Queue:
    """A queue; by default an undeleted message comes again after a second."""

    cloud: Cloud
    url: str

    @property
    def arn(self) -> str:
        return self._attributes("QueueArn")["QueueArn"]

    def opened(self) -> BucketQueue:
        """The queue as the listener sees it."""
        return BucketQueue(self.cloud.listener, self.url)

    def tell(self, *bodies: str) -> None:
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
            assert not self.cloud.sqs.send_message_batch(QueueUrl=self.url, Entries=entries).get("Failed")

    def messages(self) -> int:
        """How many messages there are, received ones included."""
        told = self._attributes("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(number) for number in told.values())

    def visible(self) -> int:
        """How many messages would be received now."""
        return int(self._attributes("ApproximateNumberOfMessages")["ApproximateNumberOfMessages"])

    def receive_counts(self) -> list[int]:
        """How often each visible message was received, this time included; they stay visible."""
        received = self.cloud.sqs.receive_message(
            QueueUrl=self.url, VisibilityTimeout=0, AttributeNames=["All"], MaxNumberOfMessages=10
        )
        return [int(each["Attributes"]["ApproximateReceiveCount"]) for each in received.get("Messages", [])]

    def put_aside_in(self, other: "Queue", most_receives: int) -> None:
        """Give the queue a redrive policy."""
        policy = json.dumps({"deadLetterTargetArn": other.arn, "maxReceiveCount": str(most_receives)})
        self.cloud.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"RedrivePolicy": policy})

    def _attributes(self, *names: str) -> dict[str, str]:
        return self.cloud.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))["Attributes"]


@dataclass(frozen=True)
class Inbox:
    """A bucket, and the queue in which its drops are told."""

    bucket: str
    queue: Queue

    @property
    def cloud(self) -> Cloud:
        return self.queue.cloud

    def put(self, key: str, body: bytes = b"%PDF") -> None:
        self.cloud.s3.put_object(Bucket=self.bucket, Key=key, Body=body)


@contextmanager
def ministack(folder: Path) -> Iterator[Cloud]:
    def command(port: int) -> tuple[Sequence[str], dict[str, str]]:
        settings = {
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "SERVICES": "s3,sqs,events",
            "STATE_DIR": str(folder / "state"), "S3_DATA_DIR": str(folder / "s3"), "LOG_LEVEL": "WARNING",
        }  # fmt: skip
        return ("ministack",), settings

    with _running("ministack", command, folder) as cloud:
        yield cloud


@contextmanager
def moto(folder: Path) -> Iterator[Cloud]:
    with _running("moto", lambda port: (("moto.server", "-H", "127.0.0.1", "-p", str(port)), {}), folder) as cloud:
        yield cloud


@contextmanager
def _running(
    name: str, command: Callable[[int], tuple[Sequence[str], dict[str, str]]], folder: Path
) -> Iterator[Cloud]:
    for last_try in (False, False, True):
        port = _free_port()
        module, settings = command(port)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", *module],
                env=os.environ | settings, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        if _answers(process, port):
            break
        _stopped(process)
        assert not last_try, (folder / "log").read_text()
    cloud = Cloud(name, f"http://127.0.0.1:{port}")
    try:
        yield cloud
    finally:
        cloud.close()
        _stopped(process)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _stopped(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
