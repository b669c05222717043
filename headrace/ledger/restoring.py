"""Putting back what the bucket knows and the ledger does not: the calls of a rebuild."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from headrace.document import Document
from headrace.ledger.documents import in_pieces, of_batch
from headrace.ledger.engine import Database
from headrace.ledger.moves import FRESH, step_of
from headrace.ledger.records import Pass, Run, Submission
from headrace.ledger.restored import Restored, RestoredCount, RestoredDocument, RestoredRun
from headrace.ledger.rows import document_of, run_of, select_runs, submission_of
from headrace.ledger.schema import GroupState, documents, history, identity, objects, passes, poll_groups, runs
from headrace.ledger.schema import submissions as submissions_table
from headrace.ledger.spending import Changes, count
from headrace.ledger.standing import Order, compare, merge
from headrace.ledger.upserts import insert_new, insert_or_update
from headrace.states import Reason, State

# Above any token that a worker of the lost ledger may hold beyond those that the bucket tells of: as many claims of
# one run as one a second makes in eleven days. The column has room for two thousand rebuilds.
TOKEN_LEAP = 1_000_000

STEP = "rebuild"
_RESTORED = "restored"
# So many documents are one transaction: each is some rows.
MOST_DOCUMENTS = 200
_PIECE = 1000


class Restoring(Database):
    """The calls of a rebuild. Each may be made again: what was put back is then known."""

    def holds_documents(self) -> bool:
        """Whether anything was ever recorded here."""
        with self._reading() as connection:
            return connection.execute(select(documents.c.id).limit(1)).one_or_none() is not None

    def restore(self, told: Sequence[RestoredDocument]) -> Restored:
        """Put back what the ledger does not know of these documents and their runs.

        A run that the ledger has is left as it is where the ledger knows all that the bucket tells: see RestoredRun.
        Every run that is put back gets a token that is higher than any that a worker can still hold.
        """
        restored = known = 0
        for start in range(0, len(told), MOST_DOCUMENTS):
            chunk = told[start : start + MOST_DOCUMENTS]
            with self._transaction("restore") as tx:
                written = _Restoring(tx, chunk, self._clock.now()).restore_all()
            restored += written
            known += sum(len(one.runs) for one in chunk) - written
        return Restored(restored, known)

    def restored_since(self, moment: datetime) -> list[RestoredCount]:
        """How many runs were put back since, by the state they were put into."""
        kind = (history.c.state, history.c.reason)
        query = (
            select(*kind, func.count().label("runs"))
            .where(history.c.step == STEP, history.c.event == _RESTORED, history.c.at >= moment)
            .group_by(*kind)
            .order_by(*kind)
        )
        with self._reading() as connection:
            return [RestoredCount(row.state, row.reason, row.runs) for row in connection.execute(query)]

    def outdate_claims(self, begun: Pass, facts: Mapping[str, Any], after: str) -> str | None:
        """Raise the tokens of the next runs (by id, after this one) that are not published, above any claim's.

        The id to go on after, None once none is left: it is kept in the pass in the same transaction, so that no run
        is raised twice. A copy of the ledger does not know which claims were given out after it was made.
        """
        with self._transaction("outdate_claims") as tx:
            now = self._clock.now()
            open_runs = select(runs.c.id).where(runs.c.id > after, runs.c.published.is_(False))
            ids = tx.execute(open_runs.order_by(runs.c.id).limit(_PIECE)).scalars().all()
            if ids:
                raised = {"token": runs.c.token + TOKEN_LEAP, "lease_until": None}
                tx.execute(update(runs).where(runs.c.id.in_(ids)).values(raised))
            reached = ids[-1] if ids else None
            values = {"cursor": reached or "", "facts": json.dumps({**facts, "outdated": not ids}), "updated_at": now}
            tx.execute(update(passes).where(passes.c.name == begun.name).values(values))
            if not ids:
                still = poll_groups.c.state != GroupState.ENDED
                generation = {"generation": poll_groups.c.generation + TOKEN_LEAP, "heartbeat": None}
                tx.execute(update(poll_groups).where(still).values(generation))
        return reached

    def become(self, ledger: str, sequence: int, begun: Pass) -> None:
        """Be the ledger of this id from now on, at this sequence (or further), and end the pass: all or nothing."""
        with self._transaction("become") as tx:
            now = self._clock.now()
            further = func.max if tx.dialect.name == "sqlite" else func.greatest
            tx.execute(update(identity).values(id=ledger, sequence=further(identity.c.sequence, sequence)))
            tx.execute(update(passes).where(passes.c.name == begun.name).values(finished_at=now, updated_at=now))


class _Restoring:
    """One transaction's restoring. The rows of its objects are locked first, in order, as those who record do."""

    def __init__(self, tx: Connection, told: Sequence[RestoredDocument], now: datetime) -> None:
        self._tx = tx
        self._now = now
        # The runs of one document may have been read at several private places.
        self._told = [_together(list(same)) for _, same in groupby(sorted(told, key=_id_of), key=_id_of)]
        first_seen: dict[str, str] = {}
        for one in self._told:
            day = first_seen.setdefault(one.document.object_id, one.received_on)
            first_seen[one.document.object_id] = min(day, one.received_on)
        insert_new(tx, objects, [{"id": each, "received_on": first_seen[each]} for each in sorted(first_seen)])
        mine = select(objects).where(objects.c.id.in_(sorted(first_seen))).order_by(objects.c.id)
        rows = tx.execute(mine.with_for_update()).all()
        self._received_on = {row.id: row.received_on for row in rows}
        self._current: dict[str, str | None] = {row.id: row.current for row in rows}
        wanted = {one.document.id for one in self._told} | {row.current for row in rows if row.current is not None}
        found = tx.execute(select(documents).where(documents.c.id.in_(sorted(wanted))))
        self._known: dict[str, Document] = {row.id: document_of(row) for row in found}
        self._before = dict(self._known)

    def restore_all(self) -> int:
        """How many runs were put back."""
        self._restore_documents()
        told = {one.run.id: one for document in self._told for one in document.runs}
        there = _runs(self._tx, told)
        sent = _submissions(self._tx, told)
        moments = _moments(self._tx, there)
        news = [one for one in told.values() if _is_news(one, there, sent, moments)]
        new = [one for one in news if one.run.id not in there]
        self._insert(runs, [self._row(one.run, one.run.token) for one in new])
        for one in news:
            known = there.get(one.run.id)
            if known is not None:
                row = self._row(one.run, max(one.run.token, known.token))
                self._tx.execute(update(runs).where(runs.c.id == one.run.id).values(row))
        self._put_submissions(news, sent)
        self._insert(history, [line for one in news for line in self._history(one, moments)])
        _difference(news, there, sent).write(self._tx)
        return len(news)

    def _insert(self, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        for piece in in_pieces(rows):
            self._tx.execute(insert(table), list(piece))

    def _restore_documents(self) -> None:
        self._insert(documents, [self._document_row(one) for one in self._told if one.document.id not in self._before])
        stands: dict[str, str | None] = {}
        for one in self._told:
            document = one.document
            known = self._known.get(document.id)
            merged = document if known is None else merge(known, document)
            self._known[document.id] = merged
            if known is not None and merged != known:
                self._tx.execute(update(documents).where(documents.c.id == merged.id).values(_changing(merged)))
            current = self._current[document.object_id]
            # Where nobody can tell, what the ledger was told last counts; publishing asks the bucket itself.
            if current is None or compare(merged, self._known[current]) is Order.NEWER:
                self._current[document.object_id] = stands[document.object_id] = document.id
        for object_id, current in stands.items():
            self._tx.execute(update(objects).where(objects.c.id == object_id).values(current=current))

    def _document_row(self, one: RestoredDocument) -> dict[str, Any]:
        document = one.document
        return {
            "id": document.id,
            "object_id": document.object_id,
            "bucket": document.bucket,
            "key": document.key,
            "etag": document.etag,
            **_changing(document),
            "received_at": one.received_at,
            "received_on": self._received_on[document.object_id],
        }

    def _row(self, run: Run, token: int) -> dict[str, Any]:
        lane = run.lane
        return {
            **FRESH,
            "id": run.id,
            "document_id": run.document.id,
            "number": run.number,
            "state": run.state,
            "reason": run.reason,
            "detail": run.detail,
            "marks": run.marks,
            "route": run.route,
            "revision": run.revision,
            "provider": None if lane is None else lane.provider,
            "account": None if lane is None else lane.account,
            "model": None if lane is None else lane.model,
            "mode": run.mode,
            "media_type": run.media_type,
            "preparation": run.preparation,
            "pages": run.pages,
            "pages_source": run.pages_source,
            "walked_pages": run.walked_pages,
            "cost": run.cost,
            **of_batch(run.batch),
            "reserved_on": run.reserved_on,
            "reserved_pages": run.reserved_pages,
            "reserved_cost": run.reserved_cost,
            "due_at": None if run.published else self._now,
            "token": token + TOKEN_LEAP,
            "attempts": 0,
            "published": run.published,
            "created_at": run.created_at or self._now,
            "updated_at": self._now,
            "ended_at": (run.ended_at or self._now) if run.state.is_end else None,
        }

    def _put_submissions(self, news: Sequence[RestoredRun], there: Mapping[str, Sequence[Submission]]) -> None:
        new = []
        for one in news:
            known = {str(sent.key) for sent in there.get(one.run.id, ())}
            for submission in one.submissions:
                row = self._submission_row(submission)
                if row["key"] in known:
                    insert_or_update(self._tx, submissions_table, row)
                else:
                    new.append(row)
        self._insert(submissions_table, new)

    def _submission_row(self, one: Submission) -> dict[str, Any]:
        return {
            "key": str(one.key),
            "run_id": one.run_id,
            **one.lane._asdict(),
            "part": one.key.part,
            "n": one.key.n,
            "mode": one.mode,
            "paid": one.paid,
            "state": one.state,
            "reason": one.reason,
            "attempt": one.attempt,
            "token": one.token,
            "send_before": one.send_before,
            "pages": one.pages,
            "cost": one.cost,
            "provider_cost": one.provider_cost,
            "job": one.job,
            "spent_on": one.spent_on,
            "spent_pages": one.spent_pages,
            "spent_cost": one.spent_cost,
            "polls": 0,
            "deliveries": 0,
            "due_at": None,
            "group_id": None,
            "created_at": one.send_before,
            "accepted_at": one.accepted_at,
            "updated_at": self._now,
        }

    def _history(self, one: RestoredRun, moments: Mapping[str, Collection[datetime]]) -> list[dict[str, Any]]:
        run = one.run
        line = {"run_id": run.id, "state": run.state, "reason": run.reason, "seconds": None}
        lines = []
        if one.told_at is not None and one.told_at not in moments.get(run.id, ()):
            # By this line the ledger is known to have what the bucket told.
            came = line | {"at": one.told_at, "step": step_of(run.state), "event": "told by the bucket"}
            lines.append(came | {"detail": run.detail})
        text = f"under the token {run.token}"
        return [*lines, line | {"at": self._now, "step": STEP, "event": _RESTORED, "detail": text}]


def _difference(
    news: Sequence[RestoredRun], there: Mapping[str, Run], sent: Mapping[str, Sequence[Submission]]
) -> Changes:
    """What budgets count for these runs now, and did not: what the ledger had of them is counted already."""
    changes = Changes()
    for one in news:
        told = {submission.key for submission in one.submissions}
        known = there.get(one.run.id)
        if known is not None:
            count(changes, known, [submission for submission in sent.get(known.id, ()) if submission.key in told], -1)
        count(changes, one.run, one.submissions)
    return changes


def _id_of(one: RestoredDocument) -> str:
    return one.document.id


def _together(same: Sequence[RestoredDocument]) -> RestoredDocument:
    first = same[0]
    document = first.document
    for other in same[1:]:
        document = merge(document, other.document)
    return RestoredDocument(
        document,
        min(one.received_at for one in same),
        min(one.received_on for one in same),
        tuple(run for one in same for run in one.runs),
    )


def _changing(document: Document) -> dict[str, Any]:
    return {
        "size": document.size,
        "last_modified": document.last_modified,
        "sequencer": document.sequencer,
        "version_id": document.version_id,
    }


def _runs(tx: Connection, ids: Collection[str]) -> dict[str, Run]:
    """Those of these runs that the ledger has, locked."""
    found: dict[str, Run] = {}
    for chunk in in_pieces(sorted(ids)):
        rows = tx.execute(select_runs().where(runs.c.id.in_(chunk)).order_by(runs.c.id).with_for_update(of=runs))
        found |= {row.id: run_of(row) for row in rows}
    return found


def _submissions(tx: Connection, ids: Collection[str]) -> dict[str, list[Submission]]:
    found: dict[str, list[Submission]] = {}
    for chunk in in_pieces(sorted(ids)):
        for row in tx.execute(select(submissions_table).where(submissions_table.c.run_id.in_(chunk))):
            found.setdefault(row.run_id, []).append(submission_of(row))
    return found


def _moments(tx: Connection, ids: Collection[str]) -> dict[str, set[datetime]]:
    """When something happened to each of these runs."""
    found: dict[str, set[datetime]] = {}
    for chunk in in_pieces(sorted(ids)):
        for row in tx.execute(select(history.c.run_id, history.c.at).where(history.c.run_id.in_(chunk))):
            found.setdefault(row.run_id, set()).add(row.at)
    return found


def _is_news(
    told: RestoredRun,
    there: Mapping[str, Run],
    sent: Mapping[str, Sequence[Submission]],
    moments: Mapping[str, Collection[datetime]],
) -> bool:
    """Whether the bucket tells of this run what the ledger does not know."""
    known = there.get(told.run.id)
    if known is None:
        return True
    if told.told_at is not None and told.told_at not in moments.get(known.id, ()):
        return True
    if told.settled and (known.state, known.reason) == (State.HELD, Reason.IN_DOUBT):
        return True
    attempts = {one.key: one.send_before for one in sent.get(known.id, ())}
    return any(one.key not in attempts or attempts[one.key] < one.send_before for one in told.submissions)
