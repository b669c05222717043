"""Reading what a place has of documents, several at once: each file is a request of its own."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC
from functools import reduce
from typing import NamedTuple, TypeVar

from headrace.clock import Clock
from headrace.document import Document, SubmissionKey
from headrace.errors import ObjectNotFound
from headrace.exports.keys import OutputKeys
from headrace.exports.manifest import Manifest
from headrace.ledger.restored import RestoredDocument, RestoredRun
from headrace.ledger.standing import merge
from headrace.rebuilding.deciding import document_in, restored_run, run_of_facts
from headrace.rebuilding.evidence import MOST_BYTES, RunEvidence, Unreadable, read_facts, read_manifest, read_note
from headrace.rebuilding.names import NamedDocument, NamedRun
from headrace.rebuilding.routes import RoutesThen
from headrace.routing import Route
from headrace.storage import Location, ObjectHead, ObjectStore
from headrace.storage.notes import Note

_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True)
class Problem:
    """A file that could not be used: where it lies, and why."""

    place: str
    why: str


@dataclass
class Told:
    """What came of reading documents: what is to be put back, and what could not be used."""

    documents: list[RestoredDocument] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """Reads the files of one private place. Every call raises what the store raises, and LedgerUnavailable."""

    store: ObjectStore
    place: Location
    routes: RoutesThen
    threads: Executor
    clock: Clock

    def read(self, documents: Sequence[NamedDocument]) -> Told:
        """What the files tell of these documents."""
        together = Told()
        for told in self.threads.map(self._read_document, documents):
            together.documents += told.documents
            together.problems += told.problems
        return together

    def _read_document(self, named: NamedDocument) -> Told:
        told = Told()
        evidence = [self._evidence(named.id, number, run, told) for number, run in sorted(named.runs.items())]
        document = _document(evidence)
        if document is None:
            told.problems += _unknown(self.place, named)
            return told
        runs = [run for one in evidence if (run := self._run(one, document, told)) is not None]
        days = [run.run.received_on for run in runs if run.run.received_on is not None]
        moments = [moment for run in runs for moment in (run.run.received_at, run.run.created_at) if moment is not None]
        received_at = min(moments, default=document.last_modified or self.clock.now())
        day = min(days, default=received_at.astimezone(UTC).date().isoformat())
        if runs:
            told.documents.append(RestoredDocument(document, received_at, day, tuple(runs)))
        return told

    def _run(self, one: RunEvidence, document: Document, told: Told) -> RestoredRun | None:
        revision = _revision(one)
        route = None if revision is None else self.routes.find(self.place, revision)
        return restored_run(one, document, route, self._manifest(one, document, route, told))

    def _manifest(self, one: RunEvidence, document: Document, route: Route | None, told: Told) -> Manifest | None:
        """The manifest of the document's key; where the run's route is not known, where its namesake would put it."""
        if one.facts is None:
            return None
        publishing = route or self.routes.namesake(one.facts.route)
        if publishing is None:
            return None
        try:
            keys = OutputKeys.of(run_of_facts(one.facts, document), publishing)
        except ValueError:
            return None
        file = _File(keys.location.bucket, keys.manifest)
        return self._parsed(file, read_manifest, told, "It is written again from the run's files.")

    def _evidence(self, document: str, number: int, named: NamedRun, told: Told) -> RunEvidence:
        facts = None
        if named.facts is not None:
            file = _File(self.place.bucket, named.facts.key, named.facts.size)
            remedy = "What the run's notes tell counts instead."
            facts = self._parsed(file, lambda body: read_facts(body, document, number), told, remedy)
        notes = {key: self._note(key, head, told) for key, head in named.notes.items()}
        return RunEvidence(number, facts, notes, frozenset(named.answers))

    def _note(self, key: SubmissionKey, head: ObjectHead, told: Told) -> Note | None:
        file = _File(self.place.bucket, head.key, head.size)
        remedy = "While it lies there nothing is sent under its key; see `headrace resolve`."
        return self._parsed(file, lambda body: read_note(body, key), told, remedy)

    def _parsed(self, file: "_File", parse: Callable[[bytes], _Parsed], told: Told, remedy: str) -> _Parsed | None:
        """What a file says; None where it is not there, and, with a problem, where it is not what its name says."""
        try:
            return parse(self._body(file))
        except ObjectNotFound:
            return None
        except Unreadable as error:
            told.problems.append(Problem(f"s3://{file.bucket}/{file.key}", f"It cannot be used: {error}. {remedy}"))
            return None

    def _body(self, file: "_File") -> bytes:
        if file.size > MOST_BYTES:
            raise Unreadable(f"it has {file.size} bytes")
        # One byte more than is taken, so that a longer one is found out.
        body = self.store.read(file.bucket, file.key, length=MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise Unreadable(f"it has more than {MOST_BYTES} bytes")
        return body


class _File(NamedTuple):
    bucket: str
    key: str
    size: int = 0


def _document(evidence: Iterable[RunEvidence]) -> Document | None:
    """The document as the latest of its files tells of it."""
    told = [document for one in evidence if (document := document_in(one)) is not None]
    return reduce(merge, told) if told else None


def _revision(one: RunEvidence) -> str | None:
    if one.facts is not None:
        return one.facts.revision
    notes = [note for note in one.notes.values() if note is not None]
    return max(notes, key=lambda note: note.token).revision if notes else None


def _unknown(place: Location, named: NamedDocument) -> list[Problem]:
    """Of a document without one readable file nobody can say which object it is."""
    problems = []
    for number, run in named.runs.items():
        lost = [head.key for head in run.notes.values()] + ([] if run.facts is None else [run.facts.key])
        if not lost and run.answers:
            at = f"{place}/runs/{named.id}/{number}/"
            why = "An answer is stored without a file that tells whose it is; a new run of the document uses it."
            problems.append(Problem(at, why))
    return problems
