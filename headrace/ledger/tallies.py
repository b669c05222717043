"""How many runs are where, and why: what `headrace status` counts. Nothing here writes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, union_all

from headrace.dispatching import Standstill
from headrace.ledger.engine import Database
from headrace.ledger.queries import matching
from headrace.ledger.queued import Place, standing_still
from headrace.ledger.records import Count, RunFilter
from headrace.ledger.schema import documents, is_rerun, runs
from headrace.routing import Lane
from headrace.states import Precedence, Reason, State
from headrace.turns import Queue

_ALL = RunFilter()
_KIND = (
    runs.c.state,
    runs.c.provider,
    runs.c.account,
    runs.c.model,
    runs.c.route,
    runs.c.reason,
    runs.c.precedence,
)  # in the order of ix_runs_count
# Money that is added and taken away again loses what no coin is worth.
_DIGITS = 9


class _Kind(NamedTuple):
    """What the runs that are counted together share: what merely waits is told by its queue."""

    state: State
    provider: str | None
    account: str | None
    model: str | None
    route: str | None
    reason: Reason | None
    precedence: int


@dataclass
class _Sums:
    runs: int = 0
    pages: int = 0
    cost: float = 0.0
    with_cost: int = 0

    def add(self, row: Row[Any]) -> None:
        self.runs += row.sign * row.how_many
        self.pages += row.sign * int(row.pages)
        self.cost += row.sign * float(row.cost)
        self.with_cost += row.sign * row.with_cost


class Tallies(Database):
    """The call of `headrace status`."""

    def counts(self, filter: RunFilter) -> list[Count]:  # noqa: A002  as everywhere
        """How many runs match, by state, reason and route."""
        with self._reading() as connection:
            standstills = standing_still(connection)
            counted = [_count_of(kind, sums, standstills) for kind, sums in _sums(connection, filter).items()]
            if any(_is_in_doubt(count) for count in counted):
                counted = _with_ends(counted, connection.execute(_ends_of_doubt(filter)))
        return _added_up(counted)


def _sums(connection: Connection, filter: RunFilter) -> dict[_Kind, _Sums]:  # noqa: A002  as everywhere
    found: dict[_Kind, _Sums] = {}
    # One statement, so that it sees one state of the table.
    for row in connection.execute(_latest() if filter == _ALL else _counting(filter, 1)):
        found.setdefault(_Kind(*row[: len(_KIND)]), _Sums()).add(row)
    return {kind: sums for kind, sums in found.items() if sums.runs}


def _latest() -> Any:
    """Every run, and less those that have a later one, which few have: each by itself would have to be asked for it."""
    every = replace(_ALL, latest=False)
    later = runs.alias("later")
    again = select(later.c.document_id).where(is_rerun(later))
    # SQLite would go through the runs of all documents.
    again = again.with_hint(later, "INDEXED BY ix_runs_rerun", "sqlite")
    superseding = (later.c.document_id == runs.c.document_id) & (later.c.number > runs.c.number)
    earlier = runs.c.document_id.in_(again), select(later.c.id).where(superseding).exists()
    return union_all(_counting(every, 1), _counting(every, -1, *earlier))


def _counting(filter: RunFilter, sign: int, *more: ColumnElement[bool]) -> Select[Any]:  # noqa: A002  as everywhere
    query = select(
        *_KIND,
        literal(sign).label("sign"),
        func.count().label("how_many"),
        func.coalesce(func.sum(runs.c.pages), 0).label("pages"),
        func.coalesce(func.sum(runs.c.cost), 0.0).label("cost"),
        func.count(runs.c.cost).label("with_cost"),
    )
    return _with_documents(query, filter).where(*matching(filter), *more).group_by(*_KIND)


def _with_documents(query: Select[Any], filter: RunFilter) -> Select[Any]:  # noqa: A002  as everywhere
    """The query joined with what it asks for: to look up the document of each run takes most of the time."""
    if filter.bucket is None and filter.prefix is None:
        return query
    return query.join(documents, documents.c.id == runs.c.document_id)


def _count_of(kind: _Kind, sums: _Sums, standstills: Mapping[Place, Standstill]) -> Count:
    cost = round(sums.cost, _DIGITS) if sums.with_cost else None
    count = Count(kind.state, kind.reason, kind.route, sums.runs, sums.pages, cost)
    if kind.state is not State.WAITING or kind.reason is not None:
        return count
    lane = Lane(kind.provider or "", kind.account or "", kind.model or "")
    still = standstills.get(Place(lane, Queue(Precedence(kind.precedence), kind.route or "")))
    return count if still is None else replace(count, reason=still.reason, until=still.until)


def _is_in_doubt(count: Count) -> bool:
    return count.state is State.WAITING and count.reason is Reason.IN_DOUBT


def _ends_of_doubt(filter: RunFilter) -> Select[Any]:  # noqa: A002  as everywhere
    """When the last doubt of each route is to be decided."""
    last = select(runs.c.route, func.max(runs.c.due_at).label("until"))
    doubtful = (runs.c.state == State.WAITING) & (runs.c.reason == Reason.IN_DOUBT)
    return _with_documents(last, filter).where(doubtful, *matching(filter)).group_by(runs.c.route)


def _with_ends(counts: Sequence[Count], ends: Iterable[Row[Any]]) -> list[Count]:
    until = {row.route: row.until for row in ends}
    return [replace(count, until=until.get(count.route)) if _is_in_doubt(count) else count for count in counts]


def _added_up(counts: Sequence[Count]) -> list[Count]:
    """One count for each state, reason and route."""
    kinds: dict[tuple[str, str, str], list[Count]] = {}
    for count in counts:
        kinds.setdefault((count.state, count.reason or "", count.route or ""), []).append(count)
    return [_sum(kinds[kind]) for kind in sorted(kinds)]


def _sum(counts: Sequence[Count]) -> Count:
    costs = [count.cost for count in counts if count.cost is not None]
    ends = [count.until for count in counts if count.until is not None]
    return replace(
        counts[0],
        runs=sum(count.runs for count in counts),
        pages=sum(count.pages for count in counts),
        cost=sum(costs) if costs else None,
        until=max(ends, default=None),
    )
