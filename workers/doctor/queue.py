"""A queue of bucket notifications: reachable, ours to use, and with a place for messages that nobody can read."""

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from workers.doctor.findings import Finding, advice, ok, wrong

if TYPE_CHECKING:
    from config.settings import Settings

SUBJECT = "queue"
# What the listener and this examination do with the queue.
RIGHTS = ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

_NO_QUEUE = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "InvalidAddress"}


def examine_queue(settings: "Settings", url: str) -> Finding:
    """Read its attributes. No message is received: that would bring each one nearer to being put aside."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    from workers.bucket_queue import place_of, queue_client

    place = place_of(url)
    try:
        with closing(queue_client(settings)) as client:
            answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    except ClientError as error:
        return judge_refusal(place, error.response["Error"]["Code"], error.response["ResponseMetadata"])
    except NoCredentialsError:
        return wrong(
            SUBJECT,
            f"There is no access key for {place}.",
            "Set HEADRACE_S3_ACCESS_KEY_ID and HEADRACE_S3_SECRET_ACCESS_KEY, or give the machine a role.",
        )
    except BotoCoreError as error:
        return wrong(
            SUBJECT,
            f"{place} does not answer ({type(error).__name__}).",
            "Check HEADRACE_SQS_QUEUE_URLS, HEADRACE_SQS_ENDPOINT, the network, and any proxy between.",
        )
    return judge(place, answer.get("Attributes", {}).get("RedrivePolicy", ""))


def judge_refusal(place: str, code: str, metadata: Mapping[str, object]) -> Finding:
    """What an error of the server says about the queue's name and our rights."""
    if code in _NO_QUEUE:
        return wrong(SUBJECT, f"There is no queue {place}.", "Create it, or correct HEADRACE_SQS_QUEUE_URLS.")
    if metadata.get("HTTPStatusCode") in {401, 403}:
        return wrong(
            SUBJECT,
            f"{place} refuses us ({code}).",
            f"Check the access key, and allow {', '.join(RIGHTS)} (docs/operations.md has a policy).",
        )
    return wrong(
        SUBJECT,
        f"{place} does not answer as SQS does ({code}).",
        "Check HEADRACE_SQS_QUEUE_URLS, HEADRACE_SQS_ENDPOINT and HEADRACE_S3_REGION.",
    )


def judge(place: str, policy: str) -> Finding:
    """What the queue's redrive policy means for messages that cannot be read."""
    from workers.bucket_queue import dead_letter_queue

    aside = dead_letter_queue(policy)
    if aside is None:
        return advice(
            SUBJECT,
            f"{place} answers, and has no dead-letter queue: a message that cannot be read is parked in the ledger "
            "(`headrace events parked`), then deleted.",
            "Where the message itself is to be kept too, give the queue a redrive policy with a dead-letter queue.",
        )
    return ok(
        SUBJECT,
        f"{place} answers; a message that cannot be read is parked in the ledger, and left for the queue to put aside "
        f"in {aside}.",
    )
