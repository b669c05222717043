"""Whose turn it is among the queues of a lane: fair shares by pages, fresh drops before batches.

Stride scheduling in two levels: the precedences share nine to one, and within each of them the routes by their weights.
Whoever went least so far, counted in pages by its share, is next; so over any length of time in which they have work
each gets its share, to within one document. Who had no work for a while starts beside the one that went least, and
saves up nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from headrace.states import Precedence

SHARES: Mapping[Precedence, float] = {Precedence.FRESH: 9.0, Precedence.BATCH: 1.0}


class Queue(NamedTuple):
    """The waiting runs of a lane that are of one precedence and one route."""

    precedence: Precedence
    route: str


class Turns:
    """The turns of one lane's queues.

    `passed` is what `passed_by_all` gave at the last dispatch; `weights` are the routes', 1 where one is not named.
    """

    def __init__(self, waiting: Collection[Queue], passed: Mapping[Queue, float], weights: Mapping[str, float]) -> None:
        self._waiting = set(waiting)
        self._weights = weights
        self._passed: dict[Queue, float] = {}
        whole = {_whole(queue.precedence) for queue in waiting}
        self._start(whole, passed)
        for precedence in Precedence:
            self._start({queue for queue in waiting if queue.precedence is precedence}, passed)
        # Who is ahead of all that have work stays so until they have caught up.
        self._ahead = dict(self._still_ahead(passed))

    def next(self) -> Queue | None:
        """The queue whose turn it is; None where no queue has a run left."""
        if not self._waiting:
            return None
        precedence = min((self._passed[_whole(p)], p) for p in {queue.precedence for queue in self._waiting})[1]
        peers = [queue for queue in self._waiting if queue.precedence is precedence]
        return min(peers, key=lambda queue: (self._passed[queue], queue.route))

    def went(self, queue: Queue, pages: int) -> None:
        """Say that a run of so many pages of this queue goes."""
        self._passed[queue] += pages / self._weights.get(queue.route, 1.0)
        self._passed[_whole(queue.precedence)] += pages / SHARES[queue.precedence]

    def leave_out(self, queue: Queue) -> None:
        """Say that this queue has no run left, or that none of it may go now."""
        self._waiting.discard(queue)

    def passed_by_all(self) -> dict[Queue, float]:
        """What has to be remembered for the next time; a queue that is not in it starts beside the others."""
        return {**self._ahead, **self._passed}

    def _start(self, peers: Collection[Queue], passed: Mapping[Queue, float]) -> None:
        known = [passed[queue] for queue in peers if queue in passed]
        least = min(known, default=0.0)
        self._passed |= {queue: passed.get(queue, least) for queue in peers}

    def _still_ahead(self, passed: Mapping[Queue, float]) -> Iterator[tuple[Queue, float]]:
        for queue, amount in passed.items():
            peers = [other for other in self._passed if _are_peers(queue, other)]
            if queue not in self._passed and peers and amount > min(self._passed[other] for other in peers):
                yield queue, amount


def _whole(precedence: Precedence) -> Queue:
    """Stands for all queues of one precedence."""
    return Queue(precedence, "")


def _are_peers(one: Queue, other: Queue) -> bool:
    return (one.route == "") == (other.route == "") and (one.route == "" or one.precedence is other.precedence)
