"""Accepted jobs, in groups that one chain of messages looks after.

A message carries a generation; `take_turn` compares it and raises it, so that of two messages of one
generation only the first does anything, and the next message carries the generation that the turn got.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, func, insert, or_, select, update

from headrace.errors import LedgerError, StaleClaim
from headrace.ledger.engine import Database
from headrace.ledger.moves import change_submission, held_run, move, note
from headrace.ledger.records import Advance, Claim, PollHint, PollJob, Run, SubmissionChange, Turn
from headrace.ledger.rows import job_of, read_run, select_jobs
from headrace.ledger.schema import GroupState, poll_groups, runs, submissions
from headrace.routing import Lane
from headrace.states import State, SubmissionState

log = structlog.get_logger()

MOST_JOBS = 100
FILLING = timedelta(seconds=2)
TURN = timedelta(seconds=45)
UNATTENDED = timedelta(seconds=15)

_OPEN_JOBS = (submissions.c.state == SubmissionState.ACCEPTED) & (runs.c.state == State.SUBMITTED)


class PollGroups(Database):
    """The calls of the submit step once a job was accepted, of the poll step, and of the sweep for groups."""

    def accept(
        self, claim: Claim, change: SubmissionChange, *, due_at: datetime, facts: Mapping[str, Any] | None = None
    ) -> PollHint | None:
        """Note a job that the provider has accepted: its first poll is due at `due_at`, the run is submitted.

        The job joins a group of its lane that still fills and looks no later than the job needs; then there
        is nothing to hint. Else it gets a new group, and the hint of that one's first message is returned.
        A job that was accepted before (its run was retried) is asked for again. Raises StaleClaim.
        """
        with self._transaction("accept") as tx:
            run = held_run(tx, claim)
            now = self._clock.now()
            lane = _lane_of(tx, change)
            joined = _join(tx, lane, due_at, now)
            group_id = _open(tx, lane, due_at, now) if joined is None else joined
            # How many pages to wait for is the provider's word, never our own count.
            more = {
                "group_id": group_id,
                "accepted_at": now,
                "due_at": due_at,
                "polls": 0,
                "deliveries": 0,
                "pages": change.pages,
            }
            change_submission(tx, run, change, now, **more)
            move(tx, run, Advance(State.SUBMITTED, due_at=due_at, facts=facts or {}), now)
        return PollHint(group_id, 0) if joined is None else None

    def take_turn(self, group_id: int, generation: int) -> Turn | None:
        """The turn of this generation of a group, for 45 s; None where the message is stale or the group has ended."""
        with self._transaction("take_turn") as tx:
            now = self._clock.now()
            group = poll_groups.c
            # A group that has filled long enough takes no more jobs.
            filled = (group.id == group_id) & (group.created_at <= now - FILLING) & (group.state == GroupState.OPEN)
            taken = tx.execute(
                update(poll_groups)
                .where(group.id == group_id, group.generation == generation, group.state != GroupState.ENDED)
                .values(generation=generation + 1, heartbeat=now)
                .returning(group.provider, group.account, group.model)
            ).one_or_none()
            if taken is None:
                return None
            tx.execute(update(poll_groups).where(filled).values(state=GroupState.CLOSED))
        return Turn(group_id, generation + 1, Lane(*taken), now + TURN)

    def due_jobs(self, turn: Turn) -> list[PollJob]:
        """The jobs of the group whose poll is due, the most overdue first, those that nobody heard of again last."""
        query = (
            select_jobs()
            .where(submissions.c.group_id == turn.group_id, _OPEN_JOBS, submissions.c.due_at <= self._clock.now())
            .order_by(submissions.c.deliveries, submissions.c.due_at, submissions.c.key)
        )
        with self._reading() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def begin_polls(self, turn: Turn, jobs: Sequence[PollJob]) -> None:
        """Count that these jobs are asked for now; what comes of it (`postpone`, `land`) begins the count anew.

        Raises StaleClaim where the turn is lost.
        """
        keys = [str(job.key) for job in jobs]
        with self._transaction("begin_polls") as tx:
            _hold(tx, turn)
            counted = update(submissions).where(submissions.c.key.in_(keys), submissions.c.group_id == turn.group_id)
            tx.execute(counted.values(deliveries=submissions.c.deliveries + 1))

    def heartbeat(self, turn: Turn) -> bool:
        """Say that the turn goes on; False when it is lost."""
        with self._transaction("heartbeat") as tx:
            beat = update(poll_groups).where(_is_current(turn)).values(heartbeat=self._clock.now())
            return tx.execute(beat).rowcount == 1

    def postpone(self, turn: Turn, job: PollJob, due_at: datetime) -> None:
        """Count a poll that brought no answer; the job is due again at `due_at`. Raises StaleClaim."""
        with self._transaction("postpone") as tx:
            run = polled_run(tx, turn, job)
            now = self._clock.now()
            tx.execute(
                update(submissions)
                .where(submissions.c.key == str(job.key))
                .values(polls=submissions.c.polls + 1, deliveries=0, due_at=due_at, updated_at=now)
            )
            # The run's next poll is the earliest of its jobs'.
            jobs = (submissions.c.run_id == run.id) & (submissions.c.state == SubmissionState.ACCEPTED)
            next_poll = select(func.min(submissions.c.due_at)).where(jobs)
            tx.execute(update(runs).where(runs.c.id == run.id).values(due_at=next_poll.scalar_subquery()))

    def land(self, turn: Turn, job: PollJob, advance: Advance, change: SubmissionChange) -> Run:
        """Write how a job ended and move its run on, or neither; the run as it is then.

        Raises StaleClaim where the turn is lost, or the run or its job has gone on.
        """
        with self._transaction("land") as tx:
            run = polled_run(tx, turn, job)
            now = self._clock.now()
            change_submission(tx, run, change, now, polls=submissions.c.polls + 1, deliveries=0)
            detail = advance.detail or f"{change.key}, {change.state.value}"
            note(tx, run.id, now, step="poll", event="landed", state=run.state, reason=change.reason, detail=detail)
            move(tx, run, advance, now)
            tx.execute(
                update(poll_groups)
                .where(poll_groups.c.id == turn.group_id)
                .values(open_jobs=poll_groups.c.open_jobs - 1)
            )
            landed = read_run(tx, run.id)
        assert landed is not None, "a run is never deleted"  # noqa: S101  for the type checker
        return landed

    def finish_turn(self, turn: Turn) -> datetime | None:
        """When the group's next job is due, for the next message (with the turn's generation).

        None where no message is to follow: no job is left, and the group has ended and takes none any
        more; or the turn was lost.
        """
        with self._transaction("finish_turn") as tx:
            now = self._clock.now()
            current = _is_current(turn)
            # Whoever joins waits for this row, or is seen below.
            group = tx.execute(select(poll_groups).where(current).with_for_update()).one_or_none()
            if group is None:
                return None
            ended = update(poll_groups).where(current, poll_groups.c.open_jobs == 0)
            if tx.execute(ended.values(state=GroupState.ENDED)).rowcount == 1:
                return None
            jobs = select(func.min(submissions.c.due_at)).join(runs, runs.c.id == submissions.c.run_id)
            due_at: datetime | None = tx.execute(
                jobs.where(submissions.c.group_id == turn.group_id, _OPEN_JOBS)
            ).scalar_one()
            state = group.state if group.created_at > now - FILLING else GroupState.CLOSED
            if due_at is None:
                # Its jobs' runs went on by another way (a retry, a person); the count never learnt.
                state = GroupState.ENDED
            still = {"due_at": due_at or now, "heartbeat": now, "state": state}
            tx.execute(update(poll_groups).where(current).values(still))
        return due_at

    def revive_groups(self, limit: int = 100) -> list[PollHint]:
        """Give groups that are 15 s overdue, with no sign of life for 15 s, a new generation to hint.

        The message that was lost or is late is stale from now on. A group whose new message is lost too is
        found again 15 s later.
        """
        with self._transaction("revive_groups") as tx:
            now = self._clock.now()
            group = poll_groups.c
            quiet = or_(group.heartbeat.is_(None), group.heartbeat <= now - UNATTENDED)
            lost = select(group.id, group.generation).where(
                group.state.in_([GroupState.OPEN, GroupState.CLOSED]), group.due_at <= now - UNATTENDED, quiet
            )
            rows = tx.execute(lost.order_by(group.due_at).limit(limit).with_for_update(skip_locked=True)).all()
            ids = [row.id for row in rows]
            raised = {"generation": group.generation + 1, "heartbeat": now}
            tx.execute(update(poll_groups).where(group.id.in_(ids)).values(raised))
        if rows:
            log.warning("poll groups revived", groups=len(rows))
        return [PollHint(row.id, row.generation + 1) for row in rows]


def _lane_of(tx: Connection, change: SubmissionChange) -> Lane:
    lane = select(submissions.c.provider, submissions.c.account, submissions.c.model)
    row = tx.execute(lane.where(submissions.c.key == str(change.key))).one_or_none()
    if row is None:
        raise LedgerError(f"There is no submission {change.key}: its intent was never noted.")
    return Lane(*row)


def _join(tx: Connection, lane: Lane, due_at: datetime, now: datetime) -> int | None:
    """Add one job to a group of this lane that still fills; its id, None if there is none."""
    group = poll_groups.c
    fits = (
        (group.provider == lane.provider)
        & (group.account == lane.account)
        & (group.model == lane.model)
        & (group.state == GroupState.OPEN)
        & (group.created_at > now - FILLING)
        & (group.open_jobs < MOST_JOBS)
        & (group.due_at <= due_at)
    )
    # Once the lock is got, PostgreSQL looks again whether the row still fits.
    found = select(group.id).where(fits).order_by(group.id.desc()).limit(1).with_for_update()
    group_id = tx.execute(found).scalar_one_or_none()
    if group_id is None:
        return None
    tx.execute(update(poll_groups).where(group.id == group_id).values(open_jobs=group.open_jobs + 1))
    return int(group_id)


def _open(tx: Connection, lane: Lane, due_at: datetime, now: datetime) -> int:
    new = {
        **lane._asdict(),
        "generation": 0,
        "open_jobs": 1,
        "due_at": due_at,
        "state": GroupState.OPEN,
        "created_at": now,
    }
    return int(tx.execute(insert(poll_groups).values(new).returning(poll_groups.c.id)).scalar_one())


def _is_current(turn: Turn) -> Any:
    group = poll_groups.c
    return (group.id == turn.group_id) & (group.generation == turn.generation) & (group.state != GroupState.ENDED)


def _hold(tx: Connection, turn: Turn) -> None:
    """Lock the turn's group; StaleClaim where the turn is lost."""
    if tx.execute(select(poll_groups.c.id).where(_is_current(turn)).with_for_update()).one_or_none() is None:
        raise StaleClaim(f"The turn of poll group {turn.group_id} was lost: another message looks after it now.")


def polled_run(tx: Connection, turn: Turn, job: PollJob) -> Run:
    """The job's run, locked; StaleClaim unless the turn holds and the job is still waited for."""
    run = read_run(tx, job.run.id, locked=True)
    waited = select(submissions.c.key).where(
        submissions.c.key == str(job.key),
        submissions.c.group_id == turn.group_id,
        submissions.c.state == SubmissionState.ACCEPTED,
    )
    _hold(tx, turn)
    if run is None or run.state is not State.SUBMITTED or tx.execute(waited).one_or_none() is None:
        raise StaleClaim(f"Run {job.run.id} does not wait for {job.key} any more.")
    return run
