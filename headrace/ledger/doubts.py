"""Paid requests in doubt: which are to be asked for, what looking brought, and the one way in which doubt ends.

A run in doubt waits (waiting, in_doubt), or is held for a person (held, in_doubt), and nobody claims it to submit.
Every ending compares and sets: the same doubt of the same request must still stand, so that of two settlers, or a
settler and a worker that comes back, one is heard and the other told so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, tuple_, update

from headrace.document import SubmissionKey, run_id
from headrace.ledger.engine import Database
from headrace.ledger.moves import change_submission, move, note
from headrace.ledger.records import Advance, Doubtful, Hint, LookedFor, Run, Submission, SubmissionChange
from headrace.ledger.rows import read_run, run_of, select_runs, submission_of
from headrace.ledger.schema import history, runs, submissions
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState

_STEP = "settle"
_LANE = (submissions.c.provider, submissions.c.account, submissions.c.model)
_IN_DOUBT = submissions.c.state == SubmissionState.IN_DOUBT


class Doubts(Database):
    """The calls of settling, of whoever decides by hand, and of a submit step that comes back too late."""

    def lanes_in_doubt(self) -> list[Lane]:
        """The lanes that have a request in doubt whose next look is due."""
        with self._reading() as connection:
            due = select(*_LANE).where(_IN_DOUBT, submissions.c.look_at <= self._clock.now()).distinct()
            return sorted(Lane(*row) for row in connection.execute(due))

    def due_doubts(self, lane: Lane, limit: int = 500) -> list[Doubtful]:
        """The requests of a lane whose next look is due, at most `limit`, the most overdue first."""
        due = (tuple_(*_LANE) == tuple_(*lane)) & _IN_DOUBT & (submissions.c.look_at <= self._clock.now())
        query = select(submissions).where(due).order_by(submissions.c.look_at, submissions.c.key).limit(limit)
        with self._reading() as connection:
            return _with_runs(connection, connection.execute(query).all())

    def request(self, key: SubmissionKey) -> Doubtful | None:
        """A request of a run, in doubt or not; None where the ledger knows none of this key."""
        with self._reading() as connection:
            found = connection.execute(select(submissions).where(submissions.c.key == str(key))).all()
            return next(iter(_with_runs(connection, found)), None)

    def begin_looks(self, requests: Sequence[Submission]) -> None:
        """Count that these requests are looked for now; what comes of it begins the count anew."""
        with self._transaction("begin_looks") as tx:
            ours = submissions.c.key.in_([str(one.key) for one in requests]) & _IN_DOUBT
            tx.execute(update(submissions).where(ours).values(deliveries=submissions.c.deliveries + 1))

    def note_looks(self, looks: Sequence[LookedFor]) -> None:
        """Note that these requests were asked for, and when each is next.

        Those whose doubt ended are left alone, and those that a person had asked for meanwhile: they are due.
        """
        with self._transaction("note_looks") as tx:
            now = self._clock.now()
            for look in looks:
                asked = {
                    "looks": submissions.c.looks + int(look.counts),
                    "look_at": look.at,
                    "absent_at": look.absent_at,
                }
                asked["deliveries"] = 0
                same = _same_look(look.submission)
                if tx.execute(update(submissions).where(same).values({**asked, "updated_at": now})).rowcount == 1:
                    waiting = (runs.c.state == State.WAITING) & (runs.c.reason == Reason.IN_DOUBT)
                    ours = (runs.c.id == look.submission.run_id) & waiting
                    told = {"detail": look.detail} if look.detail else {}
                    tx.execute(update(runs).where(ours).values(due_at=look.until, **told))

    def end_doubt(self, doubt: Submission, change: SubmissionChange, to: Advance, said: str) -> Run | None:
        """End this doubt: write what became of the request, and move its run on; the run as it is then.

        `said` goes to the run's history. A run of several parts stays where it is while another part is in doubt,
        unless it ends. None where that doubt does not stand any more: then nothing is written.
        """
        with self._transaction("end_doubt") as tx:
            run = _doubted_run(tx, doubt)
            if run is None:
                return None
            now = self._clock.now()
            change_submission(tx, run, change, now, deliveries=0)
            note(tx, run.id, now, step=_STEP, event="doubt settled", state=to.state, reason=change.reason, detail=said)
            if run.reason is Reason.IN_DOUBT and (to.state.is_end or not _has_doubt(tx, run)):
                move(tx, run, to, now, step=_STEP, token=run.token + 1)
            return read_run(tx, run.id)

    def hold_doubt(self, doubt: Submission, detail: str) -> Run | None:
        """Let a person decide: the run is held, and nobody asks any more.

        None as in `end_doubt`, and where another look was made, or asked for, since the doubt was read.
        """
        with self._transaction("hold_doubt") as tx:
            run = _doubted_run(tx, doubt, _same_look(doubt))
            if run is None:
                return None
            now = self._clock.now()
            values = {"look_at": None, "deliveries": 0, "updated_at": now}
            tx.execute(update(submissions).where(submissions.c.key == str(doubt.key)).values(values))
            if (run.state, run.reason) == (State.WAITING, Reason.IN_DOUBT):
                move(tx, run, Advance(State.HELD, Reason.IN_DOUBT, detail), now, step=_STEP, token=run.token + 1)
            return read_run(tx, run.id)

    def ask_again(self, doubt: Submission, until: datetime, detail: str) -> Run | None:
        """Have the provider asked at once, and as often as if it never was; a run that is held for it waits again.

        `until` is when it can be decided at the earliest, `detail` says who wants it. None as in `end_doubt`.
        """
        with self._transaction("ask_again") as tx:
            run = _doubted_run(tx, doubt)
            if run is None:
                return None
            now = self._clock.now()
            values = {"look_at": now, "looks": 0, "deliveries": 0, "updated_at": now}
            tx.execute(update(submissions).where(submissions.c.key == str(doubt.key)).values(values))
            if (run.state, run.reason) == (State.HELD, Reason.IN_DOUBT):
                to = Advance(State.WAITING, Reason.IN_DOUBT, detail, due_at=until)
                move(tx, run, to, now, step=_STEP, token=run.token + 1)
            return read_run(tx, run.id)

    def reopen_doubt(self, key: SubmissionKey) -> Hint | None:
        """Let a run in doubt about this request look at its note and stored answer again.

        To be called once one of the two tells how the request ended: the next claim then adopts the job, uses the
        answer, or sends again what certainly was not taken. None where the run is not in doubt about it.
        """
        with self._transaction("reopen_doubt") as tx:
            run = read_run(tx, run_id(key.document, key.run), locked=True)
            if run is None or run.state not in {State.WAITING, State.HELD} or run.reason is not Reason.IN_DOUBT:
                return None
            now = self._clock.now()
            doubted = (submissions.c.key == str(key)) & _IN_DOUBT
            intended = {
                "state": SubmissionState.INTENDED,
                "reason": None,
                "look_at": None,
                "deliveries": 0,
                "updated_at": now,
            }
            if tx.execute(update(submissions).where(doubted).values(intended)).rowcount != 1:
                return None
            note(tx, run.id, now, step="submit", event="doubt reopened", state=State.ADMITTED, detail=str(key))
            if _has_doubt(tx, run):
                return None
            move(tx, run, Advance(State.ADMITTED, due_at=now), now, step="submit", token=run.token + 1)
        return Hint(run.id, State.ADMITTED, key.provider)

    def note_alert(self, key: SubmissionKey, detail: str) -> None:
        """Say in the history of the request's run what does not add up; the same is said once."""
        with self._transaction("note_alert") as tx:
            run = read_run(tx, run_id(key.document, key.run), locked=True)
            if run is not None and not _is_said(tx, run, detail):
                note(tx, run.id, self._clock.now(), step=_STEP, event="alert", state=run.state, detail=detail)


def _same_doubt(doubt: Submission) -> ColumnElement[bool]:
    """That the request is still in doubt, and has not been out of it since it was read."""
    return (
        (submissions.c.key == str(doubt.key))
        & _IN_DOUBT
        & submissions.c.doubted_at.is_not_distinct_from(doubt.doubted_at)
        & (submissions.c.attempt == doubt.attempt)
    )


def _same_look(doubt: Submission) -> ColumnElement[bool]:
    """That it is still in the same doubt, and that its next look is still the one that was due when it was read."""
    return _same_doubt(doubt) & submissions.c.look_at.is_not_distinct_from(doubt.look_at)


def _doubted_run(tx: Connection, doubt: Submission, same: ColumnElement[bool] | None = None) -> Run | None:
    """The request's run, locked; None where the doubt (or what is given for it) does not stand any more."""
    run = read_run(tx, doubt.run_id, locked=True)
    stands_as_read = _same_doubt(doubt) if same is None else same
    stands = tx.execute(select(submissions.c.key).where(stands_as_read)).one_or_none() is not None
    return run if stands else None


def _is_said(tx: Connection, run: Run, detail: str) -> bool:
    told = (history.c.run_id == run.id) & (history.c.event == "alert") & (history.c.detail == detail)
    return tx.execute(select(history.c.id).where(told).limit(1)).first() is not None


def _has_doubt(tx: Connection, run: Run) -> bool:
    """Whether any part of the run is in doubt."""
    return (
        tx.execute(select(submissions.c.key).where(submissions.c.run_id == run.id, _IN_DOUBT).limit(1)).first()
        is not None
    )


def _with_runs(connection: Connection, rows: Sequence[Row[Any]]) -> list[Doubtful]:
    requests = [submission_of(row) for row in rows]
    wanted = select_runs().where(runs.c.id.in_([request.run_id for request in requests]))
    known = {row.id: run_of(row) for row in connection.execute(wanted)}
    return [Doubtful(request, known[request.run_id]) for request in requests]
