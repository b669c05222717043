"""Who works on a run: claims, and the writes that only the holder of a claim may make."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select, update

from headrace.document import SubmissionKey
from headrace.ledger.engine import Database
from headrace.ledger.moves import (
    FRESH,
    change_submission,
    given_up,
    held_run,
    move,
    note,
    step_of,
    write_run,
)
from headrace.ledger.records import Advance, Claim, Run, SubmissionChange
from headrace.ledger.rows import document_of, read_run
from headrace.ledger.schema import documents, history, runs, submissions
from headrace.states import NEVER_READ, Reason, State, SubmissionState

log = structlog.get_logger()

LEASE = timedelta(seconds=15)

# A step that was begun this often and never said how it ended kills its worker each time.
MOST_DELIVERIES = 5

_LONGEST_MANIFEST_PAUSE = timedelta(minutes=10)


class Claims(Database):
    """The calls of a step: claim, renew, then one of advance, hand_back or published."""

    def claim(self, run_id: str, states: Collection[State], lease: timedelta = LEASE) -> Claim | None:
        """Take a run that is in one of these states and that nobody holds; None where that is not so.

        An ended run is claimed to publish its manifest, so not once that is published. A run whose
        fifth delivery ended without a word is not given out: it ends as failed (poison), or waits
        in doubt where a paid request of it may have gone out.
        """
        with self._transaction("claim") as tx:
            run = read_run(tx, run_id, locked=True)
            now = self._clock.now()
            if run is None or run.state not in states or not _is_free(run, now):
                return None
            if run.deliveries >= MOST_DELIVERIES and not run.state.is_end:
                _end_as_poison(tx, run, now)
                return None
            claimed = replace(
                run,
                token=run.token + 1,
                deliveries=run.deliveries + 1,
                lease_until=now + lease,
                due_at=now + _pause_after(run, lease),
            )
            columns = ("token", "deliveries", "lease_until", "due_at")
            write_run(tx, run.id, {"claimed_at": now, **{name: getattr(claimed, name) for name in columns}})
        return Claim(claimed, claimed.token, now + lease)

    def renew(self, claim: Claim, lease: timedelta = LEASE) -> Claim:
        """Hold the run longer, from now; StaleClaim if it is lost."""
        with self._transaction("renew") as tx:
            run = held_run(tx, claim)
            until = self._clock.now() + lease
            due_at = until if run.due_at is None else max(run.due_at, until)
            tx.execute(update(runs).where(runs.c.id == run.id).values(lease_until=until, due_at=due_at))
        return replace(claim, lease_until=until)

    def advance(self, claim: Claim, advance: Advance, submission: SubmissionChange | None = None) -> Run:
        """Move the claimed run on and give the claim up; the run as it is then.

        Raises StaleClaim if the claim is lost, TypeError for a fact that runs do not have. The same state
        again is an advance too (its next part). A submission's change is written with it, or neither is.
        A run that would end because its content is not there, and that was told of again since it was claimed,
        stays where it is and is looked at again instead.
        """
        with self._transaction("advance") as tx:
            run = held_run(tx, claim)
            now = self._clock.now()
            if submission is not None:
                change_submission(tx, run, submission, now)
            if advance.state in NEVER_READ and _was_told_again(tx, claim):
                advance = Advance(run.state, detail="It was told of again meanwhile.", due_at=now)
            move(tx, run, advance, now)
            advanced = read_run(tx, run.id)
        assert advanced is not None, "a run is never deleted"  # noqa: S101  for the type checker
        return advanced

    def hand_back(self, claim: Claim, *, due_at: datetime | None = None, detail: str = "") -> None:
        """Give the run up as it was, this delivery not counted: we are shutting down, or cannot work now.

        It is due at `due_at`, by default now. `detail`, if any, goes to its history, unless that ends with it.
        """
        with self._transaction("hand_back") as tx:
            run = held_run(tx, claim)
            now = self._clock.now()
            tx.execute(
                update(runs)
                .where(runs.c.id == run.id)
                .values(
                    due_at=now if due_at is None else due_at,
                    **given_up(run),
                )
            )
            if detail and detail != _said_last(tx, run):
                note(tx, run.id, now, step=step_of(run.state), event="handed back", state=run.state, detail=detail)

    def published(self, claim: Claim) -> None:
        """Say that the manifest of this end state is out: the run is not due any more."""
        with self._transaction("published") as tx:
            run = held_run(tx, claim)
            now = self._clock.now()
            write_run(tx, run.id, {"published": True, "due_at": None, **FRESH})
            note(tx, run.id, now, step="export", event="published", state=run.state, reason=run.reason)


def _was_told_again(tx: Connection, claim: Claim) -> bool:
    """Whether the document is known otherwise than when it was claimed. Whoever tells of it waits for our run's row."""
    document = claim.run.document
    # Asked for after that row is locked: read together with it, it could be older than the lock.
    row = tx.execute(select(documents).where(documents.c.id == document.id)).one()
    return document_of(row) != document


def _said_last(tx: Connection, run: Run) -> str | None:
    last = select(history.c.detail).where(history.c.run_id == run.id).order_by(history.c.id.desc()).limit(1)
    return tx.execute(last).scalar_one_or_none()


def _is_free(run: Run, now: datetime) -> bool:
    leased = run.lease_until is not None and run.lease_until > now
    return not leased and not (run.state.is_end and run.published)


def _pause_after(run: Run, lease: timedelta) -> timedelta:
    """When to look again if this claim ends without a word.

    A manifest must come out in the end, so an ended run is tried for ever, but ever more rarely.
    """
    if run.deliveries < MOST_DELIVERIES:
        return lease
    # Ten doublings pass the longest pause; many more would overflow timedelta.
    doublings = min(run.deliveries - MOST_DELIVERIES + 1, 10)
    return max(lease, min(lease * 2.0**doublings, _LONGEST_MANIFEST_PAUSE))


def _end_as_poison(tx: Connection, run: Run, now: datetime) -> None:
    """End a run that no worker survives, or have it wait in doubt where a paid request may have gone out."""
    ours = submissions.c.run_id == run.id
    unsettled = ours & submissions.c.paid & (submissions.c.state == SubmissionState.INTENDED)
    in_doubt = tx.execute(select(submissions.c.key, submissions.c.send_before).where(unsettled)).all()
    for row in in_doubt:
        # It is looked for at once; that look knows better until when it is to wait.
        key = SubmissionKey.parse(row.key)
        doubt = SubmissionChange(key, SubmissionState.IN_DOUBT, reason=Reason.WORKER_DIED, look_at=now)
        change_submission(tx, run, doubt, now)
    state, reason = (State.WAITING, Reason.IN_DOUBT) if in_doubt else (State.FAILED, Reason.POISON)
    detail = f"The step {step_of(run.state)!r} was begun {run.deliveries} times and never said how it ended." + (
        " A paid request may have gone out: the provider is asked for it." if in_doubt else ""
    )
    due_at = max([now, *(row.send_before for row in in_doubt)])
    move(tx, run, Advance(state, reason, detail, due_at=due_at), now, token=run.token + 1)
    log.error("run ended as poison", run=run.id, state=state.value, reason=reason.value, deliveries=run.deliveries)
