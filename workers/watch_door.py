"""The door of a watched prefix: it is listed again and again."""

from collections.abc import Callable

import structlog

from config.routes import RouteTable
from headrace.storage import ObjectStore
from headrace.storage.watching import Watch, WatchLedger
from workers.doors import Hint, hint_all

log = structlog.get_logger()


class WatchDoor:
    """Looks at one watched prefix."""

    def __init__(self, name: str, watch: Watch, hint: Hint, every_seconds: float) -> None:
        self.name = name
        self._watch = watch
        self._hint = hint
        self._every_seconds = every_seconds

    def look(self) -> float:
        found = self._watch.round()
        hint_all(found.recorded, self._hint)
        log.debug("prefix listed", door=self.name, listed=found.listed, requests=found.requests)
        return self._every_seconds if found.complete else 0.0


def watch_doors(
    routes: RouteTable, store: ObjectStore, ledger: WatchLedger, hint: Hint, every_seconds: float
) -> list[WatchDoor]:
    """A door for each watched prefix."""

    def takes(bucket: str) -> Callable[[str], bool]:
        return lambda key: any(route.takes(bucket, key) for route in routes.routes)

    return [
        WatchDoor(f"s3://{bucket}/{prefix}", Watch(store, ledger, bucket, prefix, takes(bucket)), hint, every_seconds)
        for bucket, prefix in routes.watched()
    ]
