"""The routes as they were: from the bucket, from the ledger, or from headrace.toml where it still says the same."""

from collections.abc import Iterable, Sequence
from threading import Lock

from pydantic import ValidationError

from headrace.errors import LedgerError, LedgerUnavailable, ObjectNotFound
from headrace.ledger import Ledger
from headrace.routing import Route
from headrace.storage import Location, ObjectStore
from headrace.storage.revisions import FOLDER, StoredRevisions


class RoutesThen:
    """Finds the route of a revision once, and has the ledger keep it. May be asked by several threads."""

    def __init__(self, store: ObjectStore, ledger: Ledger, now: Sequence[Route]) -> None:
        self._stored = StoredRevisions(store)
        self._ledger = ledger
        self._now = {route.revision: route for route in now}
        self._found: dict[str, Route | None] = {}
        self._lock = Lock()
        self.problems: dict[str, str] = {}

    def find(self, place: Location, revision: str) -> Route | None:
        """The route in this revision; None, and a problem that says so, where nobody has it any more.

        Raises what the store does, and LedgerUnavailable.
        """
        with self._lock:
            if revision not in self._found:
                self._found[revision] = self._look(place, revision)
            return self._found[revision]

    def namesake(self, name: str | None) -> Route | None:
        """Today's route of this name."""
        return next((route for route in self._now.values() if route.name == name), None)

    def _look(self, place: Location, revision: str) -> Route | None:
        why: list[str] = []
        for source in (self._from_bucket, self._from_ledger, self._from_table):
            route, trouble = source(place, revision)
            if route is not None:
                return route
            why += trouble
        at = f"{place}/{FOLDER}/{revision}.json"
        self.problems[at] = f"The route revision cannot be had: {'; '.join(why)}. Runs of it cannot go on."
        return None

    def _from_bucket(self, place: Location, revision: str) -> "_Look":
        try:
            definition = self._stored.read(place, revision)
        except ObjectNotFound:
            return None, ["it was not kept in the bucket"]
        if definition is None:
            return None, ["its file in the bucket was changed or damaged"]
        try:
            route = Route.model_validate_json(definition)
        except ValidationError:
            return None, ["its file in the bucket is another version's of headrace"]
        self._ledger.restore_revision(revision, route.name, definition)
        return route, []

    def _from_ledger(self, _place: Location, revision: str) -> "_Look":
        try:
            return self._ledger.route_at(revision), []
        except LedgerUnavailable:
            raise
        except LedgerError:
            return None, ["the ledger does not know it"]

    def _from_table(self, _place: Location, revision: str) -> "_Look":
        route = self._now.get(revision)
        if route is None:
            return None, ["no route of headrace.toml is the same today"]
        self._ledger.restore_revision(revision, route.name, route.definition)
        return route, []


_Look = tuple[Route | None, Iterable[str]]
