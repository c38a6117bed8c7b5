"""Key pairs, in the API cell's database: an instance carries its key along."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from compute_core.model.errors import Conflict, NotFound
from compute_core.model.keypairs import KeyPair
from compute_core.store.schema import keypairs

_K = keypairs.c
_FIELDS = tuple(_K.keys())


def listed(connection: Connection, user_id: str) -> tuple[KeyPair, ...]:
    """A user's key pairs, by name."""
    return tuple(map(_keypair, connection.execute(select(keypairs).where(_K.user_id == user_id).order_by(_K.name))))


def find(connection: Connection, user_id: str, name: str) -> KeyPair | None:
    """One of a user's key pairs."""
    row = connection.execute(select(keypairs).where(_K.user_id == user_id, _K.name == name)).first()
    return None if row is None else _keypair(row)


def get(connection: Connection, user_id: str, name: str) -> KeyPair:
    """One of a user's key pairs. NotFound."""
    found = find(connection, user_id, name)
    if found is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return found


def count(connection: Connection, user_id: str) -> int:
    """How many a user has."""
    return connection.scalar(select(func.count()).select_from(keypairs).where(_K.user_id == user_id)) or 0


def add(connection: Connection, keypair: KeyPair) -> None:
    """A new key pair. Conflict when the user has one of that name."""
    if find(connection, keypair.user_id, keypair.name) is not None:
        raise Conflict(f"Key pair '{keypair.name}' already exists.")
    connection.execute(insert(keypairs).values({name: getattr(keypair, name) for name in _FIELDS}))


def remove(connection: Connection, user_id: str, name: str) -> None:
    """Forget one. NotFound."""
    get(connection, user_id, name)
    connection.execute(delete(keypairs).where(_K.user_id == user_id, _K.name == name))


def _keypair(row: Row[Any]) -> KeyPair:
    return KeyPair(**{name: getattr(row, name) for name in _FIELDS})
