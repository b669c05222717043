"""What a rebuild puts back into the ledger, as values."""

from dataclasses import dataclass
from datetime import datetime

from headrace.document import Document
from headrace.ledger.records import Run, Submission


@dataclass(frozen=True)
class RestoredRun:
    """A run as the bucket tells of it, its token the highest that any file of it names.

    `told_at` are the moments at which that was written: a ledger whose history of the run has all of them, and which
    has every submission, or a later attempt of it, knows as much already. `settled`: its doubt is none any more, so
    it goes on even where the ledger holds it for doubt.
    """

    run: Run
    submissions: tuple[Submission, ...]
    told_at: datetime | None
    settled: bool = False


@dataclass(frozen=True)
class RestoredDocument:
    """A document as the bucket tells of it, with its runs. `received_on` is the day on which its key was first seen."""

    document: Document
    received_at: datetime
    received_on: str
    runs: tuple[RestoredRun, ...]


@dataclass(frozen=True)
class Restored:
    """How many runs were put back, and how many the ledger knew as well."""

    restored: int
    known: int


@dataclass(frozen=True)
class RestoredCount:
    """How many runs a rebuild put back into a state, for a reason."""

    state: str
    reason: str | None
    runs: int
