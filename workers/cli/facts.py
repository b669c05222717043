"""The ledger's records as JSON: the shape that `--json` promises."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.document import Document
    from headrace.ledger.records import HistoryEntry, Run, Submission


def facts_of_document(document: "Document") -> dict[str, Any]:
    """Where a content lay, and which it was."""
    return {
        "document": document.id,
        "bucket": document.bucket,
        "key": document.key,
        "etag": document.etag,
        "version_id": document.version_id,
        "size": document.size,
        "last_modified": document.last_modified,
    }


def facts_of_run(run: "Run") -> dict[str, Any]:
    """Where a run is, and why; what it cost."""
    lane = run.lane
    return {
        "run": run.id,
        "number": run.number,
        **facts_of_document(run.document),
        "state": run.state,
        "reason": run.reason,
        "detail": run.detail,
        "marks": list(run.marks),
        "route": run.route,
        "revision": run.revision,
        "provider": None if lane is None else lane.provider,
        "account": None if lane is None else lane.account,
        "model": None if lane is None else lane.model,
        "mode": run.mode,
        "media_type": run.media_type,
        "preparation": run.preparation,
        "pages": run.pages,
        "pages_source": run.pages_source,
        "cost": run.cost,
        "batch": run.batch,
        "published": run.published,
        "received_at": run.received_at,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "ended_at": run.ended_at,
        "due_at": run.due_at,
        "waits_until": run.waits_until,
    }


def facts_of_submission(submission: "Submission") -> dict[str, Any]:
    """What is known about one paid request."""
    return {
        "key": str(submission.key),
        "part": submission.key.part,
        "state": submission.state,
        "reason": submission.reason,
        "mode": submission.mode,
        "attempt": submission.attempt,
        "job": submission.job,
        "pages": submission.pages,
        "polls": submission.polls,
        "cost": submission.cost,
        "provider_cost": submission.provider_cost,
        "accepted_at": submission.accepted_at,
        "send_before": submission.send_before,
    }


def facts_of_entry(entry: "HistoryEntry") -> dict[str, Any]:
    """One thing that happened; `seconds` is how long the step took."""
    return {
        "at": entry.at,
        "step": entry.step,
        "event": entry.event,
        "state": entry.state,
        "reason": entry.reason,
        "detail": entry.detail,
        "seconds": entry.seconds,
    }
