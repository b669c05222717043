"""Runs whose files are to be published once more, out of answers that are stored: nothing is sent, nothing is paid."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, exists, insert, or_, update

from headrace.ledger.documents import in_pieces
from headrace.ledger.engine import Database
from headrace.ledger.moves import FRESH
from headrace.ledger.queries import matching
from headrace.ledger.records import Hint, Run, RunFilter
from headrace.ledger.rows import run_of, select_runs
from headrace.ledger.schema import documents, history, objects, runs
from headrace.states import END_STATES, State

log = structlog.get_logger()

# Most runs are exported: said as what they are not, the index by state tempts no planner to go through all of them.
_UNDER_WAY = [state for state in State if state not in END_STATES]
_NOT_EXPORTED = [state for state in State if state is not State.EXPORTED]


class Republishing(Database):
    """The calls behind `headrace republish`."""

    def standing_runs(self, filter: RunFilter, limit: int, after: str | None = None) -> list[Run]:  # noqa: A002  as everywhere
        """The runs that match and whose files are what belongs in the bucket, by id; `after` is the last page's last.

        Of the current content of each key its latest run, for the manifest, and its latest exported one, for the rows.
        Where nothing of the current content is exported, the rows are those of another content: then the latest
        exported run of each counts, and publishing finds out which is newest. A run that is not published yet will be,
        and one that no route took has no files: neither is among them.
        """
        query = (
            select_runs()
            .join(objects, objects.c.id == documents.c.object_id)
            .where(*matching(replace(filter, latest=False)), *_is_published(), _stands())
            .order_by(runs.c.id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(runs.c.id > after)
        with self._reading() as connection:
            return [run_of(row) for row in connection.execute(query)]

    def republish(self, run_ids: Collection[str], *, by: str) -> list[Hint]:
        """Have these runs published once more, from their first files on; one that is not published is left alone."""
        hints: list[Hint] = []
        for chunk in in_pieces(sorted(set(run_ids))):
            with self._transaction("republish") as tx:
                now = self._clock.now()
                locked = select_runs().where(runs.c.id.in_(chunk), *_is_published()).order_by(runs.c.id)
                found = [run_of(row) for row in tx.execute(locked.with_for_update(of=runs))]
                if not found:
                    continue
                # A new token: what is written now is newer than what stands there, whatever became of that.
                again = {**FRESH, "token": runs.c.token + 1, "published": False, "due_at": now, "updated_at": now}
                tx.execute(update(runs).where(runs.c.id.in_([run.id for run in found])).values(again))
                told = {"at": now, "step": "republish", "event": "publish again", "detail": f"by {by}"}
                tx.execute(insert(history), [told | {"run_id": run.id, "state": run.state} for run in found])
                hints += [Hint(run.id, run.state) for run in found]
        log.info("runs published again", runs=len(hints))
        return hints


def _is_published() -> tuple[ColumnElement[bool], ...]:
    return (runs.c.state.not_in(_UNDER_WAY), runs.c.published.is_(True), runs.c.revision.is_not(None))


def _stands() -> ColumnElement[bool]:
    """Of a run joined with its document and its object: whether its manifest or its rows may be those that stand."""
    exported, later = runs.c.state.not_in(_NOT_EXPORTED), runs.alias("later")
    of_document: ColumnElement[bool] = (later.c.document_id == runs.c.document_id) & (later.c.number > runs.c.number)
    is_latest = ~exists().where(of_document)
    is_latest_exported = and_(exported, ~exists().where(of_document, later.c.state.not_in(_NOT_EXPORTED)))
    is_current = documents.c.id == objects.c.current
    return or_(and_(is_current, or_(is_latest, is_latest_exported)), and_(is_latest_exported, ~_current_has_rows()))


def _current_has_rows() -> Any:
    of_current = runs.alias("of_current")
    return exists().where(of_current.c.document_id == objects.c.current, of_current.c.state.not_in(_NOT_EXPORTED))
