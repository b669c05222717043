"""How far the passes over a whole bucket have come: scans, rebuilds. They outlast the process that makes them."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from headrace.ledger.engine import Database
from headrace.ledger.records import Pass
from headrace.ledger.schema import passes
from headrace.ledger.upserts import insert_or_update


class Passes(Database):
    """The calls of whoever goes through a bucket. Each pass has a name; the next one of that name replaces it."""

    def last_pass(self, name: str) -> Pass | None:
        """The pass of this name that was begun last, finished or not."""
        with self._reading() as connection:
            row = connection.execute(select(passes).where(passes.c.name == name)).one_or_none()
        if row is None:
            return None
        facts = json.loads(row.facts)
        return Pass(row.name, row.cursor, facts, row.started_at, row.updated_at, row.finished_at)

    def begin_pass(self, name: str, facts: Mapping[str, Any]) -> Pass:
        """Begin a pass at its beginning; what was left of an earlier one is given up."""
        now = self._clock.now()
        row = {
            "name": name,
            "cursor": "",
            "facts": json.dumps(dict(facts)),
            "started_at": now,
            "updated_at": now,
            "finished_at": None,
        }
        with self._transaction("begin_pass") as tx:
            insert_or_update(tx, passes, row)
        return Pass(name, "", facts, now, now)

    def save_pass(self, begun: Pass, cursor: str, facts: Mapping[str, Any], *, finished: bool = False) -> bool:
        """Keep how far it has come; False where it has been finished, or another was begun instead, meanwhile."""
        now = self._clock.now()
        still = (
            (passes.c.name == begun.name) & (passes.c.started_at == begun.started_at) & passes.c.finished_at.is_(None)
        )
        values = {
            "cursor": cursor,
            "facts": json.dumps(dict(facts)),
            "updated_at": now,
            "finished_at": now if finished else None,
        }
        with self._transaction("save_pass") as tx:
            return tx.execute(update(passes).where(still).values(values)).rowcount == 1
