"""Inserts that two processes may do at once: both engines can, each by its own INSERT."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement


def insert_new(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose key is not there yet; leave the others as they are."""
    if rows:
        tx.execute(_insert(tx.dialect.name, table).on_conflict_do_nothing(), list(rows))


def insert_or_update(
    tx: Connection, table: Table, row: Mapping[str, Any], *, where: ColumnElement[bool] | None = None
) -> bool:
    """Insert the row, or write it over the one with its key where that one meets `where`; whether it was written."""
    if where is None:
        statement = _writing_over(tx.dialect.name, table, tuple(row))
    else:
        statement = _over(tx.dialect.name, table, tuple(row), where)
    return tx.execute(statement, dict(row)).one_or_none() is not None


def insert_or_add(tx: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert the row, or add its numbers to those of the one with its key."""
    tx.execute(_adding(tx.dialect.name, table, tuple(row)), dict(row))


# Made once for each table and its columns, as in headrace/ledger/rows.py.
@cache
def _writing_over(dialect: str, table: Table, names: tuple[str, ...]) -> Executable:
    return _over(dialect, table, names, None)


def _over(dialect: str, table: Table, names: tuple[str, ...], where: ColumnElement[bool] | None) -> Executable:
    key, inserted = list(table.primary_key), _insert(dialect, table)
    others = {name: inserted.excluded[name] for name in names if table.c[name] not in set(key)}
    return inserted.on_conflict_do_update(index_elements=key, set_=others, where=where).returning(*key)


@cache
def _adding(dialect: str, table: Table, names: tuple[str, ...]) -> Executable:
    key, inserted = list(table.primary_key), _insert(dialect, table)
    sums = {name: table.c[name] + inserted.excluded[name] for name in names if table.c[name] not in set(key)}
    return inserted.on_conflict_do_update(index_elements=key, set_=sums)


def _insert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
