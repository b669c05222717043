"""Pages per minute and model: the one limit that Nanonets publishes."""

from collections import defaultdict, deque

WINDOW_SECONDS = 60.0


class Pace:
    """Counts the pages taken in the last minute; times are seconds of one clock."""

    def __init__(self, pages_per_minute: int | None) -> None:
        self._most = pages_per_minute
        self._taken: dict[str, deque[tuple[float, int]]] = defaultdict(deque)

    def refuses_sync(self, model: str, pages: int, now: float) -> bool:
        """Whether a sync call is too much. A large file alone is taken, however large."""
        taken = self._in_window(model, now)
        return self._most is not None and taken > 0 and taken + pages > self._most

    def take(self, model: str, pages: int, now: float) -> float:
        """Note these pages as taken; how many seconds later they are done because of the limit."""
        backlog = self._in_window(model, now) + pages
        self._taken[model].append((now, pages))
        if self._most is None or backlog <= self._most:
            return 0.0
        return (backlog - self._most) / self._most * WINDOW_SECONDS

    def _in_window(self, model: str, now: float) -> int:
        taken = self._taken[model]
        while taken and taken[0][0] <= now - WINDOW_SECONDS:
            taken.popleft()
        return sum(pages for _, pages in taken)
