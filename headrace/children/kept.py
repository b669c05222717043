"""A child process that is kept for the next document, and what its failing means for the document it had."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from headrace.children.process import ChildDied, ChildProcess, ChildTalksNonsense, ChildTooSlow
from headrace.errors import PermanentError, UnreadableDocument

Child = TypeVar("Child", bound=ChildProcess[Any])
Answer = TypeVar("Answer")

# What a hundred documents leave behind in a process is not worth keeping.
_MOST_USES = 100


class KeptChild(Generic[Child]):
    """One child for one document after another. For one thread at a time."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._uses = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._child is None else self._child.pid

    def use(self, start: Callable[[], Child], work: Callable[[Child], Answer]) -> Answer:
        """What `work` gets out of the child, or out of the one that `start` gives where there is none."""
        if self._child is None:
            self._child = start()
            self._uses = 0
        try:
            answer = work(self._child)
        except BaseException:
            # It is dead, or hung, or waits for bytes that will not come.
            self.end()
            raise
        self._uses += 1
        if self._uses >= _MOST_USES:
            self.end()
        return answer

    def end(self) -> None:
        """End the child, if there is one. The next use starts another."""
        if self._child is not None:
            self._child.kill()
            self._child = None


@contextmanager
def blaming_the_document(timed_out: Callable[[], PermanentError]) -> Iterator[None]:
    """Turn what a child died of, or did wrong, into an error of the document that it had; of time: `timed_out`."""
    try:
        yield
    except ChildTooSlow as error:
        raise timed_out() from error
    except ChildDied as death:
        if death.signal_number == signal.SIGXCPU:
            raise timed_out() from death
        raise UnreadableDocument(
            "The document ends the process that reads it. Open it in a viewer and save it anew."
        ) from death
    except ChildTalksNonsense as error:
        raise UnreadableDocument(
            "The document makes the process that reads it misbehave. Open it in a viewer and save it anew."
        ) from error
