"""Between the ledger's rows and the records that the rest of headrace knows."""

from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, false, select, true
from sqlalchemy.sql.elements import ColumnElement

from headrace.document import Document, SubmissionKey, is_keepable
from headrace.ledger.records import PollJob, Run, Submission
from headrace.ledger.schema import documents, runs, submissions
from headrace.providers import Job
from headrace.routing import Lane
from headrace.states import Precedence

_DOCUMENT = [column.label(f"document_{column.name}") for column in documents.columns if column.name != "id"]


def select_runs() -> Select[Any]:
    """Every run with its document: what `run_of` reads."""
    return select(runs, *_DOCUMENT).join(documents, documents.c.id == runs.c.document_id)


# Made once: to put a statement together, and to look up how it is compiled, takes longer than SQLite takes to run it.
_RUN = select_runs().where(runs.c.id == bindparam("run"))
_LOCKED_RUN = _RUN.with_for_update(of=runs)


def select_jobs() -> Select[Any]:
    """Every submission with its run and document: what `job_of` and `run_of` read."""
    asked = [
        submissions.c[name].label(f"submission_{name}")
        for name in ("key", "job", "model", "pages", "polls", "deliveries", "accepted_at", "updated_at", "send_before")
    ]
    return select_runs().add_columns(*asked).join(submissions, submissions.c.run_id == runs.c.id)


def document_of(row: Row[Any]) -> Document:
    """The document in a row of `documents`."""
    return Document(
        bucket=row.bucket,
        key=row.key,
        etag=row.etag,
        size=row.size,
        last_modified=row.last_modified,
        version_id=row.version_id,
        sequencer=row.sequencer,
    )


def run_of(row: Row[Any]) -> Run:
    """The run in a row of `select_runs`."""
    return Run(
        id=row.id,
        document=Document(
            bucket=row.document_bucket,
            key=row.document_key,
            etag=row.document_etag,
            size=row.document_size,
            last_modified=row.document_last_modified,
            version_id=row.document_version_id,
            sequencer=row.document_sequencer,
        ),
        number=row.number,
        state=row.state,
        reason=row.reason,
        detail=row.detail,
        marks=row.marks,
        route=row.route,
        revision=row.revision,
        lane=None if row.provider is None else Lane(row.provider, row.account, row.model),
        mode=row.mode,
        media_type=row.media_type,
        preparation=row.preparation,
        pages=row.pages,
        pages_source=row.pages_source,
        walked_pages=row.walked_pages,
        cost=row.cost,
        batch=row.batch,
        precedence=Precedence(row.precedence),
        reserved_on=row.reserved_on,
        reserved_pages=row.reserved_pages,
        reserved_cost=row.reserved_cost,
        due_at=row.due_at,
        lease_until=row.lease_until,
        token=row.token,
        deliveries=row.deliveries,
        attempts=row.attempts,
        put_offs=row.put_offs,
        put_off_for=row.put_off_for,
        put_off_since=row.put_off_since,
        published=row.published,
        received_at=row.document_received_at,
        received_on=row.document_received_on,
        created_at=row.created_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
    )


def submission_of(row: Row[Any]) -> Submission:
    """The submission in a row of `submissions`."""
    return Submission(
        key=SubmissionKey.parse(row.key),
        run_id=row.run_id,
        lane=Lane(row.provider, row.account, row.model),
        mode=row.mode,
        state=row.state,
        attempt=row.attempt,
        token=row.token,
        send_before=row.send_before,
        pages=row.pages,
        job=row.job,
        cost=row.cost,
        provider_cost=row.provider_cost,
        reason=row.reason,
        polls=row.polls,
        accepted_at=row.accepted_at,
        paid=row.paid,
        deliveries=row.deliveries,
        doubted_at=row.doubted_at,
        looks=row.looks,
        look_at=row.look_at,
        absent_at=row.absent_at,
        spent_on=row.spent_on,
        spent_pages=row.spent_pages,
        spent_cost=row.spent_cost,
    )


def job_of(row: Row[Any]) -> PollJob:
    """The accepted job in a row of `select_jobs`."""
    return PollJob(
        run=run_of(row),
        key=SubmissionKey.parse(row.submission_key),
        job=Job(row.submission_job, row.submission_model, row.submission_pages),
        polls=row.submission_polls,
        deliveries=row.submission_deliveries,
        accepted_at=row.submission_accepted_at,
        heard_at=row.submission_updated_at,
        send_before=row.submission_send_before,
    )


def read_run(connection: Connection, run_id: str, *, locked: bool = False) -> Run | None:
    """A run by its id; `locked`, nobody else writes it before the transaction ends."""
    row = connection.execute(_LOCKED_RUN if locked else _RUN, {"run": run_id}).one_or_none()
    return None if row is None else run_of(row)


def below(prefix: str) -> ColumnElement[bool]:
    """Keys that start with `prefix`, as a range that the index serves: both engines sort keys by their bytes."""
    if not is_keepable(prefix):
        return false()
    start = documents.c.key >= prefix
    for length in range(len(prefix), 0, -1):
        last = ord(prefix[length - 1])
        if last < 0x10FFFF:
            # The code points of half surrogate pairs cannot stand in a text.
            following = 0xE000 if last == 0xD7FF else last + 1
            return start & (documents.c.key < prefix[: length - 1] + chr(following))
    return start if prefix else true()
