"""What was gathered of one S3 key, from the ledger and from the bucket, before anything is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from headrace.document import SubmissionKey
from headrace.exports.manifest import Manifest
from headrace.exports.order import Order
from headrace.ledger.inspections import ObjectRecord
from headrace.ledger.records import Run, Submission
from headrace.prediction import Prediction
from headrace.routing import Route
from headrace.storage import Location, ObjectHead
from headrace.storage.notes import Note


class Unread(Enum):
    """In place of what is there, and cannot be read."""

    DAMAGED = "damaged"


@dataclass(frozen=True)
class RunFacts:
    """One run, the route it is pinned to (None: never routed, or forgotten), and its submissions."""

    run: Run
    route: Route | None
    submissions: tuple[Submission, ...]
    has_facts: bool
    """Whether its run.json lies in the bucket."""

    @property
    def is_quiet(self) -> bool:
        """Nothing is left to do for it, so that all it left can be compared."""
        return self.run.state.is_end and self.run.published

    @property
    def private(self) -> Location | None:
        return None if self.route is None else Location.parse(self.route.private)


@dataclass(frozen=True)
class PublishedObject:
    """A file that a manifest names: whose it is (None: headrace did not write it), and its bytes."""

    order: Order | None
    body: bytes


@dataclass(frozen=True)
class ManifestFacts:
    """What lies where a manifest belongs; None: nothing. `files` are those that it names, by key; None: not there."""

    bucket: str
    key: str
    manifest: Manifest | Unread | None
    files: Mapping[str, PublishedObject | None] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class ObjectFacts:
    """All of one S3 key. `there` is what the bucket holds now; `manifests` are by the place where they belong.

    Notes and stored answers are by their submissions' keys, also such that the ledger does not know.
    """

    record: ObjectRecord
    there: ObjectHead | None
    runs: tuple[RunFacts, ...]
    notes: Mapping[SubmissionKey, Note | Unread]
    answers: Mapping[SubmissionKey, Prediction | Unread]
    manifests: Mapping[Location, ManifestFacts]

    @property
    def is_quiet(self) -> bool:
        """No run of the key is under way."""
        return all(one.is_quiet for one in self.runs)
