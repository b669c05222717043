"""A real server that speaks S3 and SQS, and a ledger."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from headrace.clock import SystemClock
from headrace.ledger import Ledger

KEY_ID, SECRET = "test", "test"
_names = count(1)


class Cloud:
    """Where the server is, and clients for it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.s3 = self._client("s3")
        self.sqs = self._client("sqs")

    def close(self) -> None:
        self.s3.close()
        self.sqs.close()

    def _client(self, service: str):
        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )


@dataclass(frozen=True)
class Inbox:
    """A bucket whose drops are told in a queue; an undeleted message comes again after a second."""

    cloud: Cloud
    bucket: str
    queue_url: str

    def put(self, key: str, body: bytes = b"%PDF") -> None:
        self.cloud.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def tell(self, body: str) -> None:
        self.cloud.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def messages(self) -> int:
        """How many messages there are, received ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.cloud.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    for last_try in (False, False, True):
        process, port = _started(folder)
        if _answers(process, port):
            break
        _stopped(process)
        assert not last_try, (folder / "log").read_text()
    cloud = Cloud(f"http://127.0.0.1:{port}")
    yield cloud
    cloud.close()
    _stopped(process)


@pytest.fixture
def inbox(cloud: Cloud) -> Inbox:
    name = f"inbox-{next(_names)}"
    sqs, s3 = cloud.sqs, cloud.s3
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    s3.create_bucket(Bucket=name)
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": attributes["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    return Inbox(cloud, name, url)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", SystemClock())
    ledger.migrate()
    yield ledger
    ledger.close()


def _started(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "SERVICES": "s3,sqs",
        "STATE_DIR": str(folder / "state"), "S3_DATA_DIR": str(folder / "s3"), "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-W", "ignore", "-m", "ministack"]
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log, cwd=folder)
    return process, port


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + 20
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
