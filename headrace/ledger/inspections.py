"""The ledger as somebody looks at it who compares it with the bucket. Nothing here writes."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from headrace.document import Document
from headrace.ledger.documents import in_pieces
from headrace.ledger.engine import Database
from headrace.ledger.queries import matching
from headrace.ledger.records import Run, RunFilter, Submission
from headrace.ledger.rows import document_of, run_of, select_runs, submission_of
from headrace.ledger.schema import documents, objects, runs, submissions
from headrace.states import SubmissionState


@dataclass(frozen=True)
class ObjectRecord:
    """All that the ledger has of one S3 key: every content that lay there, with its runs and their submissions."""

    id: str
    current: str | None
    gone_at: datetime | None
    documents: tuple[Document, ...]
    runs: tuple[Run, ...]
    submissions: tuple[Submission, ...]


class Inspections(Database):
    """The calls of `headrace verify`. Of a RunFilter bucket, prefix and route count."""

    def object_count(self, which: RunFilter) -> int:
        """How many S3 keys are meant."""
        with self._reading() as connection:
            counted: int = connection.execute(select(func.count()).select_from(_meant(which).subquery())).scalar_one()
        return counted

    def objects_after(self, after: str, which: RunFilter, limit: int) -> list[str]:
        """The ids of the S3 keys that are meant, in the order of the ids, which is that of no fact of theirs."""
        query = _meant(which).where(objects.c.id > after).order_by(objects.c.id).limit(limit)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def objects_at(self, points: Iterable[str], which: RunFilter) -> list[str]:
        """For each point the next S3 key that is meant: ids are hashes, so random points draw at random."""
        found: dict[str, None] = {}
        with self._reading() as connection:
            for point in points:
                following = _meant(which).where(objects.c.id >= point).order_by(objects.c.id).limit(1)
                drawn = connection.execute(following).scalar_one_or_none()
                if drawn is not None:
                    found[drawn] = None
        return list(found)

    def newest_objects(self, which: RunFilter, limit: int) -> list[str]:
        """The ids of the S3 keys whose runs were begun last."""
        query = (
            select(documents.c.object_id)
            .join(runs, runs.c.document_id == documents.c.id)
            .where(*_narrowed(which))
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(limit)
        )
        with self._reading() as connection:
            return list(dict.fromkeys(connection.execute(query).scalars()))

    def object_records(self, object_ids: Sequence[str]) -> list[ObjectRecord]:
        """What the ledger has of these S3 keys, in their order; one that it does not know is left out."""
        with self._reading() as connection:
            heads = {}
            contents: defaultdict[str, list[Document]] = defaultdict(list)
            lives: defaultdict[str, list[Run]] = defaultdict(list)
            sent: defaultdict[str, list[Submission]] = defaultdict(list)
            for chunk in in_pieces(object_ids):
                ours = documents.c.object_id.in_(chunk)
                for row in connection.execute(select(objects).where(objects.c.id.in_(chunk))):
                    heads[row.id] = row
                for row in connection.execute(select(documents).where(ours).order_by(documents.c.id)):
                    contents[row.object_id].append(document_of(row))
                for row in connection.execute(select_runs().where(ours).order_by(runs.c.document_id, runs.c.number)):
                    run = run_of(row)
                    lives[run.document.object_id].append(run)
                told = select(submissions, documents.c.object_id).join(runs, runs.c.id == submissions.c.run_id)
                told = told.join(documents, documents.c.id == runs.c.document_id).where(ours)
                for row in connection.execute(told.order_by(submissions.c.created_at, submissions.c.key)):
                    sent[row.object_id].append(submission_of(row))
        return [
            ObjectRecord(one, head.current, head.gone_at, tuple(contents[one]), tuple(lives[one]), tuple(sent[one]))
            for one in object_ids
            if (head := heads.get(one)) is not None
        ]

    def known_objects(self, object_ids: Collection[str]) -> set[str]:
        """Those of these S3 keys that the ledger knows."""
        known: set[str] = set()
        with self._reading() as connection:
            for chunk in in_pieces(list(object_ids)):
                known |= set(connection.execute(select(objects.c.id).where(objects.c.id.in_(chunk))).scalars())
        return known

    def jobs_under_several_keys(self, limit: int = 1000) -> list[tuple[str, tuple[str, ...]]]:
        """Jobs of a paid provider that stand under more than one submission, with the submissions' keys."""
        job = (submissions.c.provider, submissions.c.account, submissions.c.job)
        paid = submissions.c.paid & submissions.c.job.is_not(None)
        several = select(*job).where(paid).group_by(*job).having(func.count() > 1).limit(limit)
        shared: list[tuple[str, tuple[str, ...]]] = []
        with self._reading() as connection:
            for provider, account, one in connection.execute(several).all():
                theirs = paid & (job[0] == provider) & (job[1] == account) & (job[2] == one)
                keys = select(submissions.c.key).where(theirs).order_by(submissions.c.key)
                shared.append((one, tuple(connection.execute(keys).scalars())))
        return shared

    def never_due_runs(self, which: RunFilter, limit: int) -> list[Run]:
        """Runs whose manifest is not published and that nothing will ever look at again, the oldest first."""
        never = and_(runs.c.published.is_(False), runs.c.due_at.is_(None))
        query = select_runs().where(never, *_narrowed(which)).order_by(runs.c.created_at, runs.c.id).limit(limit)
        with self._reading() as connection:
            return [run_of(row) for row in connection.execute(query)]

    def submissions_in_doubt(self, which: RunFilter, limit: int) -> list[tuple[Submission, Run]]:
        """Paid requests of which nobody knows whether they were taken, the oldest first, with their runs."""
        doubted = submissions.c.paid & (submissions.c.state == SubmissionState.IN_DOUBT)
        keys = select(submissions).join(runs, runs.c.id == submissions.c.run_id)
        keys = keys.join(documents, documents.c.id == runs.c.document_id).where(doubted, *_narrowed(which))
        with self._reading() as connection:
            entries = connection.execute(keys.order_by(submissions.c.created_at, submissions.c.key).limit(limit)).all()
            found = {
                row.id: run_of(row)
                for chunk in in_pieces(sorted({entry.run_id for entry in entries}))
                for row in connection.execute(select_runs().where(runs.c.id.in_(chunk)))
            }
        return [(submission_of(entry), found[entry.run_id]) for entry in entries]


def _narrowed(which: RunFilter) -> list[ColumnElement[bool]]:
    return matching(RunFilter(bucket=which.bucket, prefix=which.prefix, route=which.route, latest=False))


def _meant(which: RunFilter) -> Select[Any]:
    """The ids of the objects that a filter means."""
    if which.bucket is None and which.prefix is None and which.route is None:
        return select(objects.c.id)
    conditions: list[ColumnElement[bool]] = [documents.c.object_id == objects.c.id, *_narrowed(which)]
    theirs = select(documents.c.id)
    if which.route is not None:
        theirs = theirs.join(runs, runs.c.document_id == documents.c.id)
    return select(objects.c.id).where(theirs.where(*conditions).correlate(objects).exists())
