"""The ledger as an onlooker reads it: a few cheap questions, asked beside the processes that work on it."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, create_engine, func, or_, select
from sqlalchemy.exc import DBAPIError

from headrace.ledger.schema import breakers, budget_raises, documents, history, queues, runs, spending, submissions
from headrace.states import Reason, State

_MOST_IDS = 500
_MOVES = (*(str(state) for state in State), "published")


class LedgerAway(Exception):
    """The ledger cannot be asked now."""


@dataclass(frozen=True)
class Moved:
    """One line of a run's history that says that it went on."""

    run: str
    at: datetime
    event: str
    reason: Reason | None


@dataclass(frozen=True)
class LastRun:
    """How a document stands: its latest run."""

    run: str
    document: str
    key: str
    state: State
    reason: Reason | None
    detail: str
    published: bool
    pages: int | None


class Counted(NamedTuple):
    """The pages that a route has spent, and those that are promised still."""

    spent: int
    reserved: int


class LedgerView:
    """Reads; every method raises LedgerAway where the database does not answer."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, pool_pre_ping=True)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise LedgerAway(str(error.orig)) from error

    def counts(self) -> Counter[tuple[State, Reason | None, bool]]:
        """How many runs there are by state, reason, and whether their manifest is out."""
        words = (runs.c.state, runs.c.reason, runs.c.published)
        with self._reading() as connection:
            rows = connection.execute(select(*words, func.count()).group_by(*words)).all()
        return Counter({(row[0], row[1], row[2]): row[3] for row in rows})

    def moves_made(self) -> int:
        """A number that rises with everything that happens to a run."""
        with self._reading() as connection:
            return connection.execute(select(func.max(history.c.id))).scalar_one() or 0

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of these documents that the ledger has."""
        found: set[str] = set()
        with self._reading() as connection:
            for first in range(0, len(ids), _MOST_IDS):
                some = documents.c.id.in_(ids[first : first + _MOST_IDS])
                found.update(connection.execute(select(documents.c.id).where(some)).scalars())
        return found

    def under_way(self) -> frozenset[str]:
        """The runs that somebody has claimed, and those whose job is at the provider: not those that only queue."""
        at_work = or_(runs.c.lease_until > datetime.now(UTC), runs.c.state == State.SUBMITTED)
        with self._reading() as connection:
            return frozenset(connection.execute(select(runs.c.id).where(at_work)).scalars())

    def moves(self) -> list[Moved]:
        """What took a run to a state, and what published its end; oldest first."""
        words = (history.c.run_id, history.c.at, history.c.event, history.c.reason)
        query = select(*words).where(history.c.event.in_(_MOVES)).order_by(history.c.id)
        with self._reading() as connection:
            return [Moved(*row) for row in connection.execute(query)]

    def last_runs(self) -> dict[str, LastRun]:
        """The latest run of each document, by the document's id."""
        query = (
            select(
                runs.c.id,
                runs.c.document_id,
                documents.c.key,
                runs.c.state,
                runs.c.reason,
                runs.c.detail,
                runs.c.published,
                runs.c.pages,
            )
            .join(documents, documents.c.id == runs.c.document_id)
            .order_by(runs.c.number)
        )
        with self._reading() as connection:
            return {row.document_id: LastRun(*row) for row in connection.execute(query)}

    def counted(self) -> dict[str, Counted]:
        """What the ledger counts against budgets, by route."""
        sums = (func.sum(spending.c.pages_spent), func.sum(spending.c.pages_reserved))
        with self._reading() as connection:
            rows = connection.execute(select(spending.c.route, *sums).group_by(spending.c.route))
            return {row[0]: Counted(int(row[1]), int(row[2])) for row in rows}

    def raised(self, budget: str) -> list[tuple[datetime, int]]:
        """When a budget was raised, and by how many pages."""
        query = select(budget_raises.c.at, budget_raises.c.pages).where(budget_raises.c.budget == budget)
        with self._reading() as connection:
            return [(row.at, row.pages) for row in connection.execute(query)]

    def waits_for_budget(self, route: str) -> bool:
        """Whether a route stands still because its budget is used up."""
        still = (queues.c.route == route) & (queues.c.reason == Reason.BUDGET)
        with self._reading() as connection:
            return bool(connection.execute(select(func.count()).select_from(queues).where(still)).scalar_one())

    def stopped(self) -> set[Reason]:
        """Why accounts and lanes are left alone."""
        query = select(breakers.c.reason).where(breakers.c.opened_at.is_not(None))
        with self._reading() as connection:
            return set(connection.execute(query).scalars())

    def told(self, run_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Everything that the ledger says of these few runs, for people."""
        with self._reading() as connection:
            return {run: _told(connection, run) for run in run_ids}


def _told(connection: Connection, run: str) -> dict[str, Any]:
    def rows(table: Any, column: Any) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in connection.execute(select(table).where(column == run))]

    return {
        "run": rows(runs, runs.c.id),
        "submissions": rows(submissions, submissions.c.run_id),
        "history": rows(history, history.c.run_id),
    }
