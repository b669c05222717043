"""The routes' revisions, kept in the bucket too: a ledger that was rebuilt finds the route of each run again.

`{private}/revisions/{revision}.json` is the route's definition, byte for byte as it was hashed: a file that was
damaged or changed does not have the hash that it is named by.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

from headrace.errors import PreconditionFailed
from headrace.faults import fault_point
from headrace.storage import Location, ObjectStore

FOLDER = "revisions"
_DIGITS = 12


class StoredRevisions:
    """The revisions of every private place. Every method raises StorageUnavailable and StorageRefused."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._kept: set[tuple[Location, str]] = set()

    def keep(self, location: Location, revision: str, definition: Callable[[], str]) -> None:
        """Make sure that the place has this revision. `definition` is asked for the first time only."""
        if (location, revision) in self._kept:
            return
        # Where it stands there already, that is as good.
        with suppress(PreconditionFailed):
            self._create(location, revision, definition().encode())
        self._kept.add((location, revision))

    def read(self, location: Location, revision: str) -> str | None:
        """The definition of a revision; None where what lies there is not what was kept. Raises ObjectNotFound."""
        body = self._store.read(location.bucket, _path(location, revision))
        if sha256(body).hexdigest()[:_DIGITS] != revision:
            return None
        return body.decode()

    def _create(self, location: Location, revision: str, body: bytes) -> None:
        path = _path(location, revision)
        fault_point("revisions.create.before")
        self._store.put(location.bucket, path, body, content_type="application/json", if_none_match=True)
        fault_point("revisions.create.after")


def _path(location: Location, revision: str) -> str:
    return location.key(FOLDER, f"{revision}.json")
