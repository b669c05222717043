"""A queue that bucket notifications arrive in: SQS, or a server that speaks it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
# What SQS takes for a queue whose owner chose nothing.
_USUAL_VISIBILITY_SECONDS = 30
# A door receives, and its keeper extends meanwhile; botocore keeps no fewer than ten of itself.
_CONNECTIONS_A_QUEUE = 3
_FEWEST_CONNECTIONS = 10


@dataclass(frozen=True)
class Message:
    """One delivery. `receipt` is what deletes it, `id` the same for every delivery of one message."""

    id: str
    body: str
    receipt: str


@dataclass(frozen=True)
class QueueTraits:
    """What a queue does by itself with a message that was received and not deleted."""

    visibility_seconds: int = _USUAL_VISIBILITY_SECONDS
    """After so long it comes again; never 0, which would be at once."""
    puts_aside: bool = True
    """It goes to a dead-letter queue once it came often enough. A queue that does not tell counts as one that does."""


class BucketQueue:
    """Receives, keeps, and deletes; raises QueueUnavailable where the queue does not do its part."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url
        self.name = place_of(url)

    def traits(self) -> QueueTraits:
        """What the queue's attributes say; the usual where we may not read them."""
        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"]
            )
        except ClientError as error:
            if _status(error) >= 500:
                raise self._unavailable(error) from error
            log.warning("queue does not tell its attributes", queue=self.name, code=error.response["Error"]["Code"])
            return QueueTraits()
        except BotoCoreError as error:
            raise self._unavailable(error) from error
        attributes = answer.get("Attributes", {})
        seconds = attributes.get("VisibilityTimeout", "")
        return QueueTraits(
            visibility_seconds=max(1, int(seconds)) if seconds.isdecimal() else _USUAL_VISIBILITY_SECONDS,
            puts_aside=dead_letter_queue(attributes.get("RedrivePolicy", "")) is not None,
        )

    def receive(
        self, wait_seconds: int = WAIT_SECONDS, visibility_seconds: int = _USUAL_VISIBILITY_SECONDS
    ) -> list[Message]:
        """Up to ten messages; waits so long for the first. Unless deleted they come again after the visibility."""
        try:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MOST_MESSAGES,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=visibility_seconds,
            )
        except (BotoCoreError, ClientError) as error:
            raise self._unavailable(error) from error
        return [Message(each["MessageId"], each["Body"], each["ReceiptHandle"]) for each in answer.get("Messages", [])]

    def extend(self, messages: Sequence[Message], seconds: int) -> None:
        """Keep the messages from coming again for so long from now; one that cannot be kept comes sooner."""
        fault_point("queue.extend.before")
        failed = self._batch(
            messages,
            lambda entries: self._client.change_message_visibility_batch(**entries),
            VisibilityTimeout=seconds,
        )
        fault_point("queue.extend.after")
        for message, code in failed:
            log.info("message not kept", queue=self.name, message=message, code=code)

    def give_back(self, messages: Sequence[Message]) -> None:
        """Let the messages come again at once, to us or to another process."""
        fault_point("queue.give_back.before")
        failed = self._batch(
            messages, lambda entries: self._client.change_message_visibility_batch(**entries), VisibilityTimeout=0
        )
        fault_point("queue.give_back.after")
        for message, code in failed:
            log.info("message not given back", queue=self.name, message=message, code=code)

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete what is dealt with; one that stays comes again, which does no harm."""
        fault_point("queue.delete.before")
        failed = self._batch(messages, lambda entries: self._client.delete_message_batch(**entries))
        fault_point("queue.delete.after")
        for message, code in failed:
            log.warning("message not deleted", queue=self.name, message=message, code=code)

    def _batch(
        self, messages: Sequence[Message], call: Callable[[dict[str, Any]], Any], **more: int
    ) -> list[tuple[str, str]]:
        """One call about up to ten messages; the ids of those that it failed for, each with the code that says why."""
        if not messages:
            return []
        entries = [{"Id": str(index), "ReceiptHandle": each.receipt, **more} for index, each in enumerate(messages)]
        try:
            answer = call({"QueueUrl": self._url, "Entries": entries})
        except (BotoCoreError, ClientError) as error:
            raise self._unavailable(error) from error
        return [(messages[int(failed["Id"])].id, failed["Code"]) for failed in answer.get("Failed", [])]

    def _unavailable(self, error: BotoCoreError | ClientError) -> QueueUnavailable:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        return QueueUnavailable(
            f"The queue {self.name} did not answer as it should ({code}). Check HEADRACE_SQS_QUEUE_URLS, the network, "
            "and the rights to receive its messages, to change their visibility and to delete them."
        )


def bucket_queues(settings: Settings) -> list[BucketQueue]:
    """The queues that the settings name; they share one client."""
    if not settings.sqs_queue_urls:
        return []
    client = queue_client(settings)
    return [BucketQueue(client, url) for url in settings.sqs_queue_urls]


def queue_client(settings: Settings) -> "SQSClient":
    """A client for the server that the settings name, for all their queues at once."""
    secret = settings.s3_secret_access_key
    client: SQSClient = boto3.session.Session().client(
        "sqs",
        endpoint_url=settings.sqs_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=None if secret is None else secret.get_secret_value(),
        config=Config(
            connect_timeout=5,
            read_timeout=WAIT_SECONDS + 15,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=max(_FEWEST_CONNECTIONS, _CONNECTIONS_A_QUEUE * len(settings.sqs_queue_urls)),
        ),
    )
    return client


def place_of(url: str) -> str:
    """A queue's address as people are shown it: host and path, with nothing that may be secret."""
    address = urlsplit(url)
    return f"{address.hostname}{address.path}"


def dead_letter_queue(policy: str) -> str | None:
    """The name of the queue that a redrive policy, which is JSON text, names."""
    try:
        target = json.loads(policy)["deadLetterTargetArn"]
    except (ValueError, TypeError, KeyError):
        return None
    return str(target).rpartition(":")[2] or None


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
