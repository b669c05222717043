"""The note in the bucket that fences each paid request: without it, nothing is sent.

`{private}/submissions/{key}.json` is created before the request, with If-None-Match. Whoever finds one
that is not its own must not send, unless it says that every earlier attempt certainly was not paid.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Self

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from headrace.document import Document
from headrace.errors import ObjectNotFound, PreconditionFailed, StorageUnavailable
from headrace.faults import fault_point
from headrace.ledger.records import Run, Submission
from headrace.routing import Route
from headrace.states import Mode, Preparation, Reason
from headrace.storage import Location, ObjectStore

log = structlog.get_logger()

TRIES = 5
MOST_REMEMBERED = 1000


class NotedDocument(BaseModel):
    """What a rebuild of the ledger needs to know of the document."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    key: str
    etag: str
    version_id: str | None = None
    size: int | None = None
    last_modified: datetime | None = None
    sequencer: str | None = None
    received: str | None = None

    @classmethod
    def of(cls, document: Document, received: str | None) -> Self:
        return cls(
            bucket=document.bucket,
            key=document.key,
            etag=document.etag,
            version_id=document.version_id,
            size=document.size,
            last_modified=document.last_modified,
            sequencer=document.sequencer,
            received=received,
        )


class NotedRun(BaseModel):
    """What routing decided of the run, for the same."""

    model_config = ConfigDict(frozen=True)

    mode: Mode | None = None
    media_type: str | None = None
    preparation: Preparation | None = None
    pages: int | None = None
    pages_source: str | None = None
    walked_pages: int | None = None
    account: str | None = None
    model: str | None = None
    batch: str | None = None
    reserved_on: str | None = None
    reserved_pages: int | None = None
    reserved_cost: float | None = None
    received_at: datetime | None = None
    created_at: datetime | None = None

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            mode=run.mode,
            media_type=run.media_type,
            preparation=run.preparation,
            pages=run.pages,
            pages_source=run.pages_source,
            walked_pages=run.walked_pages,
            account=run.lane.account if run.lane is not None else None,
            model=run.lane.model if run.lane is not None else None,
            batch=run.batch,
            reserved_on=run.reserved_on,
            reserved_pages=run.reserved_pages,
            reserved_cost=run.reserved_cost,
            received_at=run.received_at,
            created_at=run.created_at,
        )


class Note(BaseModel):
    """One attempt to send one submission, and what became of it.

    `nonce` is new for every attempt, so that its writer knows it again. `outcome` "refused" says that
    the attempt certainly was not paid, and `reason` why; "accepted" comes with the provider's `job`;
    "abandoned" says that nobody waits for the truth of it any more: a next submission is begun, or none will be
    where `reason` is given_up. `others` are further jobs that were seen under the key, or a job that was seen after it
    was abandoned stands as `job`: each of them may have been billed.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    attempt: int
    token: int
    nonce: str
    send_before: datetime
    document: NotedDocument
    run: int
    part: str
    route: str
    revision: str
    facts: NotedRun = NotedRun()
    outcome: Literal["none", "accepted", "refused", "abandoned"] = "none"
    job: str | None = None
    others: tuple[str, ...] = ()
    reason: Reason | None = None
    at: datetime

    @classmethod
    def of(cls, intent: Submission, *, run: Run, route: Route, nonce: str, at: datetime) -> Self:
        """The note of an attempt that the ledger has just recorded."""
        return cls(
            key=str(intent.key),
            attempt=intent.attempt,
            token=intent.token,
            nonce=nonce,
            send_before=intent.send_before,
            document=NotedDocument.of(run.document, run.received_on),
            run=run.number,
            part=intent.key.part,
            route=route.name,
            # A route that an older version recorded has another revision once this one has read it.
            revision=run.revision or route.revision,
            facts=NotedRun.of(run),
            at=at,
        )

    def is_same_attempt(self, other: "Note") -> bool:
        return (self.key, self.token, self.nonce) == (other.key, other.token, other.nonce)


@dataclass(frozen=True)
class Granted:
    """The fence is ours: this attempt, and no other, may send now."""

    note: Note


@dataclass(frozen=True)
class Adopt:
    """An earlier attempt was accepted: the provider's job is to be used, nothing is to be sent."""

    job: str


@dataclass(frozen=True)
class Doubt:
    """An earlier attempt may have been taken; `detail` says what was found. Nothing is to be sent."""

    detail: str


@dataclass(frozen=True)
class Over:
    """Nothing is to be sent under this key any more: the provider gave it up, or it was `abandoned`."""

    reason: Reason
    abandoned: bool


Fenced = Granted | Adopt | Doubt | Over


class _Standing(NamedTuple):
    note: Note | None  # None: what lies there cannot be read
    etag: str


class SubmissionNotes:
    """The notes of all submissions. Every method raises StorageUnavailable and StorageRefused."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        # What this process wrote a moment ago, by location and key: to add how it ended, it need not be read first.
        self._written: dict[tuple[Location, str], _Standing] = {}

    def fence(self, location: Location, note: Note) -> Fenced:
        """Create the note; or say why this attempt must not send.

        An earlier attempt that certainly was not paid is replaced, and the new note counts on from it.
        StorageUnavailable leaves open whether the note was written, and nothing may be sent.
        """
        for last_try in [False] * (TRIES - 1) + [True]:
            try:
                self._create(location, note)
            except PreconditionFailed:
                verdict = self._judge(location, note)
                if verdict is not None:
                    return verdict
            except StorageUnavailable:
                # It may have been written all the same; then the next try finds it and knows it again.
                if last_try:
                    raise
            else:
                return Granted(note)
        raise StorageUnavailable(f"The note of {note.key} kept changing while it was read. Try again later.")

    def accepted(self, location: Location, note: Note, job: str, at: datetime) -> str | None:
        """Add the provider's job to the note of this attempt; in words for people, what then does not add up, if so.

        Nothing is hidden: a job beside another one, or of an attempt that was settled otherwise, is an alert of the
        log, and stands in the note too.
        """
        alert: str | None = None

        def with_job(there: Note | None) -> Note | None:
            nonlocal alert
            if there is None:
                return None
            told, amiss = _with_job(there, note, job, at)
            # Where the store took it and its answer was lost, the next try finds the job there already.
            alert = amiss or alert
            return told

        try:
            self._rewrite(location, note.key, with_job, self._just_written(location, note))
        finally:
            if alert is not None:
                log.error("two truths under one key", submission=note.key, attempt=note.attempt, job=job, what=alert)
        return alert

    def refused(self, location: Location, note: Note, reason: Reason, at: datetime) -> None:
        """Add to the note of this attempt that it certainly was not paid, and why; what was settled meanwhile stays."""

        def with_reason(there: Note | None) -> Note | None:
            if there is None or there.outcome != "none":
                return None
            if not there.is_same_attempt(note):
                log.warning("submission note replaced by another attempt", submission=note.key, attempt=note.attempt)
                return None
            return there.model_copy(update={"outcome": "refused", "reason": reason, "at": at})

        self._rewrite(location, note.key, with_reason, self._just_written(location, note))

    def conclude(self, location: Location, looked: Note, concluded: Note) -> Note:
        """Settle the attempt that was looked for, if it still is open; the note as it stands then.

        `looked` is the note as it was read, or, where none could be, as it must have been: then it is written anew.
        Whoever settles it goes on from what stands, which may be what another one settled, or another attempt.
        """
        standing = looked

        def settled(there: Note | None) -> Note | None:
            nonlocal standing
            if there is None or (there.outcome == "none" and there.is_same_attempt(looked)):
                standing = concluded
                return concluded
            standing = there
            return None

        for _ in range(TRIES):
            try:
                if not self._rewrite(location, looked.key, settled):
                    self._create(location, concluded)
                    return concluded
            except PreconditionFailed:
                continue
            return standing
        raise StorageUnavailable(f"The note of {looked.key} came and went while it was written. Try again later.")

    def read(self, location: Location, key: str) -> Note | None:
        """The note of a submission; None where there is none, or none that can be read."""
        try:
            return self._standing(location, key).note
        except ObjectNotFound:
            return None

    def _judge(self, location: Location, note: Note) -> Fenced | None:
        """What the note that lies there allows; None where it changed meanwhile and is to be looked at again."""
        try:
            standing = self._standing(location, note.key)
        except (ObjectNotFound, PreconditionFailed):
            return None
        there = standing.note
        if there is None:
            return Doubt("The note of an earlier attempt is damaged, so nobody can say whether it was taken.")
        if there.job is not None:
            return Adopt(there.job)
        if there.outcome == "abandoned":
            return Over(there.reason or Reason.IN_DOUBT, abandoned=True)
        if there.outcome == "refused" and there.reason is Reason.PREDICTION_FAILED:
            # It was read, and perhaps paid: only under the next key it is sent again, where a person says so.
            return Over(there.reason, abandoned=False)
        if there.outcome == "none" and there.is_same_attempt(note):
            return Granted(there)
        if there.token > note.token:
            return Doubt("A later worker has noted an attempt already; this one knows too little to send.")
        if there.outcome == "refused":
            return self._follow(location, note, there, standing.etag)
        return Doubt(
            f"Attempt {there.attempt} of {there.at:%Y-%m-%d %H:%M:%S} UTC was to be sent before "
            f"{there.send_before:%H:%M:%S} UTC, and no outcome is noted: it may have been taken and paid."
        )

    def _follow(self, location: Location, note: Note, refused: Note, etag: str) -> Granted | None:
        follower = note.model_copy(update={"attempt": max(note.attempt, refused.attempt + 1)})
        try:
            self._replace(location, follower, etag)
        except PreconditionFailed:
            return None
        return Granted(follower)

    def _just_written(self, location: Location, note: Note) -> _Standing | None:
        written = self._written.pop((location, note.key), None)
        return written if written is not None and written.note == note else None

    def _rewrite(
        self,
        location: Location,
        key: str,
        change: Callable[[Note | None], Note | None],
        presumed: _Standing | None = None,
    ) -> bool:
        """Write what `change` makes of the note that stands (None: it is damaged), unless that is None.

        False where there is no note. Where `change` writes in place of what is `presumed` to stand, the eTag tells
        whether it does; else it is read.
        """
        for _ in range(TRIES):
            try:
                standing, presumed = presumed or self._standing(location, key), None
                changed = change(standing.note)
                if changed is not None:
                    self._add_outcome(location, changed, standing.etag)
            except ObjectNotFound:
                log.warning("submission note gone", submission=key)
                return False
            except PreconditionFailed:
                continue
            return True
        raise StorageUnavailable(f"The note of {key} kept changing while it was written. Try again later.")

    def _standing(self, location: Location, key: str) -> _Standing:
        head, body = self._store.get(location.bucket, _path(location, key))
        try:
            note = Note.model_validate_json(body)
        except ValidationError:
            log.error("submission note damaged", submission=key)  # noqa: TRY400  the error quotes the note's body
            return _Standing(None, head.etag)
        if note.key != key:
            log.error("submission note damaged", submission=key, of=note.key)
            return _Standing(None, head.etag)
        return _Standing(note, head.etag)

    def _create(self, location: Location, note: Note) -> None:
        path, body = _path(location, note.key), _body(note)
        fault_point("notes.create.before")
        etag = self._store.put(location.bucket, path, body, content_type="application/json", if_none_match=True)
        fault_point("notes.create.after")
        if len(self._written) >= MOST_REMEMBERED:
            self._written.clear()  # of requests whose end is in doubt
        self._written[location, note.key] = _Standing(note, etag)

    def _replace(self, location: Location, note: Note, etag: str) -> None:
        path, body = _path(location, note.key), _body(note)
        fault_point("notes.replace.before")
        self._store.put(location.bucket, path, body, content_type="application/json", if_match=etag)
        fault_point("notes.replace.after")

    def _add_outcome(self, location: Location, note: Note, etag: str) -> None:
        path, body = _path(location, note.key), _body(note)
        fault_point("notes.outcome.before")
        self._store.put(location.bucket, path, body, content_type="application/json", if_match=etag)
        fault_point("notes.outcome.after")


def _with_job(there: Note, note: Note, job: str, at: datetime) -> tuple[Note | None, str | None]:
    """The note that lies there with the job of the attempt `note`, and what does not add up.

    None where it has the job already, or nothing is amiss.
    """
    if job == there.job or job in there.others:
        return None, None
    if there.job is None and there.is_same_attempt(note):
        if there.outcome == "none":
            return there.model_copy(update={"outcome": "accepted", "job": job, "at": at}), None
        if there.outcome == "abandoned":
            text = f"The request {note.key} was abandoned, and then turned out to be accepted as job {job}."
            return there.model_copy(update={"job": job, "at": at}), f"{text} It may have been paid twice."
        text = f"The request {note.key} counted as {there.reason}, and then turned out to be accepted as job {job}."
        return there.model_copy(update={"outcome": "accepted", "job": job, "at": at}), text
    beside = there.model_copy(update={"others": (*there.others, job)})
    first = f"job {there.job}" if there.job is not None else f"attempt {there.attempt}, which has no job yet"
    return beside, f"Two jobs under one key: {job} beside {first}, of {note.key}. Both may have been paid."


def _path(location: Location, key: str) -> str:
    return location.key("submissions", f"{key}.json")


def _body(note: Note) -> bytes:
    return note.model_dump_json(indent=1).encode()
