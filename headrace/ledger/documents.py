"""Documents as they are told of: each is recorded once, and what is told again is noticed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, insert, select, update

from headrace.document import Document, object_id, run_id
from headrace.errors import LedgerError
from headrace.ledger.engine import Database
from headrace.ledger.moves import FRESH, SOON, note
from headrace.ledger.records import Hint, Recorded, Run
from headrace.ledger.rows import document_of, read_run, run_of, select_runs
from headrace.ledger.schema import documents, history, objects, runs
from headrace.ledger.standing import Order, compare, merge
from headrace.ledger.upserts import insert_new
from headrace.states import NEVER_READ, Precedence, State

log = structlog.get_logger()

MOST_ROWS = 1000


class Documents(Database):
    """The calls of the doors: watching, events and scans."""

    def record(self, documents: Sequence[Document]) -> list[Recorded]:
        """Note these documents, in their order; what became of each, with the step to hint.

        A new document gets its run 1. A known one takes the newer LastModified, sequencer and version, and
        is published again where another content of its key may have lain there in between (A, B, A). If its latest run
        ended without reading it, as superseded or removed, it gets its next run instead. A key where nothing was
        found any more is one where something is again. The run of a result
        without a hint is only the one to look at first.
        Up to 1,000 documents are one transaction, more are several. Raises LedgerError for a name that no
        S3 key has (with NUL, or half of a surrogate pair), before anything is written.
        """
        for document in documents:
            _refuse_unkeepable(document)
        recorded: list[Recorded] = []
        for chunk in in_pieces(documents):
            with self._transaction("record") as tx:
                recorded += _Recording(tx, chunk, self._clock.now()).record_all()
        new = sum(one.new for one in recorded)
        if new:
            log.info("documents recorded", told=len(recorded), new=new)
        return recorded

    def known(self, document_ids: Collection[str]) -> dict[str, datetime | None]:
        """The LastModified of those of these documents that the ledger has as the current content of their key.

        One that is missing here is new, or another content was told of since, or nothing was found there any
        more: all of them are to be recorded.
        """
        lies_there = (objects.c.current == documents.c.id) & objects.c.gone_at.is_(None)
        current = select(documents.c.id, documents.c.last_modified).join(objects, lies_there)
        found: dict[str, datetime | None] = {}
        with self._reading() as connection:
            for chunk in in_pieces(list(document_ids)):
                rows = connection.execute(current.where(documents.c.id.in_(chunk)))
                found |= {row.id: row.last_modified for row in rows}
        return found

    def documents_by_id(self, document_ids: Collection[str]) -> dict[str, Document]:
        """Those of these documents that the ledger knows, by their ids."""
        found: dict[str, Document] = {}
        with self._reading() as connection:
            for chunk in in_pieces(list(document_ids)):
                rows = connection.execute(select(documents).where(documents.c.id.in_(chunk)))
                found |= {row.id: document_of(row) for row in rows}
        return found

    def told_last(self, bucket: str, key: str) -> str | None:
        """The document that, as far as was told, lies under this key, or lay there last."""
        query = select(objects.c.current).where(objects.c.id == object_id(bucket, key))
        with self._reading() as connection:
            told: str | None = connection.execute(query).scalar_one_or_none()
        return told

    def publish_again(self, run_id: str) -> Hint | None:
        """Have a run published once more, from its first file on; None where it has not come to publishing.

        Whoever publishes it at this moment is refused by its token, and begins anew.
        """
        with self._transaction("publish_again") as tx:
            run = read_run(tx, run_id, locked=True)
            if run is None or run.state not in (State.PREDICTED, State.EXPORTED):
                return None
            _begin_publishing(tx, run, self._clock.now(), step="export")
        return Hint(run_id, run.state)


def _begin_publishing(tx: Connection, run: Run, now: datetime, *, step: str) -> None:
    # A new token: who publishes at this moment does so under the older place in the order.
    again = {**FRESH, "token": run.token + 1, "published": False, "due_at": now, "updated_at": now}
    tx.execute(update(runs).where(runs.c.id == run.id).values(again))
    note(tx, run.id, now, step=step, event="publish again", state=run.state)


def in_pieces(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The items in pieces that one transaction may write."""
    for start in range(0, len(items), MOST_ROWS):
        yield items[start : start + MOST_ROWS]


def start_run(tx: Connection, document_id: str, number: int, now: datetime, *, batch: str | None = None) -> str:
    """Begin the next run of a document, to be routed; its id."""
    new = run_id(document_id, number)
    tx.execute(insert(runs), [_first_row(document_id, number, now) | of_batch(batch)])
    return new


def latest_run(tx: Connection, document_id: str, *, state: State | None = None) -> Run | None:
    """The latest run of a document (in this state), locked."""
    query = select_runs().where(runs.c.document_id == document_id).order_by(runs.c.number.desc()).limit(1)
    if state is not None:
        query = query.where(runs.c.state == state)
    row = tx.execute(query.with_for_update(of=runs)).one_or_none()
    return None if row is None else run_of(row)


def of_batch(batch: str | None) -> dict[str, Any]:
    """The columns of a run that was started together with others, or was dropped by itself (None)."""
    return {"batch": batch, "precedence": Precedence.FRESH if batch is None else Precedence.BATCH}


def _first_row(document_id: str, number: int, now: datetime) -> dict[str, Any]:
    return {
        "id": run_id(document_id, number),
        "document_id": document_id,
        "number": number,
        "state": State.RECEIVED,
        "due_at": now + SOON,
        "created_at": now,
        "updated_at": now,
    }


def _refuse_unkeepable(document: Document) -> None:
    if not document.is_keepable:
        raise LedgerError(
            f"The document {document.id} has a character in its name, eTag, version or sequencer that no S3 key has "
            "(NUL, or half of a surrogate pair). It cannot be in the bucket; leave it out."
        )


class _Recording:
    """One transaction's recording. The rows of its objects are locked first, in order, so nobody records them too."""

    def __init__(self, tx: Connection, told: Sequence[Document], now: datetime) -> None:
        self._tx = tx
        self._told = [replace(one, etag=one.etag.strip('"')) for one in told]
        self._now = now
        self._today = now.date().isoformat()
        object_ids = sorted({one.object_id for one in told})
        insert_new(tx, objects, [{"id": object_id, "received_on": self._today} for object_id in object_ids])
        mine = select(objects).where(objects.c.id.in_(object_ids)).order_by(objects.c.id)
        rows = tx.execute(mine.with_for_update()).all()
        self._received_on = {row.id: row.received_on for row in rows}
        self._current: dict[str, str | None] = {row.id: row.current for row in rows}
        self._gone = {row.id for row in rows if row.gone_at is not None}
        wanted = {one.id for one in told} | {row.current for row in rows if row.current is not None}
        self._known: dict[str, Document] = {}
        for chunk in in_pieces(sorted(wanted)):
            for row in tx.execute(select(documents).where(documents.c.id.in_(chunk))):
                self._known[row.id] = document_of(row)

    def record_all(self) -> list[Recorded]:
        before = dict(self._current)
        new_documents: dict[str, Document] = {}
        for one in self._told:
            if one.id not in self._known:
                new_documents.setdefault(one.id, one)
        self._insert(list(new_documents.values()))
        recorded = [self._record(one, new_documents) for one in self._told]
        moved = sorted(object_id for object_id, current in self._current.items() if current != before[object_id])
        if moved:
            stands = update(objects).where(objects.c.id == bindparam("moved")).values(current=bindparam("stands"))
            self._tx.execute(stands, [{"moved": each, "stands": self._current[each]} for each in moved])
        if self._gone:
            self._tx.execute(update(objects).where(objects.c.id.in_(sorted(self._gone))).values(gone_at=None))
        return recorded

    def _insert(self, new: Sequence[Document]) -> None:
        if not new:
            return
        now = self._now
        self._tx.execute(
            insert(documents),
            [
                {
                    "id": one.id,
                    "object_id": one.object_id,
                    "bucket": one.bucket,
                    "key": one.key,
                    "etag": one.etag,
                    "version_id": one.version_id,
                    "size": one.size,
                    "last_modified": one.last_modified,
                    "sequencer": one.sequencer,
                    "received_at": now,
                    "received_on": self._received_on[one.object_id],
                }
                for one in new
            ],
        )
        self._tx.execute(insert(runs), [_first_row(one.id, 1, now) for one in new])
        received = {"at": now, "step": "intake", "event": "received", "state": State.RECEIVED, "detail": ""}
        self._tx.execute(insert(history), [received | {"run_id": run_id(one.id, 1)} for one in new])

    def _record(self, told: Document, new: dict[str, Document]) -> Recorded:
        if new.pop(told.id, None) is not None:
            self._known[told.id] = told
            self._stands_now(told)
            return Recorded(told, run_id(told.id, 1), new=True, hint=State.RECEIVED)
        known = self._known[told.id]
        merged = merge(known, told)
        if merged != known:
            self._write(merged)
        # A listing or a HEAD tells what lies there now: an earlier drop's sequencer says nothing against that.
        telling = merged if told.sequencer is not None else replace(merged, sequencer=None)
        came_back = self._current[told.object_id] != told.id and self._stands_now(telling)
        # It counts as the current one already, but may have been published as an older one than it is.
        moved_on = not came_back and compare(merged, known) is Order.NEWER and self._has_others(told)
        # An object that is restored has the LastModified that it had.
        restored = told.object_id in self._gone
        return self._tell_again(merged, came_back=came_back or moved_on, raised=merged != known or restored)

    def _has_others(self, told: Document) -> bool:
        """Whether other contents of its key are known."""
        others = (documents.c.object_id == told.object_id) & (documents.c.id != told.id)
        return self._tx.execute(select(documents.c.id).where(others).limit(1)).first() is not None

    def _write(self, merged: Document) -> None:
        self._known[merged.id] = merged
        self._tx.execute(
            update(documents)
            .where(documents.c.id == merged.id)
            .values(
                size=merged.size,
                last_modified=merged.last_modified,
                sequencer=merged.sequencer,
                version_id=merged.version_id,
            )
        )

    def _stands_now(self, told: Document) -> bool:
        """Take this content as the one that lies there now, unless it is older than the one that does.

        Where nobody can tell, the later telling counts: publishing asks the bucket itself.
        """
        current = self._current[told.object_id]
        if current is not None and compare(told, self._known[current]) is Order.OLDER:
            return False
        self._current[told.object_id] = told.id
        return True

    def _tell_again(self, told: Document, *, came_back: bool, raised: bool) -> Recorded:
        run = latest_run(self._tx, told.id) if came_back or raised else None
        if run is None:
            return Recorded(told, run_id(told.id, 1), new=False, hint=None)
        if run.state in NEVER_READ and self._current[told.object_id] == told.id:
            number = run.number + 1
            new = start_run(self._tx, told.id, number, self._now)
            note(self._tx, new, self._now, step="intake", event="received again", state=State.RECEIVED)
            return Recorded(told, new, new=True, hint=State.RECEIVED)
        if not came_back:
            return Recorded(told, run.id, new=False, hint=None)
        standing = latest_run(self._tx, told.id, state=State.EXPORTED) or run
        if standing.id != run.id:
            # What became of it belongs in the manifest, beside the rows of the one before; the sweep sees to it.
            self._publish_again(told, run)
        return self._publish_again(told, standing)

    def _publish_again(self, told: Document, run: Run) -> Recorded:
        if not (run.state.is_end or run.state is State.PREDICTED):
            # It has not come to publishing yet, and will then read what was noted just now.
            return Recorded(told, run.id, new=False, hint=None)
        _begin_publishing(self._tx, run, self._now, step="intake")
        return Recorded(told, run.id, new=False, hint=run.state)
