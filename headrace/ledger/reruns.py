"""Runs that people or schedules start: once more from the beginning, or on from where they failed."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Connection, insert, select, update

from headrace.document import part_pages, run_id
from headrace.errors import LedgerError
from headrace.ledger.documents import in_pieces, latest_run, of_batch, start_run
from headrace.ledger.engine import Database
from headrace.ledger.moves import FRESH, SOON, note
from headrace.ledger.queries import matching
from headrace.ledger.records import Hint, Recorded, Run, RunFilter
from headrace.ledger.rows import document_of, run_of, select_runs
from headrace.ledger.schema import batches, documents, objects, runs, submissions
from headrace.states import Precedence, State, SubmissionState

log = structlog.get_logger()


class Reruns(Database):
    """The calls behind `headrace retry`, `headrace reprocess` and the schedules."""

    def start_batch(self, kind: str, by: str, detail: str) -> str:
        """Note that somebody starts a set of runs together; the batch's id."""
        batch = uuid4().hex[:12]
        row = {"id": batch, "kind": kind, "started_by": by, "detail": detail, "started_at": self._clock.now()}
        with self._transaction("start_batch") as tx:
            tx.execute(insert(batches).values(row))
        return batch

    def reprocess(self, document_ids: Collection[str], *, batch: str | None = None, by: str) -> list[Recorded]:
        """Begin the next run of each document, from routing on; it is paid again.

        A document whose latest run has not ended is left alone (`new` is False, no hint). Raises LedgerError
        for a document that the ledger does not know.
        """
        recorded: list[Recorded] = []
        # In order, so that two callers wait for each other rather than forever.
        for chunk in in_pieces(sorted(set(document_ids))):
            with self._transaction("reprocess") as tx:
                rows = _locked(tx, chunk)
                unknown = set(chunk) - {row.id for row in rows}
                if unknown:
                    raise LedgerError(f"The ledger knows no document {min(unknown)}; ingest its object first.")
                recorded += [_begin_again(tx, row, self._clock.now(), batch, by) for row in rows]
        log.info("documents reprocessed", asked=len(recorded), new=sum(one.new for one in recorded), batch=batch)
        return recorded

    def retry(self, filter: RunFilter, *, batch: str | None = None, by: str, limit: int = 1000) -> list[Hint]:  # noqa: A002  as everywhere
        """Let failed runs that match go on, at most `limit`, the oldest first.

        Only the latest run of a document is retried, and never one that is held. It goes on where it can
        without paying twice: to be exported where every part is answered, to be admitted where its route is
        chosen and its pages counted, else to be routed. Attempts and deliveries count from 0 again; what was
        rejected is sent under the same key, and what was accepted is asked for again. Runs of a `batch` go after what
        is dropped now; without one, they are what a person asked for by name, and go like it.
        """
        failed = (
            select_runs()
            .where(*matching(filter), *matching(RunFilter(state=State.FAILED)))
            .order_by(runs.c.created_at, runs.c.id)
        )
        hints: list[Hint] = []
        left = limit
        while left > 0:
            with self._transaction("retry") as tx:
                chunk = failed.limit(min(left, 1000)).with_for_update(of=runs, skip_locked=True)
                rows = tx.execute(chunk).all()
                hints += [_go_on(tx, run_of(row), self._clock.now(), batch, by) for row in rows]
            left = left - len(rows) if len(rows) == 1000 else 0
        log.info("runs retried", runs=len(hints), batch=batch)
        return hints


def _locked(tx: Connection, document_ids: Sequence[str]) -> Sequence[Any]:
    """These documents' rows, in order. Nobody else numbers a run of theirs: recording locks their objects alike."""
    ours = documents.c.id.in_(document_ids)
    theirs = select(documents.c.object_id).where(ours)
    tx.execute(select(objects.c.id).where(objects.c.id.in_(theirs)).order_by(objects.c.id).with_for_update())
    return tx.execute(select(documents).where(ours).order_by(documents.c.id)).all()


def _begin_again(tx: Connection, row: Any, now: datetime, batch: str | None, by: str) -> Recorded:
    document = document_of(row)
    latest = latest_run(tx, row.id)
    if latest is not None and not latest.state.is_end:
        return Recorded(document, latest.id, new=False, hint=None)
    number = 1 if latest is None else latest.number + 1
    new = start_run(tx, row.id, number, now, batch=batch)
    note(
        tx,
        run_id(row.id, number),
        now,
        step="reprocess",
        event="received",
        state=State.RECEIVED,
        detail=_who(by, batch),
    )
    return Recorded(document, new, new=True, hint=State.RECEIVED)


def _go_on(tx: Connection, run: Run, now: datetime, batch: str | None, by: str) -> Hint:
    state = _where_to(run, tx)
    values = {
        **FRESH,
        "state": state,
        "reason": None,
        "detail": "",
        "token": run.token + 1,
        "attempts": 0,
        "published": False,
        "due_at": now if state is State.WAITING else now + SOON,
        "updated_at": now,
        "ended_at": None,
        "precedence": Precedence.FRESH,
    }
    if batch is not None:
        values |= of_batch(batch)
    tx.execute(update(runs).where(runs.c.id == run.id).values(values))
    note(tx, run.id, now, step="retry", event="retried", state=state, reason=run.reason, detail=_who(by, batch))
    return Hint(run.id, state, run.lane.provider if run.lane is not None else None)


def _where_to(run: Run, tx: Connection) -> State:
    if _is_answered(run, tx):
        return State.PREDICTED
    # The mode is the last thing that routing decides: a run that a limit refused has none.
    routed = run.lane is not None and run.pages is not None and run.mode is not None
    return State.WAITING if routed else State.RECEIVED


def _is_answered(run: Run, tx: Connection) -> bool:
    """Whether every page of the run has its answer."""
    answered = (submissions.c.run_id == run.id) & (submissions.c.state == SubmissionState.ANSWERED)
    parts = set(tx.execute(select(submissions.c.part).where(answered)).scalars())
    if "all" in parts:
        return True
    spans = [span for part in parts if (span := part_pages(part)) is not None]
    return run.pages is not None and sum(last - first + 1 for first, last in spans) >= run.pages


def _who(by: str, batch: str | None) -> str:
    return f"by {by}" if batch is None else f"by {by}, batch {batch}"
