"""Accepted jobs, in groups that one chain of messages looks after.

A message carries a generation; `take_turn` compares it and raises it, so that of two messages of one
generation only the first does anything, and the next message carries the generation that the turn got.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, tuple_, update

from headrace.errors import LedgerError, StaleClaim
from headrace.ledger.engine import Database
from headrace.ledger.moves import change_submission, held_run, move, note
from headrace.ledger.poll_rests import rest_of
from headrace.ledger.records import Advance, Claim, PollHint, PollJob, Postponed, Run, SubmissionChange, Turn
from headrace.ledger.rows import job_of, read_run, select_jobs
from headrace.ledger.schema import GroupState, poll_groups, runs, submissions
from headrace.routing import Lane
from headrace.states import State, SubmissionState

log = structlog.get_logger()

MOST_JOBS = 100
# A group fills for half of the time to its first poll, within these bounds: the longer, the fewer messages.
LEAST_FILLING = timedelta(seconds=2)
LONGEST_FILLING = timedelta(seconds=30)
TURN = timedelta(seconds=45)
UNATTENDED = timedelta(seconds=15)
# A group in which nothing is due for longer has no message on its way, for each of them takes room in a worker. The
# sweep gives it one ahead of time: so far ahead that the next sweep is in time too, should one be late or missing.
RESTS_FROM = timedelta(seconds=15)
WOKEN_AHEAD = timedelta(seconds=11)
# Turns of a group are apart by this share of its age, and jobs that come due meanwhile are asked for together.
GAP_SHARE = 0.02
LEAST_GAP = timedelta(seconds=0.5)
SPREAD = timedelta(seconds=20)

_UNHEARD = (
    update(submissions)
    .where(submissions.c.key == bindparam("of_key"))
    .values(deliveries=0, due_at=bindparam("due", type_=submissions.c.due_at.type))
)
_HEARD = _UNHEARD.values(
    polls=submissions.c.polls + 1, updated_at=bindparam("now", type_=submissions.c.updated_at.type)
)
# A run's next poll is the earliest of its jobs'.
_ITS_JOBS = (submissions.c.run_id == runs.c.id) & (submissions.c.state == SubmissionState.ACCEPTED)
_NEXT_POLLS = update(runs).values(due_at=select(func.min(submissions.c.due_at)).where(_ITS_JOBS).scalar_subquery())

_OPEN_JOBS = (submissions.c.state == SubmissionState.ACCEPTED) & (runs.c.state == State.SUBMITTED)


class PollGroups(Database):
    """The calls of the submit step once a job was accepted, of the poll step, and of the sweep for groups."""

    def accept(
        self, claim: Claim, change: SubmissionChange, *, due_at: datetime, facts: Mapping[str, Any] | None = None
    ) -> PollHint | None:
        """Note a job that the provider has accepted: its first poll is due at `due_at`, the run is submitted.

        The job joins a group of its lane that still fills and looks no later than the job needs; then there
        is nothing to hint. Else it gets a new group, and the hint of that one's first message is returned, unless
        that is so far off that the sweep is to begin.
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
        return PollHint(group_id, 0) if joined is None and due_at - now <= RESTS_FROM else None

    def busy_since(self, lane: Lane) -> datetime | None:
        """When the oldest of the lane's jobs that are waited for was intended; None without any."""
        unended = poll_groups.c.state.in_([GroupState.OPEN, GroupState.CLOSED])
        groups = select(poll_groups.c.id).where(_of_lane(lane), unended)
        jobs = select(func.min(submissions.c.created_at)).join(runs, runs.c.id == submissions.c.run_id)
        with self._reading() as connection:
            oldest = connection.execute(jobs.where(submissions.c.group_id.in_(groups), _OPEN_JOBS))
            since: datetime | None = oldest.scalar_one()
        return since

    def take_turn(self, group_id: int, generation: int) -> Turn | None:
        """The turn of this generation of a group, for 45 s; None where there is none.

        That is where the message is stale, the group has ended, or its lane rests: then the sweep begins its next turn.
        """
        with self._transaction("take_turn") as tx:
            now = self._clock.now()
            group = poll_groups.c
            # A group whose turn has come takes no more jobs.
            filled = (group.id == group_id) & (group.state == GroupState.OPEN)
            taken = tx.execute(
                update(poll_groups)
                .where(group.id == group_id, group.generation == generation, group.state != GroupState.ENDED)
                .values(generation=generation + 1, heartbeat=now, resting=False)
                .returning(group.provider, group.account, group.model)
            ).one_or_none()
            if taken is None:
                return None
            tx.execute(update(poll_groups).where(filled).values(state=GroupState.CLOSED))
            rest = rest_of(tx, Lane(*taken))
            if rest is not None and rest > now:
                # All groups of the lane would go on at the same moment.
                later = rest + SPREAD * (group_id % 100 / 100)
                tx.execute(update(poll_groups).where(group.id == group_id).values(due_at=later, resting=True))
                return None
        return Turn(group_id, generation + 1, Lane(*taken), now + TURN, rested=rest is not None)

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

    def postpone(self, turn: Turn, postponed: Sequence[Postponed]) -> list[PollJob]:
        """Count polls that brought no answer, all at once; those of the jobs that nobody waits for any more.

        Those are left as they are: their runs have gone on. Raises StaleClaim where the turn is lost.
        """
        if not postponed:
            return []
        with self._transaction("postpone") as tx:
            waited = _waited(tx, turn, postponed)
            ours = [one for one in postponed if str(one.job.key) in waited]
            now = self._clock.now()
            heard = [{"of_key": str(one.job.key), "due": one.due_at, "now": now} for one in ours if one.heard]
            unheard = [{"of_key": str(one.job.key), "due": one.due_at} for one in ours if not one.heard]
            for statement, rows in ((_HEARD, heard), (_UNHEARD, unheard)):
                if rows:
                    tx.execute(statement, rows)
            tx.execute(_NEXT_POLLS.where(runs.c.id.in_({one.job.run.id for one in ours})))
        return [one.job for one in postponed if str(one.job.key) not in waited]

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
        """When the group's next turn is due, for the next message (with the turn's generation).

        None where no message is to follow: no job is left, and the group has ended; or nothing is due for a while,
        and the sweep is to begin its next turn; or the turn was lost.
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
            if due_at is None:
                # Its jobs' runs went on by another way (a retry, a person); the count never learnt.
                tx.execute(update(poll_groups).where(current).values(state=GroupState.ENDED, heartbeat=now))
                return None
            due_at = max(due_at, now + max((now - group.created_at) * GAP_SHARE, LEAST_GAP))
            rests = due_at - now > RESTS_FROM
            tx.execute(update(poll_groups).where(current).values(due_at=due_at, heartbeat=now, resting=rests))
        return None if rests else due_at

    def wake_groups(self, limit: int = 500) -> list[PollHint]:
        """The messages of groups that rested and are due soon, and of groups whose message was lost, to be published.

        Lost is what is 15 s overdue with no sign of life for 15 s. It may as well wait in a long queue, or its worker
        may still be at it, so its generation stays: the message that comes first has the next turn, however many
        there are, and who had the last one loses it then. (Raised here, the queue's own messages would be stale
        whenever they wait for longer than this, and no group would ever have a turn.) A group whose new message is
        lost too is found again 15 s later.
        """
        with self._transaction("wake_groups") as tx:
            now = self._clock.now()
            group = poll_groups.c
            quiet = or_(group.heartbeat.is_(None), group.heartbeat <= now - UNATTENDED)
            lost = (group.due_at <= now - UNATTENDED) & quiet
            woken = select(group.id, group.generation, group.due_at, group.resting).where(
                group.state.in_([GroupState.OPEN, GroupState.CLOSED]),
                group.due_at <= now + WOKEN_AHEAD,
                or_(group.resting, lost),
            )
            rows = tx.execute(woken.order_by(group.due_at).limit(limit).with_for_update(skip_locked=True)).all()
            ids = [row.id for row in rows]
            tx.execute(update(poll_groups).where(group.id.in_(ids)).values(heartbeat=now, resting=False))
        revived = sum(not row.resting for row in rows)
        if revived:
            log.warning("poll groups revived", groups=revived)
        return [PollHint(row.id, row.generation, max(0.0, (row.due_at - now).total_seconds())) for row in rows]


def _lane_of(tx: Connection, change: SubmissionChange) -> Lane:
    lane = select(submissions.c.provider, submissions.c.account, submissions.c.model)
    row = tx.execute(lane.where(submissions.c.key == str(change.key))).one_or_none()
    if row is None:
        raise LedgerError(f"There is no submission {change.key}: its intent was never noted.")
    return Lane(*row)


def _of_lane(lane: Lane) -> ColumnElement[bool]:
    group = poll_groups.c
    return tuple_(group.provider, group.account, group.model) == tuple_(*lane)


def _join(tx: Connection, lane: Lane, due_at: datetime, now: datetime) -> int | None:
    """Add one job to a group of this lane that still fills; its id, None if there is none."""
    group = poll_groups.c
    fits = (
        _of_lane(lane)
        & (group.state == GroupState.OPEN)
        & (group.created_at > now - _filling(due_at - now))
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


def _filling(first: timedelta) -> timedelta:
    return min(max(first / 2, LEAST_FILLING), LONGEST_FILLING)


def _open(tx: Connection, lane: Lane, due_at: datetime, now: datetime) -> int:
    new = {
        **lane._asdict(),
        "generation": 0,
        "open_jobs": 1,
        "due_at": due_at,
        "state": GroupState.OPEN,
        "resting": due_at - now > RESTS_FROM,
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


def _waited(tx: Connection, turn: Turn, postponed: Sequence[Postponed]) -> set[str]:
    """Those of the jobs that are still waited for, their runs locked; StaleClaim where the turn is lost."""
    # Runs before their group, and in the order of their ids: two who both want several never wait for one another.
    ids = {one.job.run.id for one in postponed}
    ours = select(runs.c.id).where(runs.c.id.in_(ids), runs.c.state == State.SUBMITTED).order_by(runs.c.id)
    locked = tx.execute(ours.with_for_update()).scalars().all()
    _hold(tx, turn)
    waited = select(submissions.c.key).where(
        submissions.c.run_id.in_(locked),
        submissions.c.group_id == turn.group_id,
        submissions.c.state == SubmissionState.ACCEPTED,
    )
    return set(tx.execute(waited).scalars())


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
