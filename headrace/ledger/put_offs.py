"""Runs that wait for a store that fails them: visible from the first time on, and ever more rarely tried."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from headrace import putting_off
from headrace.ledger.engine import Database
from headrace.ledger.moves import given_up, held_run, note, step_of
from headrace.ledger.poll_groups import polled_run
from headrace.ledger.records import Claim, PollJob, Run, Turn
from headrace.ledger.schema import runs, submissions
from headrace.ledger.spending import settle
from headrace.states import Reason, State, SubmissionState


class PutOffs(Database):
    """The calls of a step, and of a poll, that a store keeps from its work."""

    def put_off(self, claim: Claim, reason: Reason, detail: str) -> None:
        """Give the run up until later, this delivery not counted; its reason and detail say what it waits for.

        It stays where it is; but an admitted one that the store refuses, or has failed for a minute, waits, so that
        others may have its place in the lane. One that has ended keeps the reason and the detail of its end. Raises
        StaleClaim.
        """
        with self._transaction("put_off") as tx:
            run = held_run(tx, claim)
            now = self._clock.now()
            values = _values(run, reason, detail, now) | given_up(run)
            lasted = now - values["put_off_since"]
            if run.state is State.ADMITTED and not putting_off.keeps_its_place(reason, lasted):
                values |= {"state": State.WAITING, **settle(tx, run, State.WAITING, reason)}
            _write(tx, run, values, detail, now)

    def put_off_landing(self, turn: Turn, job: PollJob, reason: Reason, detail: str) -> None:
        """Ask for this job again later: its answer came and was not stored. No poll is counted. Raises StaleClaim."""
        with self._transaction("put_off_landing") as tx:
            run = polled_run(tx, turn, job)
            now = self._clock.now()
            values = _values(run, reason, detail, now)
            ours = submissions.c.key == str(job.key)
            tx.execute(update(submissions).where(ours).values(deliveries=0, due_at=values["due_at"], updated_at=now))
            # The run's next poll is the earliest of its jobs'.
            jobs = (submissions.c.run_id == run.id) & (submissions.c.state == SubmissionState.ACCEPTED)
            values["due_at"] = select(func.min(submissions.c.due_at)).where(jobs).scalar_subquery()
            _write(tx, run, values, detail, now)


def _values(run: Run, reason: Reason, detail: str, now: datetime) -> dict[str, Any]:
    since = now if run.put_off_since is None or run.put_off_for is not reason else run.put_off_since
    values: dict[str, Any] = {
        "due_at": now + putting_off.pause_after(reason, now - since),
        "put_offs": run.put_offs + 1,
        "put_off_for": reason,
        "put_off_since": since,
    }
    return values if run.state.is_end else values | {"reason": reason, "detail": detail}


def _write(tx: Connection, run: Run, values: dict[str, Any], detail: str, now: datetime) -> None:
    tx.execute(update(runs).where(runs.c.id == run.id).values(values))
    if putting_off.is_told(run.put_offs + 1):
        state, reason = values.get("state", run.state), values["put_off_for"]
        note(tx, run.id, now, step=step_of(run.state), event="put off", state=state, reason=reason, detail=detail)
