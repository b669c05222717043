"""What the files in the bucket say of a run, read with suspicion: each must be of what its name says."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from headrace.document import Document, SubmissionKey, is_keepable
from headrace.exports.manifest import Manifest
from headrace.routing import Lane
from headrace.states import Mark, Mode, Preparation, Reason, State, SubmissionState
from headrace.storage.notes import Note

# What is longer was not written by us, and is not read into memory.
MOST_BYTES = 1024 * 1024
# Room for the tokens of many rebuilds in the ledger's column of 32 bits.
_MOST = 2**31 - 1
_MOST_TOKEN = 2**30

_WHOLE = Annotated[int, Field(ge=0, le=_MOST)]
_MONEY = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Model = TypeVar("_Model", bound=BaseModel)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Unreadable(Exception):
    """A file that is not what its name says; the text tells why."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True)


class StoredDocument(_Stored):
    """A document in run.json."""

    bucket: str
    key: str
    etag: str
    size: Annotated[int, Field(ge=0, le=2**62)] | None = None
    last_modified: AwareDatetime | None = None
    version_id: str | None = None
    sequencer: str | None = None


class StoredLane(_Stored):
    """A lane in run.json."""

    provider: str
    account: str
    model: str


class StoredSubmission(_Stored):
    """A submission in run.json."""

    key: str
    lane: StoredLane
    mode: Mode
    state: SubmissionState
    attempt: _WHOLE
    token: Annotated[int, Field(ge=0, le=_MOST_TOKEN)]
    send_before: AwareDatetime
    pages: _WHOLE | None = None
    job: str | None = None
    cost: _MONEY | None = None
    provider_cost: Annotated[float, Field(allow_inf_nan=False)] | None = None
    reason: Reason | None = None
    accepted_at: AwareDatetime | None = None
    paid: bool = True
    spent_on: str | None = None
    spent_pages: _WHOLE | None = None
    spent_cost: _MONEY | None = None


class RunFacts(_Stored):
    """run.json: a run as it stood when it came to be published."""

    document: StoredDocument
    number: int
    state: State
    reason: Reason | None = None
    detail: str = ""
    marks: tuple[Mark, ...] = ()
    route: str | None = None
    revision: str | None = None
    lane: StoredLane | None = None
    mode: Mode | None = None
    media_type: str | None = None
    preparation: Preparation | None = None
    pages: _WHOLE | None = None
    pages_source: str | None = None
    walked_pages: _WHOLE | None = None
    cost: _MONEY | None = None
    batch: str | None = None
    reserved_on: str | None = None
    reserved_pages: _WHOLE | None = None
    reserved_cost: _MONEY | None = None
    token: Annotated[int, Field(ge=0, le=_MOST_TOKEN)]
    attempts: _WHOLE = 0
    received_at: AwareDatetime | None = None
    received_on: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    submissions: tuple[StoredSubmission, ...] = ()


@dataclass(frozen=True)
class RunEvidence:
    """All that was read of one run. A note of None lies there and cannot be read; nor can the others where damaged."""

    number: int
    facts: RunFacts | None
    notes: Mapping[SubmissionKey, Note | None]
    answers: frozenset[SubmissionKey]


def document_of(told: Any) -> Document:
    """The document that a note or run.json tells of; Unreadable where it is none that the ledger could keep."""
    document = Document(
        told.bucket, told.key, told.etag, told.size, told.last_modified, told.version_id, told.sequencer
    )
    if not document.is_keepable:
        raise Unreadable("its document has a name that no object has")
    return document


def read_note(body: bytes, key: SubmissionKey) -> Note:
    """The note of this submission; Unreadable where it is not."""
    note = _parsed(Note.model_validate_json, body)
    of = (note.key, note.run, note.part, document_of(note.document).id)
    if of != (str(key), key.run, key.part, key.document):
        raise Unreadable("it is the note of another submission")
    if not (0 < note.attempt <= _MOST and 0 <= note.token <= _MOST_TOKEN):
        raise Unreadable("its numbers are none that headrace counts to")
    moments = (note.at, note.send_before, note.document.last_modified, note.facts.received_at, note.facts.created_at)
    if any(moment is not None and moment.tzinfo is None for moment in moments):
        raise Unreadable("its times have no zone")
    counts = (note.facts.pages, note.facts.walked_pages, note.facts.reserved_pages)
    if any(count is not None and not 0 <= count <= _MOST for count in counts):
        raise Unreadable("its page counts are none")
    if note.facts.reserved_cost is not None and not 0 <= note.facts.reserved_cost < inf:
        raise Unreadable("its cost is none")
    _check_day(note.document.received)
    _check_day(note.facts.reserved_on)
    facts = note.facts
    texts = (note.route, note.revision, note.job, facts.account, facts.model, facts.batch, facts.pages_source)
    _check_texts(*texts, facts.media_type)
    return note


def read_facts(body: bytes, document_id: str, number: int) -> RunFacts:
    """The facts of this run; Unreadable where they are not."""
    facts = _parsed(RunFacts.model_validate_json, body)
    if (document_of(facts.document).id, facts.number) != (document_id, number):
        raise Unreadable("they are the facts of another run")
    if not (facts.state.is_end or facts.state is State.PREDICTED):
        raise Unreadable(f"a run that is {facts.state} has no facts")
    for day in (facts.received_on, facts.reserved_on, *(one.spent_on for one in facts.submissions)):
        _check_day(day)
    _check_texts(facts.route, facts.revision, facts.batch, facts.pages_source, facts.detail, facts.media_type)
    for lane in (facts.lane, *(one.lane for one in facts.submissions)):
        if lane is not None:
            _check_texts(lane.provider, lane.account, lane.model)
    for one in facts.submissions:
        key = key_of(one)
        if (key.document, key.run) != (document_id, number):
            raise Unreadable("a submission among them is another run's")
        _check_texts(one.key, one.job)
    return facts


def read_manifest(body: bytes) -> Manifest:
    """A manifest; Unreadable where it is none."""
    return _parsed(Manifest.model_validate_json, body)


def key_of(submission: StoredSubmission) -> SubmissionKey:
    """The key of a submission in run.json; Unreadable where it is none."""
    try:
        return SubmissionKey.parse(submission.key)
    except ValueError as error:
        raise Unreadable("a submission among them has no key that headrace gives") from error


def lane_of(stored: StoredLane | None) -> Lane | None:
    return None if stored is None else Lane(stored.provider, stored.account, stored.model)


def _parsed(parse: Callable[[bytes], _Model], body: bytes) -> _Model:
    try:
        return parse(body)
    except ValidationError as error:
        # The error quotes the file, which may hold anything.
        raise Unreadable(f"{error.error_count()} of its values are missing or wrong") from None


def _check_day(day: str | None) -> None:
    """The day becomes part of the outputs' keys, or of the ledger's."""
    if day is None:
        return
    try:
        date.fromisoformat(day)
    except ValueError:
        day = ""
    if _DAY.fullmatch(day) is None:
        raise Unreadable("a day in it is none")


def _check_texts(*texts: str | None) -> None:
    if not all(is_keepable(text) for text in texts):
        raise Unreadable("it has characters that no ledger keeps")
