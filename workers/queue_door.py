"""The door at a queue of bucket notifications."""

import threading
from collections.abc import Sequence

import structlog

from headrace.clock import Clock
from headrace.errors import LedgerError, QueueUnavailable
from workers.bucket_queue import BucketQueue, Message, QueueTraits
from workers.intake import Intake
from workers.keeping import kept

log = structlog.get_logger()

# The queue's owner may give it a dead-letter queue, or another visibility timeout, while we run.
TRAITS_SECONDS = 300.0


class QueueDoor:
    """Takes messages from one queue; a message is deleted once the ledger has every document in it.

    One that cannot be read is parked in the ledger. Where the queue puts such messages aside it is left to do so;
    where it does not, the message is deleted once it is parked, for it would come again for ever.
    While the ledger is away nothing is received, so that no message is put aside on its account.
    """

    def __init__(self, queue: BucketQueue, intake: Intake, clock: Clock, stop: threading.Event) -> None:
        self.name = f"queue {queue.name}"
        self._queue = queue
        self._intake = intake
        self._clock = clock
        self._stop = stop
        self._traits: QueueTraits | None = None
        self._traits_until = 0.0

    def look(self) -> float:
        self._intake.check()
        traits = self._current_traits()
        messages = self._queue.receive(visibility_seconds=traits.visibility_seconds)
        if not messages:
            return 0.0
        if self._stop.is_set():
            # They came while we waited for the last time; nobody knows how long the ledger would take.
            self._give_back(messages)
            return 0.0
        try:
            with kept(self._queue, messages, traits.visibility_seconds, self._clock):
                taken = self._intake.take(self._queue.name, messages)
                self._queue.delete(taken.finished if traits.puts_aside else [*taken.finished, *taken.parked])
        except LedgerError:
            self._give_back(messages)
            raise
        return 0.0

    def _current_traits(self) -> QueueTraits:
        if self._traits is None or self._clock.monotonic() >= self._traits_until:
            self._traits = self._queue.traits()
            self._traits_until = self._clock.monotonic() + TRAITS_SECONDS
        return self._traits

    def _give_back(self, messages: Sequence[Message]) -> None:
        try:
            self._queue.give_back(messages)
        except QueueUnavailable as error:
            log.warning("messages not given back", door=self.name, messages=len(messages), why=str(error))
        else:
            log.info("messages given back", door=self.name, messages=len(messages))
