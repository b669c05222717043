"""What people ask the ledger: runs, documents, histories. Nothing here writes."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_

from headrace.document import Document, SubmissionKey, object_id
from headrace.ledger.engine import Database
from headrace.ledger.queued import stands_still_for, with_standstills
from headrace.ledger.records import Doubtful, HistoryEntry, Run, RunFilter
from headrace.ledger.rows import below, document_of, read_run, run_of, select_runs, submission_of
from headrace.ledger.schema import documents, history, objects, runs, submissions
from headrace.routing import Lane
from headrace.states import Reason, State, SubmissionState

_MOST_ASKED = 1000


class Queries(Database):
    """The calls of the command line, and of whoever needs one run."""

    def run(self, run_id: str) -> Run | None:
        """A run by its id; one that waits says why its queue stands still, as in every answer here."""
        with self._reading() as connection:
            run = read_run(connection, run_id)
            return None if run is None else with_standstills(connection, [run])[0]

    def latest_run(self, document_id: str) -> Run | None:
        """The run of a document with the highest number."""
        found = self.runs(RunFilter(document=document_id), limit=1)
        return found[0] if found else None

    def runs(self, filter: RunFilter, limit: int, after: str | None = None) -> list[Run]:  # noqa: A002  as everywhere
        """The runs that match, newest first; `after` is the id of the last run of the page before."""
        query = select_runs().where(*matching(filter)).order_by(runs.c.created_at.desc(), runs.c.id.desc())
        if after is not None:
            last = select(runs.c.created_at, runs.c.id).where(runs.c.id == after)
            query = query.where(tuple_(runs.c.created_at, runs.c.id) < last.scalar_subquery())
        with self._reading() as connection:
            found = [run_of(row) for row in connection.execute(query.limit(limit))]
            return with_standstills(connection, found)

    def doubts(
        self,
        filter: RunFilter,  # noqa: A002  as everywhere
        limit: int,
        *,
        why: Reason | None = None,
        after: Doubtful | None = None,
    ) -> list[Doubtful]:
        """The requests in doubt of the runs that match, by key; `why` is the reason that doubt arose for.

        `after` is the last one of the page before.
        """
        conditions = [submissions.c.state == SubmissionState.IN_DOUBT, *matching(filter)]
        if why is not None:
            conditions.append(submissions.c.reason == why)
        if after is not None:
            conditions.append(submissions.c.key > str(after.submission.key))
        keys = select(submissions.c.key).join(runs, runs.c.id == submissions.c.run_id)
        keys = keys.join(documents, documents.c.id == runs.c.document_id).where(*conditions)
        with self._reading() as connection:
            wanted = connection.execute(keys.order_by(submissions.c.key).limit(limit)).scalars().all()
            requests = connection.execute(select(submissions).where(submissions.c.key.in_(wanted))).all()
            theirs = select_runs().where(runs.c.id.in_({row.run_id for row in requests}))
            known = {row.id: run_of(row) for row in connection.execute(theirs)}
        found = [Doubtful(submission_of(row), known[row.run_id]) for row in requests]
        return sorted(found, key=lambda doubtful: str(doubtful.submission.key))

    def requests_of_jobs(self, lane: Lane, jobs: Collection[str]) -> dict[str, SubmissionKey]:
        """Which request each of these jobs of the lane's account is known to be of; one that is unknown is missing."""
        ours = (submissions.c.provider == lane.provider) & (submissions.c.account == lane.account)
        wanted, found = sorted(jobs), {}
        with self._reading() as connection:
            for start in range(0, len(wanted), _MOST_ASKED):
                some = submissions.c.job.in_(wanted[start : start + _MOST_ASKED])
                for row in connection.execute(select(submissions.c.job, submissions.c.key).where(ours, some)):
                    found[row.job] = SubmissionKey.parse(row.key)
        return found

    def history(self, document_id: str) -> list[HistoryEntry]:
        """Everything that happened to a document's runs, in the order in which it did."""
        query = (
            select(history)
            .join(runs, runs.c.id == history.c.run_id)
            .where(runs.c.document_id == document_id)
            .order_by(history.c.id)
        )
        with self._reading() as connection:
            return [
                HistoryEntry(row.at, row.run_id, row.step, row.event, row.state, row.reason, row.detail, row.seconds)
                for row in connection.execute(query)
            ]

    def document(self, document_id: str) -> Document | None:
        """A document by its id."""
        with self._reading() as connection:
            row = connection.execute(select(documents).where(documents.c.id == document_id)).one_or_none()
        return None if row is None else document_of(row)

    def documents_at(self, bucket: str, prefix: str, limit: int, after: str | None = None) -> list[Document]:
        """The current content of each key below a prefix, in key order; `after` is the last key of the page before."""
        query = (
            select(documents)
            .join(objects, objects.c.current == documents.c.id)
            .where(documents.c.bucket == bucket, below(prefix))
            .order_by(documents.c.key)
            .limit(limit)
        )
        if after is not None:
            query = query.where(documents.c.key > after)
        with self._reading() as connection:
            return [document_of(row) for row in connection.execute(query)]

    def documents_of_object(self, bucket: str, key: str) -> list[Document]:
        """Every content that lay under a key: the current one first, then the one first told of last."""
        query = (
            select(documents)
            .join(objects, objects.c.id == documents.c.object_id)
            .where(objects.c.id == object_id(bucket, key))
            .order_by((documents.c.id == objects.c.current).desc(), documents.c.received_at.desc(), documents.c.id)
        )
        with self._reading() as connection:
            return [document_of(row) for row in connection.execute(query)]

    def queue_depths(self) -> dict[State, int]:
        """How many runs of each state are due now; a state with none is missing."""
        due = (
            select(runs.c.state, func.count().label("how_many"))
            .where(runs.c.due_at <= self._clock.now())
            .group_by(runs.c.state)
        )
        with self._reading() as connection:
            return {row.state: row.how_many for row in connection.execute(due)}


def matching(filter: RunFilter) -> list[ColumnElement[bool]]:  # noqa: A002  as everywhere
    """A filter as conditions on runs joined with their documents."""
    equal = (
        (runs.c.state, filter.state),
        (runs.c.route, filter.route),
        (runs.c.batch, filter.batch),
        (runs.c.document_id, filter.document),
        (documents.c.bucket, filter.bucket),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if filter.reason is not None:
        conditions.append((runs.c.reason == filter.reason) | stands_still_for(filter.reason))
    if filter.not_reasons:
        conditions.append(or_(runs.c.reason.is_(None), runs.c.reason.not_in(filter.not_reasons)))
    if filter.prefix is not None:
        conditions.append(below(filter.prefix))
    if filter.since is not None:
        created = and_(runs.c.ended_at.is_(None), runs.c.created_at >= filter.since)
        conditions.append(or_(runs.c.ended_at >= filter.since, created))
    if filter.latest:
        later = runs.alias("later")
        superseding = (later.c.document_id == runs.c.document_id) & (later.c.number > runs.c.number)
        conditions.append(~select(later.c.id).where(superseding).exists())
    return conditions
