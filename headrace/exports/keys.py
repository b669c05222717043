"""Where each published file of a run lies below the route's output."""

from dataclasses import dataclass
from typing import Literal, Self

from headrace.ledger.records import Run
from headrace.routing import Route
from headrace.storage import Location

RowKind = Literal["fields", "table_rows", "cells"]
ROW_KINDS: tuple[RowKind, ...] = ("fields", "table_rows", "cells")


@dataclass(frozen=True)
class OutputKeys:
    """The keys of one object's files.

    `received` is the day on which bucket and key were first seen, `object` the id of bucket and key (of
    the document, where each content keeps its rows): no part of a key that a stranger chose.
    """

    location: Location
    received: str
    object: str

    @classmethod
    def of(cls, run: Run, route: Route) -> Self:
        """ValueError for a run whose ledger never noted when it was received."""
        received = run.received_on
        if received is None and run.received_at is not None:
            received = run.received_at.date().isoformat()
        if received is None:
            raise ValueError(f"Run {run.id} has no day of receipt.")
        document = run.document
        return cls(
            Location.parse(route.output), received, document.id if route.versions == "keep" else document.object_id
        )

    def csv(self, kind: RowKind) -> str:
        return self._key("csv", kind, f"{self.object}.csv")

    def json(self, kind: RowKind) -> str:
        return self._key("json", kind, f"{self.object}.jsonl")

    @property
    def text(self) -> str:
        return self._key("text", None, f"{self.object}.txt")

    @property
    def words(self) -> str:
        return self._key("words", None, f"{self.object}.jsonl.gz")

    @property
    def manifest(self) -> str:
        return self._key("documents", None, f"{self.object}.json")

    def _key(self, folder: str, kind: str | None, name: str) -> str:
        parts = [folder, kind, f"received={self.received}", name]
        return self.location.key(*(part for part in parts if part is not None))
