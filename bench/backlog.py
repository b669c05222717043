"""A ledger in which a great many runs wait, as `bench.waiting` asks it: filled through the tables, which saves an hour.

Of the runs of a backlog 40 % wait in a lane that may send 150 pages a minute, 20 % each in a lane whose budgets are
used up, in one that rests, and in one that takes what comes. Each lane has three routes; of their runs seven in ten
belong to a batch, three were dropped. Of all 2 % are in doubt and 3 % put off until later.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import md5
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Engine, Table, create_engine, insert

from config.lanes import LaneSettings
from config.routes import RouteTable
from headrace.budgets import Budget
from headrace.clock import SystemClock
from headrace.document import Document
from headrace.ledger import Ledger
from headrace.ledger.schema import batches, documents, lanes, objects, runs, spending
from headrace.routing import Lane, Route
from headrace.states import Mode, Precedence, Reason, State

BUCKET = "inbox"
SLOW, SPENT, RESTING, OPEN = (Lane("nanonets", "bench", model) for model in ("slow", "spent", "resting", "open"))
LANES = (SLOW, SLOW, SPENT, RESTING, OPEN)
ROUTES_OF_A_LANE = 3
BATCH = "20261121-bench"
PAGES = 2
IN_FLIGHT = 64
# The whole of every lane's backlog, put in order of time, is this old.
OLDEST = timedelta(hours=6)

_PIECE = 20_000
_KEPT_PAGES = -400_000


def route_of(lane: Lane, number: int) -> Route:
    """One of a lane's routes, by its number from 0."""
    name = f"{lane.model}-{number}"
    return Route(
        name=name,
        bucket=BUCKET,
        prefix=f"{name}/",
        provider="nanonets",
        account=lane.account,
        model=lane.model,
        output="s3://outbox/rows",
        private="s3://outbox-private/headrace",
    )


def rules() -> RouteTable:
    """What holds for the lanes of the backlog."""
    routes = tuple(route_of(lane, number) for lane in dict.fromkeys(LANES) for number in range(ROUTES_OF_A_LANE))
    return RouteTable(
        routes,
        tuple(
            LaneSettings(
                provider=lane.provider,
                account=lane.account,
                model=lane.model,
                in_flight=IN_FLIGHT,
                pages_per_minute=150 if lane == SLOW else None,
            )
            for lane in dict.fromkeys(LANES)
        ),
        budgets=tuple(
            Budget(name=route.name, route=route.name, period="day", pages=1000)
            for route in routes
            if route.lane == SPENT
        ),
    )


def fill(url: str, how_many: int) -> None:
    """Make the ledger's tables, and let so many runs wait in them."""
    ledger = Ledger(url, SystemClock())
    ledger.migrate()
    for route in rules().routes:
        ledger.record_revision(route)
    ledger.close()
    engine, now = create_engine(_with_driver(url)), datetime.now(UTC)
    _fill_small_tables(engine, now)
    _copy(engine, (_waiting(number, how_many, now) for number in range(how_many)))
    engine.dispose()


class _Row(NamedTuple):
    """What is written for one waiting run."""

    object: dict[str, Any]
    document: dict[str, Any]
    run: dict[str, Any]


def _waiting(number: int, how_many: int, now: datetime) -> _Row:
    lane = LANES[number % len(LANES)]
    route = _ROUTES[lane][number // 5 % ROUTES_OF_A_LANE]
    of_batch = number // 15 % 10 < 7
    document = Document(
        BUCKET, f"{route.prefix}{number:07}.pdf", md5(b"%d" % number, usedforsecurity=False).hexdigest()
    )
    created = now - OLDEST + OLDEST * (number / how_many)
    reason, due_at = None, created
    if number // 150 % 50 == 0:
        reason, due_at = Reason.IN_DOUBT, now + timedelta(minutes=10)
    elif number // 150 % 33 == 1:
        reason, due_at = Reason.UNREACHABLE, now + timedelta(hours=1)
    day = now.date().isoformat()
    run = {
        "id": f"{document.id}-1",
        "document_id": document.id,
        "number": 1,
        "state": State.WAITING.value,
        "reason": None if reason is None else reason.value,
        "detail": "",
        "marks": "",
        "route": route.name,
        "revision": route.revision,
        "provider": lane.provider,
        "account": lane.account,
        "model": lane.model,
        "mode": Mode.SYNC.value,
        "media_type": "application/pdf",
        "pages": PAGES,
        "pages_source": "walked",
        "batch": BATCH if of_batch else None,
        "precedence": int(Precedence.BATCH if of_batch else Precedence.FRESH),
        "due_at": due_at,
        "token": 1,
        "deliveries": 0,
        "sweeps": 0,
        "attempts": 0,
        "put_offs": 0,
        "published": False,
        "created_at": created,
        "updated_at": created,
    }
    return _Row(
        {"id": document.object_id, "received_on": day, "current": document.id},
        {
            "id": document.id,
            "object_id": document.object_id,
            "bucket": BUCKET,
            "key": document.key,
            "etag": document.etag,
            "size": 50_000,
            "last_modified": created,
            "received_at": created,
            "received_on": day,
        },
        run,
    )


_ROUTES = {lane: [route_of(lane, number) for number in range(ROUTES_OF_A_LANE)] for lane in LANES}


def _fill_small_tables(engine: Engine, now: datetime) -> None:
    batch = {"id": BATCH, "kind": "retry", "started_by": "bench", "detail": "", "started_at": now}
    resting = {
        "flying": 0,
        "counted_at": now,
        "rests_until": now + timedelta(hours=1),
        "rests_for": Reason.RATE_LIMITED,
    }
    with engine.begin() as tx:
        tx.execute(insert(batches).values(batch))
        tx.execute(insert(lanes).values(RESTING._asdict() | resting))
        tx.execute(insert(spending), [_used_up(route, now.date()) for route in _ROUTES[SPENT]])


def _used_up(route: Route, day: date) -> dict[str, Any]:
    amounts = {"pages_reserved": 0, "pages_spent": 1000, "cost_reserved": 0.0, "cost_spent": 0.0}
    return {
        "day": day.isoformat(),
        "provider": route.lane.provider,
        "account": route.account,
        "route": route.name,
        **amounts,
    }


def _copy(engine: Engine, rows: Iterator[_Row]) -> None:
    """Write the rows in pieces, in each engine's quickest way."""
    write = _copy_to_sqlite if engine.dialect.name == "sqlite" else _copy_to_postgres
    connection = engine.raw_connection()
    try:
        if engine.dialect.name == "sqlite":
            # Should the machine fail, there is nothing to be lost.
            connection.cursor().execute("PRAGMA synchronous = OFF")
            connection.cursor().execute(f"PRAGMA cache_size = {_KEPT_PAGES}")
        while piece := list(islice(rows, _PIECE)):
            for table, values in zip((objects, documents, runs), zip(*piece, strict=True), strict=True):
                write(connection, table, values)
            connection.commit()
        cursor = connection.cursor()
        if engine.dialect.name != "sqlite":
            # As its autovacuum does a minute later.
            connection.driver_connection.autocommit = True
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")
    finally:
        connection.close()


def _copy_to_sqlite(connection: Any, table: Table, rows: tuple[dict[str, Any], ...]) -> None:
    names = list(rows[0])
    places = ", ".join("?" * len(names))
    values = [[_as_sqlite_has_it(row[name]) for name in names] for row in rows]
    connection.cursor().executemany(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places})", values)


def _as_sqlite_has_it(value: Any) -> Any:
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


def _copy_to_postgres(connection: Any, table: Table, rows: tuple[dict[str, Any], ...]) -> None:
    names = list(rows[0])
    with connection.cursor().copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)
