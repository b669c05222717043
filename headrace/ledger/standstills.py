"""What should have gone on long ago and did not: for people, and for a scan to tell."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_

from headrace.breaking import REFUSALS
from headrace.ledger.engine import Database
from headrace.ledger.queued import queue_stands_still_for, queue_stands_still_until
from headrace.ledger.records import StuckGroups, StuckRuns
from headrace.ledger.rows import below, run_of, select_runs
from headrace.ledger.schema import GroupState, documents, poll_groups, poll_rests, runs
from headrace.states import END_STATES, Reason, State

_SHOWN = 3
_WITH_A_STEP = (State.RECEIVED, State.ADMITTED, State.PREDICTED, *sorted(END_STATES))


class Standstills(Database):
    """The calls that say what is stuck."""

    def stuck_runs(self, since: datetime, *, bucket: str | None = None, prefix: str = "") -> list[StuckRuns]:
        """Runs that neither moved nor had a reason to wait since then, by state and reason.

        Those are: a step that is to be done, a manifest that is to be published among them, and that nobody is at;
        a poll, or the end of a wait, whose time is long past. Not those that wait for room in a lane that is at
        work. Of each kind the runs that stand still longest are named.
        """
        stuck = self._stuck(since)
        if bucket is not None:
            stuck = stuck & (documents.c.bucket == bucket) & below(prefix)
        kinds = (
            select(runs.c.state, runs.c.reason, func.count().label("how_many"))
            .join(documents, documents.c.id == runs.c.document_id)
            .where(stuck)
            .group_by(runs.c.state, runs.c.reason)
            .order_by(runs.c.state, runs.c.reason)
        )
        found = []
        with self._reading() as connection:
            for kind in connection.execute(kinds).all():
                of_kind = stuck & (runs.c.state == kind.state) & runs.c.reason.is_not_distinct_from(kind.reason)
                longest = select_runs().where(of_kind).order_by(runs.c.updated_at, runs.c.id).limit(_SHOWN)
                first = tuple(run_of(row) for row in connection.execute(longest))
                found.append(StuckRuns(kind.state, kind.reason, kind.how_many, first))
        return found

    def stuck_groups(self, since: datetime) -> StuckGroups:
        """Poll groups that were due then, and that no turn has looked after since."""
        group = poll_groups.c
        overdue = (group.state.in_([GroupState.OPEN, GroupState.CLOSED])) & (group.due_at <= since)
        jobs = func.coalesce(func.sum(group.open_jobs), 0)
        with self._reading() as connection:
            row = connection.execute(
                select(func.count().label("groups"), jobs.label("jobs"), func.min(group.due_at).label("since")).where(
                    overdue
                )
            ).one()
        return StuckGroups(row.groups, int(row.jobs), row.since)

    def _stuck(self, since: datetime) -> ColumnElement[bool]:
        now = self._clock.now()
        unheld = or_(runs.c.lease_until.is_(None), runs.c.lease_until <= now)
        # An end whose manifest is out is not due any more; the index on (state, due_at) leaves those out.
        to_be_done = and_(
            runs.c.state.in_(_WITH_A_STEP), runs.c.due_at.is_not(None), runs.c.updated_at <= since, unheld
        )
        overdue = and_(runs.c.state == State.SUBMITTED, runs.c.due_at <= since, ~_rests(since))
        return or_(to_be_done, overdue, _waits_too_long(since))


def _rests(since: datetime) -> ColumnElement[bool]:
    """That a run's job is not asked for, since the provider refuses to say more."""
    rest = poll_rests.c
    of_its_lane = (rest.provider, rest.account, rest.model), (runs.c.provider, runs.c.account, runs.c.model)
    return select(rest.until).where(tuple_(*of_its_lane[0]) == tuple_(*of_its_lane[1]), rest.until > since).exists()


def _waits_too_long(since: datetime) -> ColumnElement[bool]:
    """That a run is long due, and neither does its queue say why, nor is its lane at work."""
    flying = runs.alias("flying")
    at_work = select(flying.c.id).where(
        flying.c.state.in_([State.ADMITTED, State.SUBMITTED]),
        flying.c.provider == runs.c.provider,
        flying.c.account == runs.c.account,
        flying.c.model == runs.c.model,
    )
    told = queue_stands_still_for(Reason.BUDGET, Reason.PROVIDER_FAILING, Reason.PAUSED, *REFUSALS)
    full = queue_stands_still_for(Reason.IN_FLIGHT, Reason.RATE, Reason.RATE_LIMITED) & at_work.exists()
    timed = queue_stands_still_until(since)
    return and_(runs.c.state == State.WAITING, runs.c.due_at <= since, ~told, ~full, ~timed)
