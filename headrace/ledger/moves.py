"""Moving a run from one state to the next, and saying so in its history."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ClauseElement, Connection, CursorResult, Update, bindparam, insert, select, update

from headrace.errors import LedgerError, StaleClaim
from headrace.ledger import spending
from headrace.ledger.records import Advance, Claim, Run, SubmissionChange
from headrace.ledger.rows import read_run
from headrace.ledger.schema import history, objects, runs, submissions
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState

# When the sweep looks after something whose hint may be lost.
SOON = timedelta(seconds=5)

# So often the sweep takes a run to have a message where as many wait in its queue: for some 50 s.
PATIENCE = 4

# What a worker does with a run in each state: the step that history names.
STEPS = {
    State.RECEIVED: "route",
    State.WAITING: "admit",
    State.ADMITTED: "submit",
    State.SUBMITTED: "poll",
    State.PREDICTED: "export",
}

FACTS = frozenset(
    {
        "route",
        "revision",
        "provider",
        "account",
        "model",
        "mode",
        "media_type",
        "pages",
        "pages_source",
        "walked_pages",
        "preparation",
        "cost",
        "marks",
        "attempts",
    }
)

# What a run has when nobody holds it and nothing was tried yet in its state.
NOT_PUT_OFF: Mapping[str, Any] = {"put_offs": 0, "put_off_for": None, "put_off_since": None}
FRESH: Mapping[str, Any] = {"lease_until": None, "claimed_at": None, "deliveries": 0, "sweeps": 0, **NOT_PUT_OFF}


# Made once, as in headrace/ledger/rows.py; the columns that a statement writes are those that it is given.
_NOTE = insert(history)
_CLAIMED_AT = select(runs.c.claimed_at).where(runs.c.id == bindparam("run"))
_WRITE_RUN = update(runs).where(runs.c.id == bindparam("of_run"))
_CHANGE_SUBMISSION = update(submissions).where(
    submissions.c.key == bindparam("of_key"), submissions.c.run_id == bindparam("of_run")
)


def write_run(tx: Connection, run_id: str, values: Mapping[str, Any]) -> None:
    """Write these columns of a run."""
    _write(tx, _WRITE_RUN, {"of_run": run_id}, values)


def _write(tx: Connection, statement: Update, which: Mapping[str, Any], values: Mapping[str, Any]) -> CursorResult[Any]:
    """Write values to which rows the statement says; what is reckoned from a row is part of the statement."""
    reckoned = {name: value for name, value in values.items() if isinstance(value, ClauseElement)}
    given = {name: value for name, value in values.items() if name not in reckoned}
    return tx.execute(statement.values(reckoned) if reckoned else statement, {**which, **given})


def step_of(state: State) -> str:
    """The step that takes a run out of this state; of an end state, the one that publishes its manifest."""
    return STEPS.get(state, "export")


def note(
    tx: Connection,
    run_id: str,
    at: datetime,
    *,
    step: str,
    event: str,
    state: State | None = None,
    reason: Reason | None = None,
    detail: str = "",
    seconds: float | None = None,
) -> None:
    """Write one line of a run's history."""
    line = {"at": at, "run_id": run_id, "step": step, "event": event, "state": state, "reason": reason}
    tx.execute(_NOTE, line | {"detail": detail, "seconds": seconds})


def held_run(tx: Connection, claim: Claim) -> Run:
    """The claimed run, locked; StaleClaim unless the claim still holds."""
    run = read_run(tx, claim.run.id, locked=True)
    holds = run is not None and run.token == claim.token and run.state is claim.run.state
    if run is None or not holds or run.lease_until is None:
        raise StaleClaim(f"Run {claim.run.id} is no longer ours: somebody else has it, or it has gone on.")
    return run


def move(tx: Connection, run: Run, to: Advance, now: datetime, *, step: str | None = None, **more: Any) -> None:
    """Write where a locked run goes; whoever held it holds it no more.

    `step` is what moves it, by default the step of its state; `more` are columns beside the facts.
    """
    claimed_at = tx.execute(_CLAIMED_AT, {"run": run.id}).scalar_one()
    ended_at = None
    if to.state.is_end:
        ended_at = run.ended_at if run.state is to.state else now
    facts = _columns(to.facts)
    if to.state is State.WAITING and not _has_queue(run, facts):
        raise LedgerError(
            f"Run {run.id} cannot wait: it has no lane or no route, so the dispatcher would never find it."
        )
    values = {
        **facts,
        **FRESH,
        "state": to.state,
        "reason": to.reason,
        "detail": to.detail,
        "published": to.published,
        "due_at": _due_at(to, now),
        "updated_at": now,
        "ended_at": ended_at,
        **spending.settle(tx, run, to.state, to.reason),
        **more,
    }
    if run.state is State.WAITING and to.state is State.ADMITTED:
        # It goes on trying what a store may still refuse.
        values = {name: value for name, value in values.items() if name not in NOT_PUT_OFF}
    write_run(tx, run.id, values)
    if to.state is State.REMOVED:
        # Nothing lies there, so whoever finds something there again records it.
        there = (objects.c.id == run.document.object_id) & (objects.c.current == run.document.id)
        tx.execute(update(objects).where(there, objects.c.gone_at.is_(None)).values(gone_at=now))
    note(
        tx,
        run.id,
        now,
        step=step_of(run.state) if step is None else step,
        event=to.state.value,
        state=to.state,
        reason=to.reason,
        detail=to.detail,
        seconds=None if claimed_at is None else (now - claimed_at).total_seconds(),
    )
    if to.published:
        note(tx, run.id, now, step="export", event="published", state=to.state, reason=to.reason)


def _has_queue(run: Run, facts: Mapping[str, Any]) -> bool:
    return (run.lane is not None or "provider" in facts) and (run.route is not None or "route" in facts)


def given_up(run: Run) -> dict[str, Any]:
    """What is written of a held run that a step gives up for a while, its delivery not counted."""
    return {
        "lease_until": None,
        "claimed_at": None,
        "deliveries": max(0, run.deliveries - 1),
        # It has no message: who gave it up took it, and only the sweep will hint it again.
        "sweeps": PATIENCE,
    }


def _due_at(to: Advance, now: datetime) -> datetime | None:
    if to.published:
        return None
    if to.due_at is not None:
        return to.due_at
    # A waiting run is taken by the dispatcher once it is due, so it is due at once.
    return now if to.state is State.WAITING else now + SOON


def _columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(facts)
    lane = columns.pop("lane", None)
    if lane is not None:
        columns |= Lane(*lane)._asdict()
    unknown = columns.keys() - FACTS
    if unknown:
        raise TypeError(f"A run has no fact {', '.join(sorted(unknown))}; it has lane, {', '.join(sorted(FACTS))}.")
    return columns


def change_submission(tx: Connection, run: Run, change: SubmissionChange, now: datetime, **more: Any) -> None:
    """Write what became of a run's submission; job, pages and costs stay as they were unless the change names them."""
    values: dict[str, Any] = {"state": change.state, "reason": change.reason, "updated_at": now, **more}
    told = {
        "job": change.job,
        "pages": change.pages,
        "cost": change.cost,
        "provider_cost": change.provider_cost,
    }
    values |= {name: value for name, value in told.items() if value is not None}
    if change.state is not SubmissionState.ACCEPTED:
        values["due_at"] = None
    values["look_at"] = change.look_at
    if change.state is SubmissionState.IN_DOUBT:
        values |= {"doubted_at": now, "looks": 0, "absent_at": None, "deliveries": 0}
    changed = _write(tx, _CHANGE_SUBMISSION, {"of_key": str(change.key), "of_run": run.id}, values)
    if changed.rowcount != 1:
        raise LedgerError(f"Run {run.id} has no submission {change.key}: its intent was never noted.")
