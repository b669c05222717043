"""Doubt that turns out to be none: the worker that was taken for dead tells how its request ended."""

from sqlalchemy import update

from headrace.document import SubmissionKey, run_id
from headrace.ledger.engine import Database
from headrace.ledger.moves import FRESH, note
from headrace.ledger.records import Hint
from headrace.ledger.rows import read_run
from headrace.ledger.schema import runs, submissions
from headrace.states import Reason, State, SubmissionState


class Doubts(Database):
    """The call of a submit step that comes too late to advance its run itself."""

    def reopen_doubt(self, key: SubmissionKey) -> Hint | None:
        """Let a run that is held for doubt about this submission look at its note and stored answer again.

        To be called once one of the two tells how the request ended: the next claim then adopts the job, uses the
        answer, or sends again what certainly was not taken. None where the run is not held for that.
        """
        with self._transaction("reopen_doubt") as tx:
            run = read_run(tx, run_id(key.document, key.run), locked=True)
            if run is None or (run.state, run.reason) != (State.HELD, Reason.IN_DOUBT):
                return None
            now = self._clock.now()
            doubted = (submissions.c.key == str(key)) & (submissions.c.state == SubmissionState.IN_DOUBT)
            intended = {"state": SubmissionState.INTENDED, "reason": None, "updated_at": now}
            if tx.execute(update(submissions).where(doubted).values(intended)).rowcount != 1:
                return None
            again = {
                **FRESH,
                "state": State.ADMITTED,
                "reason": None,
                "detail": "",
                "token": run.token + 1,
                "published": False,
                "due_at": now,
                "updated_at": now,
                "ended_at": None,
            }
            tx.execute(update(runs).where(runs.c.id == run.id).values(again))
            note(tx, run.id, now, step="submit", event="doubt reopened", state=State.ADMITTED, detail=str(key))
        return Hint(run.id, State.ADMITTED, key.provider)
