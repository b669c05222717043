"""Inserts that two processes may do at once: both engines can, each by its own INSERT."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement


def insert_new(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose key is not there yet; leave the others as they are."""
    if rows:
        tx.execute(_insert(tx, table).on_conflict_do_nothing(), list(rows))


def insert_or_update(
    tx: Connection, table: Table, row: Mapping[str, Any], *, where: ColumnElement[bool] | None = None
) -> bool:
    """Insert the row, or write it over the one with its key where that one meets `where`; whether it was written."""
    key = list(table.primary_key)
    names = [column.name for column in key]
    others = {name: value for name, value in row.items() if name not in names}
    statement = _insert(tx, table).values(**row).on_conflict_do_update(index_elements=names, set_=others, where=where)
    return tx.execute(statement.returning(*key)).one_or_none() is not None


def _insert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)
