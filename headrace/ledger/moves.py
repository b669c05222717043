"""Moving a run from one state to the next, and saying so in its history."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from headrace.errors import LedgerError, StaleClaim
from headrace.ledger.records import Advance, Claim, Run, SubmissionChange
from headrace.ledger.rows import read_run
from headrace.ledger.schema import history, objects, runs, submissions
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState

# When the sweep looks after something whose hint may be lost.
SOON = timedelta(seconds=5)

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
_NOT_PUT_OFF: Mapping[str, Any] = {"put_offs": 0, "put_off_for": None, "put_off_since": None}
FRESH: Mapping[str, Any] = {"lease_until": None, "claimed_at": None, "deliveries": 0, "sweeps": 0, **_NOT_PUT_OFF}


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
    tx.execute(
        insert(history).values(
            at=at,
            run_id=run_id,
            step=step,
            event=event,
            state=state,
            reason=reason,
            detail=detail,
            seconds=seconds,
        )
    )


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
    claimed_at = tx.execute(select(runs.c.claimed_at).where(runs.c.id == run.id)).scalar_one()
    ended_at = None
    if to.state.is_end:
        ended_at = run.ended_at if run.state is to.state else now
    facts = _columns(to.facts)
    if to.state is State.WAITING and run.lane is None and "provider" not in facts:
        raise LedgerError(f"Run {run.id} cannot wait: it has no lane, so the dispatcher would never find it.")
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
        **more,
    }
    if run.state is State.WAITING and to.state is State.ADMITTED:
        # It goes on trying what a store may still refuse.
        values = {name: value for name, value in values.items() if name not in _NOT_PUT_OFF}
    tx.execute(update(runs).where(runs.c.id == run.id).values(values))
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
    """Write what became of a run's submission; job, pages and cost stay as they were unless the change names them."""
    values: dict[str, Any] = {"state": change.state, "reason": change.reason, "updated_at": now, **more}
    values |= {
        name: value
        for name, value in (("job", change.job), ("pages", change.pages), ("cost", change.cost))
        if value is not None
    }
    if change.state is not SubmissionState.ACCEPTED:
        values["due_at"] = None
    values["look_at"] = change.look_at
    if change.state is SubmissionState.IN_DOUBT:
        values |= {"doubted_at": now, "looks": 0, "absent_at": None, "deliveries": 0}
    changed = tx.execute(
        update(submissions).where(submissions.c.key == str(change.key), submissions.c.run_id == run.id).values(values)
    )
    if changed.rowcount != 1:
        raise LedgerError(f"Run {run.id} has no submission {change.key}: its intent was never noted.")
