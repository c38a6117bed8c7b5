"""What the two databases spell differently: an INSERT that meets a row which is there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

Statements = Mapping[str, Executable]
"""One statement for each database, by the dialect's name."""

_INSERTS: Mapping[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_or_skip(table: Table, key: str) -> Statements:
    """INSERT; a row with the same key stays as it is."""
    return {name: insert(table).on_conflict_do_nothing(index_elements=[key]) for name, insert in _INSERTS.items()}


def insert_or_update(table: Table, key: str, *columns: str) -> Statements:
    """INSERT; of a row with the same key these columns are set."""
    return {name: _upsert(insert(table), key, columns) for name, insert in _INSERTS.items()}


def of(connection: Connection, statements: Statements) -> Executable:
    """The statement for this connection's database."""
    return statements[connection.dialect.name]


def _upsert(insert: Any, key: str, columns: tuple[str, ...]) -> Executable:
    statement: Executable = insert.on_conflict_do_update(index_elements=[key], set_={name: insert.excluded[name] for name in columns})
    return statement
