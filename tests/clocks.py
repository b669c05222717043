"""A clock that a test moves by hand."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until `pass_` or `sleep` moves it."""

    def __init__(self, start: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.pass_(timedelta(seconds=seconds))

    def pass_(self, time: timedelta) -> None:
        """Let this much time pass."""
        self._now += time
        self._monotonic += time.total_seconds()
