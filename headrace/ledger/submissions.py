"""Paid requests: noted before they are sent."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from headrace.document import SubmissionKey
from headrace.ledger.engine import Database
from headrace.ledger.moves import held_run, note, step_of
from headrace.ledger.records import Claim, Submission
from headrace.ledger.rows import submission_of
from headrace.ledger.schema import submissions
from headrace.routing import Lane
from headrace.states import Mode, SubmissionState

# Made once, as in headrace/ledger/rows.py.
_SUBMISSION = select(submissions).where(submissions.c.key == bindparam("of_key"))
_INSERT = insert(submissions)
_WRITE = update(submissions).where(submissions.c.key == bindparam("of_key"))
_OF_RUN = (
    select(submissions)
    .where(submissions.c.run_id == bindparam("of_run"))
    .order_by(submissions.c.created_at, submissions.c.key)
)

_MAY_BE_SENT = frozenset({SubmissionState.INTENDED, SubmissionState.REJECTED})


class Submissions(Database):
    """The calls of the submit step before it sends."""

    def intend(
        self,
        claim: Claim,
        key: SubmissionKey,
        lane: Lane,
        mode: Mode,
        *,
        pages: int | None,
        send_before: datetime,
        paid: bool = True,
    ) -> Submission:
        """Note that this request is about to be sent, as attempt 1, or as the next one of what is noted already.

        What was accepted, answered or is in doubt is returned as it is: it must not be sent. An intent that
        another worker left is returned as the next attempt; whether that may go out, the notes decide.
        `paid` is False for a provider that costs nothing: it cannot be in doubt. Raises StaleClaim.
        """
        with self._transaction("intend") as tx:
            run = held_run(tx, claim)
            now = self._clock.now()
            ours = {"of_key": str(key)}
            found = tx.execute(_SUBMISSION, ours).one_or_none()
            if found is not None and found.state not in _MAY_BE_SENT:
                return submission_of(found)
            attempt: dict[str, Any] = {
                **lane._asdict(),
                "mode": mode,
                "paid": paid,
                "state": SubmissionState.INTENDED,
                "reason": None,
                "attempt": 1 if found is None else found.attempt + 1,
                "token": claim.token,
                "send_before": send_before,
                "pages": pages,
                "updated_at": now,
            }
            if found is None:
                names = {"key": str(key), "run_id": run.id, "part": key.part, "n": key.n, "created_at": now}
                tx.execute(_INSERT, attempt | names)
            else:
                tx.execute(_WRITE, ours | attempt)
            detail = f"{key}, attempt {attempt['attempt']}"
            note(tx, run.id, now, step=step_of(run.state), event="intended", state=run.state, detail=detail)
            intended = tx.execute(_SUBMISSION, ours).one()
        return submission_of(intended)

    def submissions(self, run_id: str) -> list[Submission]:
        """The submissions of a run, in the order in which they were first intended."""
        with self._reading() as connection:
            return [submission_of(row) for row in connection.execute(_OF_RUN, {"of_run": run_id})]
