"""Keeping received messages ours for as long as they are being dealt with."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from headrace.clock import Clock
from headrace.errors import QueueUnavailable
from workers.bucket_queue import BucketQueue, Message

log = structlog.get_logger()

# Well above what the ledger's and the store's own time limits let a batch last: after it, something hangs.
LONGEST_SECONDS = 900.0


@contextmanager
def kept(
    queue: BucketQueue,
    messages: Sequence[Message],
    visibility_seconds: int,
    clock: Clock,
    longest_seconds: float = LONGEST_SECONDS,
) -> Iterator[None]:
    """While the body runs, extend the messages' visibility at each third of it, so that nobody else receives them.

    It goes on for `longest_seconds` at most: a body that hangs does not keep its messages from others for ever.
    Where the queue does not let itself be asked, they come again sooner, which does no harm.
    """
    until = clock.monotonic() + longest_seconds
    over = threading.Event()

    def keep() -> None:
        while not over.wait(visibility_seconds / 3):
            if clock.monotonic() >= until:
                log.warning("messages kept too long", queue=queue.name, messages=len(messages), seconds=longest_seconds)
                return
            _extend(queue, messages, visibility_seconds)

    keeper = threading.Thread(target=keep, name=f"keeper of {queue.name}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _extend(queue: BucketQueue, messages: Sequence[Message], seconds: int) -> None:
    try:
        queue.extend(messages, seconds)
    except QueueUnavailable as error:
        log.warning("messages not kept", queue=queue.name, messages=len(messages), why=str(error))
    else:
        log.debug("messages kept", queue=queue.name, messages=len(messages), seconds=seconds)
