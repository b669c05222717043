"""The ledger's connection to its database: SQLite or PostgreSQL, transactions, and errors that people understand."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.selectable import FromClause

from headrace.clock import Clock
from headrace.errors import ConfigurationError, LedgerError, LedgerUnavailable
from headrace.faults import fault_point

_WRITES = "headrace_writes"
_LOCK_SECONDS = 30
_CONNECT_SECONDS = 5
# A query about some hundred ids takes 100 KB of memory and comes but once with just so many; SQLite's driver keeps 128.
_KEPT_STATEMENTS = 16
_CACHE_KIBIBYTES = 512
# PostgreSQL's codes for a table and a column that it does not have (its manual, appendix A). Its driver is only loaded
# where it is used, which takes a quarter of a second.
_UNDEFINED = frozenset({"42P01", "42703"})


class Database:
    """One database, one engine per process.

    Nothing connects before it is used, and a forked child makes an engine of its own.
    Every method raises LedgerUnavailable where the database cannot do its part, or where another process wrote
    the same meanwhile: trying again may help. It raises LedgerError for a value that the database cannot keep.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = _readable_url(url)
        self._clock = clock
        self._may_write = True
        # By process: a parent's connections stay here, untouched and unclosed, in a forked child.
        self._engines: dict[int, Engine] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place})"

    def for_reading(self) -> Self:
        """The same database, to be looked at only: it refuses whatever would write, which raises LedgerUnavailable.

        It has connections of its own, to be closed like any other's.
        """
        reader = copy(self)
        reader._may_write = False
        reader._engines = {}
        return reader

    def close(self) -> None:
        """Close this process's connections; the next call opens new ones."""
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()

    @property
    def _place(self) -> str:
        """Where the ledger is, without what may be secret in its URL."""
        return self._url.set(password=None, query={}).render_as_string()

    @property
    def _engine(self) -> Engine:
        engine = self._engines.get(os.getpid())
        if engine is None:
            # Two threads may both come here; one engine wins, the other never connected.
            engine = self._engines.setdefault(os.getpid(), _make_engine(self._url, may_write=self._may_write))
        return engine

    @contextmanager
    def _transaction(self, name: str) -> Iterator[Connection]:
        """A writing transaction, committed at its end; `name` is the operation's, for its fault points."""
        with self._plain_errors(), self._engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin() as transaction:
                yield connection
                fault_point(f"ledger.{name}.before_commit")
                transaction.commit()
            fault_point(f"ledger.{name}.after_commit")

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database and writes nothing."""
        with self._plain_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            # Two wrote the same at once; the one that comes second finds out when it tries again.
            raise LedgerUnavailable(
                f"The ledger {self._place} refused a row: {_rule(error.orig)}. Another process wrote meanwhile, most "
                "likely, and trying again helps; should it be said again and again, report it."
            ) from error
        except DataError as error:
            raise LedgerError(
                f"The ledger {self._place} cannot keep a value: {type(error.orig).__name__}. Trying again does not "
                "help: report it."
            ) from error
        except PoolTimeout as error:
            raise LedgerUnavailable(
                f"The ledger {self._place} gave no connection in time. Run fewer threads, or allow more connections."
            ) from error
        except (DBAPIError, sqlite3.Error) as error:
            said = error.orig if isinstance(error, DBAPIError) else error
            if _schema_is_missing(said):
                raise LedgerUnavailable(
                    f"The ledger {self._place} lacks a table or column of this version. Run `headrace migrate`."
                ) from error
            raise LedgerUnavailable(
                f"The ledger {self._place} cannot be used: {_first_line(said)}. "
                "Check that its server runs and takes our user, or that its folder exists and its disk has room."
            ) from error


def one_at_a_time(tx: Connection, name: str) -> None:
    """Until the transaction ends, let no other one past the same name (SQLite's write lock does that anyway)."""
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"headrace {name}"))))


def _readable_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        # The cause holds the URL, and with it the password.
        raise ConfigurationError(
            "The ledger's URL cannot be read. Write sqlite:////folder/ledger.db or "
            "postgresql+psycopg://user:password@host/database."
        ) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url.drivername == "postgresql+psycopg":
        return url
    raise ConfigurationError(
        f"The ledger cannot be kept in {url.drivername}: it takes sqlite:////folder/ledger.db (a file) or "
        "postgresql+psycopg://user:password@host/database."
    )


def _make_engine(url: URL, *, may_write: bool) -> Engine:
    # One thread uses one connection at a time, so the number of threads is the bound, not the pool. As many are kept as
    # a worker has threads: to open one takes ten times as long as what it is mostly opened for.
    options: dict[str, Any] = {"pool_size": 16, "max_overflow": -1, "hide_parameters": True}
    arguments: dict[str, Any]
    if url.get_backend_name() == "postgresql":
        settings = f"-c lock_timeout={_LOCK_SECONDS}s -c statement_timeout={2 * _LOCK_SECONDS}s"
        if not may_write:
            settings += " -c default_transaction_read_only=on"
        arguments = {"connect_timeout": _CONNECT_SECONDS, "options": settings}
        return create_engine(url, connect_args=arguments, pool_pre_ping=True, **options)
    arguments = {"timeout": _LOCK_SECONDS, "cached_statements": _KEPT_STATEMENTS}
    engine = create_engine(url, connect_args=arguments, **options)
    engine.dialect.statement_compiler = _HintingCompiler
    event.listen(engine, "connect", _prepare_sqlite)
    if not may_write:
        event.listen(engine, "connect", _refuse_writes_of_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


class _HintingCompiler(SQLiteCompiler):
    """Writes the hints of a query for SQLite (INDEXED BY), which SQLAlchemy leaves out."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002  as SQLAlchemy asks
        return text


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own BEGIN is deferred, and a deferred one that wants to write later fails at once.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What others wrote empties a connection's cache, so a large one serves nobody; many of 2 MB grow with the ledger.
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")


def _refuse_writes_of_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _schema_is_missing(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(("no such table", "no such column")) or "has no column named" in str(error)
    return getattr(error, "sqlstate", None) in _UNDEFINED


def _rule(error: BaseException | None) -> str:
    """The rule that a row broke, without the row's values: PostgreSQL tells them on its further lines only."""
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
    if constraint:
        return f"{type(error).__name__} of {constraint}"
    return _first_line(error)


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
