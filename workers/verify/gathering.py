"""From the ledger and the bucket to the facts of S3 keys. Nothing is written."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pydantic import ValidationError

from headrace.document import SubmissionKey
from headrace.errors import AnswerLost, LedgerError, LedgerUnavailable, ObjectNotFound, PreconditionFailed
from headrace.exports.manifest import Manifest
from headrace.exports.order import Order
from headrace.ledger import Ledger
from headrace.ledger.inspections import ObjectRecord
from headrace.ledger.records import Run, Submission
from headrace.prediction import Prediction
from headrace.routing import Route
from headrace.storage import Location, ObjectHead, ObjectStore
from headrace.storage.answers import Answers
from headrace.storage.notes import Note, SubmissionNotes
from workers.verify.facts import ManifestFacts, ObjectFacts, PublishedObject, RunFacts, Unread
from workers.verify.publications import places_of, run_facts_key

_TRIES = 3
_ANSWER = re.compile(
    r"(?P<run>[0-9]{1,9})/(?P<provider>[^/-]+)-(?P<part>[^/-]+)-(?P<n>[0-9]{1,9})/prediction\.json\.gz"
)


class Gathering:
    """Gathers the facts of S3 keys; several threads may, at once. Raises what ledger and store raise."""

    def __init__(self, ledger: Ledger, store: ObjectStore) -> None:
        self._ledger = ledger
        self._store = store
        self._notes = SubmissionNotes(store)
        self._answers = Answers(store)

    def facts(self, record: ObjectRecord) -> ObjectFacts:
        """What the bucket holds beside what the ledger told."""
        sent: dict[str, list[Submission]] = {run.id: [] for run in record.runs}
        for submission in record.submissions:
            sent[submission.run_id].append(submission)
        runs = [RunFacts(run, self._route(run), tuple(sent[run.id]), has_facts=False) for run in record.runs]
        notes: dict[SubmissionKey, Note | Unread] = {}
        answers: dict[SubmissionKey, Prediction | Unread] = {}
        stored: set[Location] = set()
        for private in sorted({one.private for one in runs if one.private is not None}):
            for document in record.documents:
                notes |= self._notes_of(private, document.id)
                keys = {head.key for head in self._listed(private.bucket, private.key("runs", document.id, ""))}
                stored |= {Location(private.bucket, key) for key in keys}
                answers |= self._answers_of(private, document.id, keys)
        return ObjectFacts(
            record=record,
            there=self._there(record),
            runs=tuple(replace(one, has_facts=_facts_place(one) in stored) for one in runs),
            notes=notes,
            answers=answers,
            manifests={place: self._manifest(place) for place in places_of(runs)},
        )

    def _route(self, run: Run) -> Route | None:
        if run.revision is None:
            return None
        try:
            return self._ledger.route_at(run.revision)
        except LedgerUnavailable:
            raise
        except LedgerError:
            return None

    def _there(self, record: ObjectRecord) -> ObjectHead | None:
        source = record.documents[0] if record.documents else None
        return None if source is None else self._head(source.bucket, source.key)

    def _notes_of(self, private: Location, document_id: str) -> Mapping[SubmissionKey, Note | Unread]:
        found: dict[SubmissionKey, Note | Unread] = {}
        for head in self._listed(private.bucket, private.key("submissions", f"{document_id}-")):
            key = submission_key(head.key)
            if key is not None:
                found[key] = self._notes.read(private, str(key)) or Unread.DAMAGED
        return found

    def _answers_of(
        self, private: Location, document_id: str, keys: Iterable[str]
    ) -> Mapping[SubmissionKey, Prediction | Unread]:
        found: dict[SubmissionKey, Prediction | Unread] = {}
        folder = private.key("runs", document_id, "")
        for path in keys:
            match = _ANSWER.fullmatch(path.removeprefix(folder))
            if match is None:
                continue
            key = SubmissionKey(document_id, int(match["run"]), match["provider"], match["part"], int(match["n"]))
            try:
                prediction = self._answers.prediction(private, key)
            except AnswerLost:
                found[key] = Unread.DAMAGED
            else:
                if prediction is not None:
                    found[key] = prediction
        return found

    def _manifest(self, place: Location) -> ManifestFacts:
        bucket, key = place
        body = self._read(bucket, key)
        if body is None:
            return ManifestFacts(bucket, key, None)
        try:
            manifest = Manifest.model_validate_json(body)
        except ValidationError:
            return ManifestFacts(bucket, key, Unread.DAMAGED)
        files = () if manifest.published is None else manifest.published.files
        return ManifestFacts(bucket, key, manifest, {file.key: self._published(bucket, file.key) for file in files})

    def _published(self, bucket: str, key: str) -> PublishedObject | None:
        for _ in range(_TRIES):
            head = self._head(bucket, key)
            if head is None:
                return None
            try:
                return PublishedObject(Order.read(head.metadata), self._store.read(bucket, key, if_match=head.etag))
            except (PreconditionFailed, ObjectNotFound):
                continue  # written anew in between
        return None

    def _head(self, bucket: str, key: str) -> ObjectHead | None:
        try:
            return self._store.head(bucket, key)
        except ObjectNotFound:
            return None

    def _read(self, bucket: str, key: str) -> bytes | None:
        try:
            return self._store.read(bucket, key)
        except ObjectNotFound:
            return None

    def _listed(self, bucket: str, prefix: str) -> Iterator[ObjectHead]:
        for page in self._store.list(bucket, prefix):
            yield from page


def submission_key(path: str) -> SubmissionKey | None:
    """The submission whose note lies there; None for what is not named as a note is.

    >>> str(submission_key("notes/submissions/0f-1-nanonets-all-1.json"))
    '0f-1-nanonets-all-1'
    >>> submission_key("notes/submissions/readme.txt")
    """
    name = path.rpartition("/")[2]
    try:
        key = SubmissionKey.parse(name.removesuffix(".json"))
    except ValueError:
        return None
    return key if f"{key}.json" == name else None


def _facts_place(one: RunFacts) -> Location | None:
    private = one.private
    return None if private is None else Location(private.bucket, run_facts_key(private, one.run))
