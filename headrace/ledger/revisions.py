"""Routes as they were: each run keeps to the revision under which it was routed."""

from pydantic import ValidationError
from sqlalchemy import select

from headrace.clock import Clock
from headrace.errors import LedgerError
from headrace.ledger.engine import Database
from headrace.ledger.schema import route_revisions
from headrace.ledger.upserts import insert_new
from headrace.routing import Route


class Revisions(Database):
    """The calls of whoever needs the route of a run."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, clock)
        self._routes: dict[str, Route] = {}  # by revision, whose route never changes

    def record_revision(self, route: Route) -> None:
        """Keep this revision of a route; keeping it again changes nothing."""
        revision = route.revision
        if revision in self._routes:
            return
        row = {
            "revision": revision,
            "route": route.name,
            "definition": route.definition,
            "first_seen": self._clock.now(),
        }
        with self._transaction("record_revision") as tx:
            insert_new(tx, route_revisions, [row])
        self._routes[revision] = route

    def route_at(self, revision: str) -> Route:
        """The route as it was in this revision; LedgerError where it was never recorded, or cannot be read."""
        if revision not in self._routes:
            self._routes[revision] = self._read_route(revision)
        return self._routes[revision]

    def definition(self, revision: str) -> str:
        """The route's definition as JSON, just as it was recorded; LedgerError where it never was."""
        query = select(route_revisions.c.definition).where(route_revisions.c.revision == revision)
        with self._reading() as connection:
            definition: str | None = connection.execute(query).scalar_one_or_none()
        if definition is None:
            raise LedgerError(f"The ledger has no route revision {revision}; reprocess the document.")
        return definition

    def restore_revision(self, revision: str, route: str, definition: str) -> None:
        """Keep a definition that an earlier ledger had recorded, as it was; keeping it again changes nothing."""
        row = {"revision": revision, "route": route, "definition": definition, "first_seen": self._clock.now()}
        with self._transaction("restore_revision") as tx:
            insert_new(tx, route_revisions, [row])

    def _read_route(self, revision: str) -> Route:
        definition = self.definition(revision)
        try:
            return Route.model_validate_json(definition)
        except ValidationError as error:
            raise LedgerError(
                f"The route revision {revision} was recorded by another version of headrace, and cannot be read: "
                f"{error.error_count()} of its settings are unknown or wrong. Reprocess the document."
            ) from error
