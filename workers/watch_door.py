"""The door of a watched prefix: it is listed again and again."""

from collections.abc import Callable

import structlog

from config.routes import RouteTable
from headrace.clock import Clock
from headrace.storage import ObjectStore
from headrace.storage.watching import Watch, WatchLedger
from workers.doors import Hint, hint_all

log = structlog.get_logger()


class WatchDoor:
    """Looks at one watched prefix, from the start of one listing to the start of the next in `every_seconds`."""

    def __init__(self, name: str, watch: Watch, hint: Hint, every_seconds: float, clock: Clock) -> None:
        self.name = name
        self._watch = watch
        self._hint = hint
        self._every_seconds = every_seconds
        self._clock = clock
        self._began: float | None = None
        self._is_late = False

    def look(self) -> float:
        if self._began is None:
            self._began = self._clock.monotonic()
        found = self._watch.round()
        hint_all(found.recorded, self._hint)
        log.debug("prefix listed", door=self.name, listed=found.listed, requests=found.requests)
        for failure in found.failures:
            log.warning("part of a prefix was not listed", door=self.name, why=str(failure))
        if not found.complete:
            return 0.0
        took_seconds = self._clock.monotonic() - self._began
        self._began = None
        self._tell_whether_late(took_seconds)
        return max(self._every_seconds - took_seconds, 0.0)

    def _tell_whether_late(self, took_seconds: float) -> None:
        is_late = took_seconds > self._every_seconds
        if is_late and not self._is_late:
            log.warning(
                "listing takes longer than its interval",
                door=self.name,
                seconds=round(took_seconds, 1),
                interval=self._every_seconds,
            )
        self._is_late = is_late


def watch_doors(
    routes: RouteTable, store: ObjectStore, ledger: WatchLedger, hint: Hint, *, every_seconds: float, clock: Clock
) -> list[WatchDoor]:
    """A door for each watched prefix."""

    def takes(bucket: str) -> Callable[[str], bool]:
        return lambda key: any(route.takes(bucket, key) for route in routes.routes)

    def door(bucket: str, prefix: str) -> WatchDoor:
        watch = Watch(store, ledger, bucket, prefix, takes(bucket))
        return WatchDoor(f"s3://{bucket}/{prefix}", watch, hint, every_seconds, clock)

    return [door(bucket, prefix) for bucket, prefix in routes.watched()]
