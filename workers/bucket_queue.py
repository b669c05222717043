"""The queue that bucket notifications arrive in: SQS, or a server that speaks it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from config.settings import Settings
from headrace.errors import QueueUnavailable
from headrace.faults import fault_point

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = structlog.get_logger()

# Short enough for the process to stop within its grace, long enough for half a million calls a month at most.
WAIT_SECONDS = 5
MOST_MESSAGES = 10


@dataclass(frozen=True)
class Message:
    """One delivery. `receipt` is what deletes it."""

    id: str
    body: str
    receipt: str


class BucketQueue:
    """Receives and deletes; raises QueueUnavailable where the queue does not do its part."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def receive(self, wait_seconds: int = WAIT_SECONDS) -> list[Message]:
        """Up to ten messages; waits this long for the first. Unless deleted they come again."""
        try:
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=MOST_MESSAGES, WaitTimeSeconds=wait_seconds
            )
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error
        return [Message(each["MessageId"], each["Body"], each["ReceiptHandle"]) for each in answer.get("Messages", [])]

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete what is dealt with; one that stays comes again, which does no harm."""
        if not messages:
            return
        entries = [{"Id": str(index), "ReceiptHandle": each.receipt} for index, each in enumerate(messages)]
        fault_point("queue.delete.before")
        try:
            answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from error
        fault_point("queue.delete.after")
        for failed in answer.get("Failed", []):
            log.warning("message not deleted", message=messages[int(failed["Id"])].id, code=failed["Code"])


def bucket_queue(settings: Settings) -> BucketQueue | None:
    """The queue that the settings name, if any."""
    if settings.sqs_queue_url is None:
        return None
    return BucketQueue(queue_client(settings), settings.sqs_queue_url)


def queue_client(settings: Settings) -> "SQSClient":
    """A client for the server that the settings name."""
    secret = settings.s3_secret_access_key
    client: SQSClient = boto3.session.Session().client(
        "sqs",
        endpoint_url=settings.sqs_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=None if secret is None else secret.get_secret_value(),
        config=Config(
            connect_timeout=5, read_timeout=WAIT_SECONDS + 15, retries={"mode": "standard", "total_max_attempts": 2}
        ),
    )
    return client


def _unavailable(error: BotoCoreError | ClientError) -> QueueUnavailable:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return QueueUnavailable(
        f"The queue of bucket notifications did not answer as it should ({code}). "
        "Check HEADRACE_SQS_QUEUE_URL, the network, and the rights to receive and delete its messages."
    )
