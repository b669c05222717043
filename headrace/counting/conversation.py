"""One document, counted by a child that asks for pieces of it and is not believed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from headrace.children.process import ChildTalksNonsense, OutOfMemory, Wanted
from headrace.clock import Clock
from headrace.count_costs import LARGER_BUDGET, MOST_COPIED_BYTES, WHOLE_BYTES
from headrace.counting.process import CopyWanted, Counted, CountingProcess, Refused
from headrace.ranges import RangeReader, read_exactly

Answer = Counted | Refused | OutOfMemory


@dataclass(frozen=True, slots=True)
class Question:
    """How many pages has this document of `size` bytes, to one past `most_pages`?"""

    read: RangeReader
    size: int
    most_pages: int
    passwords: Sequence[SecretStr] = ()


class Conversation:
    """Gives a child what it asks for, within the budget, until it answers or `seconds` of its own are over."""

    def __init__(self, child: CountingProcess, question: Question, seconds: float, clock: Clock) -> None:
        self._child = child
        self._question = question
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._requests_left = LARGER_BUDGET.requests
        self._bytes_left = max(WHOLE_BYTES, LARGER_BUDGET.bytes)
        self._copies_left = 1 if question.size <= MOST_COPIED_BYTES else 0

    def answer(self) -> Answer:
        """What the child answers; ChildDied, ChildTooSlow, ChildTalksNonsense, and what reading raises."""
        try:
            return self._converse()
        finally:
            if not self._copies_left:
                self._child.clear_copy()

    def _converse(self) -> Answer:
        self._child.say(
            {
                "size": self._question.size,
                "most_pages": self._question.most_pages,
                "passwords": [password.get_secret_value() for password in self._question.passwords],
            },
            self._deadline,
        )
        while True:
            message = self._child.hear(self._deadline)
            match message:
                case Counted() | Refused() | OutOfMemory():
                    return message
                case Wanted():
                    self._give(message)
                case CopyWanted():
                    self._give_copy()
                case _:
                    raise ChildTalksNonsense(f"{message.kind!r} in the middle of a document")

    def _give(self, wanted: Wanted) -> None:
        self._requests_left -= 1
        self._bytes_left -= wanted.length
        past_the_end = wanted.start + wanted.length > self._question.size
        if self._requests_left < 0 or self._bytes_left < 0 or past_the_end:
            raise ChildTalksNonsense("a request outside its budget or the document")
        with self._time_of_the_store():
            data = self._read(wanted.start, wanted.length)
        self._child.say({"length": len(data)}, self._deadline, data)

    def _give_copy(self) -> None:
        if not self._copies_left:
            raise ChildTalksNonsense("a copy of what is too large, or was copied before")
        self._copies_left -= 1
        size = self._question.size
        with self._time_of_the_store():
            descriptor = self._child.fill_copy(
                self._read(start, min(WHOLE_BYTES, size - start)) for start in range(0, size, WHOLE_BYTES)
            )
        self._child.say({"descriptor": descriptor}, self._deadline)

    def _read(self, start: int, length: int) -> bytes:
        return read_exactly(self._question.read, start, length)

    @contextmanager
    def _time_of_the_store(self) -> Iterator[None]:
        """What passes in here is not the document's fault."""
        began_at = self._clock.monotonic()
        yield
        self._deadline += self._clock.monotonic() - began_at
