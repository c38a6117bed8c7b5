"""Aggregates: those of the API cell's database, and copies in the compute cells'. What is deleted stays, so that copies learn of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, false, insert, select, update

from compute_core.model.aggregates import Aggregate
from compute_core.model.errors import Conflict, NotFound
from compute_core.store.schema import aggregates

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Aggregate)
_A = aggregates.c
_ROW = select(_A.id, _A.document)
_ALL = _ROW.order_by(_A.id)
_PRESENT = _ROW.where(_A.is_deleted == false()).order_by(_A.id)
_ONE = _ROW.where(_A.id == bindparam("key"), _A.is_deleted == false())
_NAMED = _ROW.where(_A.name == bindparam("key"), _A.is_deleted == false())
_ONE_TO_CHANGE = _ONE.with_for_update()
_GENERATION = select(_A.generation).where(_A.id == bindparam("key"))


def listed(connection: Connection) -> tuple[Aggregate, ...]:
    """Those that are there, the oldest first."""
    return tuple(_decode(row.id, row.document) for row in connection.execute(_PRESENT))


def every(connection: Connection) -> tuple[Aggregate, ...]:
    """Those that were deleted as well."""
    return tuple(_decode(row.id, row.document) for row in connection.execute(_ALL))


def get(connection: Connection, number: int) -> Aggregate:
    """One by its id. NotFound."""
    return _found(connection, _ONE, number)


def get_to_change(connection: Connection, number: int) -> Aggregate:
    """The same, which nobody else changes until this transaction ends."""
    return _found(connection, _ONE_TO_CHANGE, number)


def _found(connection: Connection, query: Select[Any], number: int) -> Aggregate:
    row = connection.execute(query, {"key": number}).first()
    if row is None:
        raise NotFound.of("Aggregate", number)
    return _decode(row.id, row.document)


def named(connection: Connection, name: str) -> Aggregate | None:
    """The one of that name."""
    row = connection.execute(_NAMED, {"key": name}).first()
    return None if row is None else _decode(row.id, row.document)


def add(connection: Connection, aggregate: Aggregate) -> Aggregate:
    """Write a new one; with its id."""
    columns = _columns(aggregate)
    return replace(aggregate, id=connection.execute(insert(aggregates).returning(_A.id), columns).scalar_one())


def put(connection: Connection, aggregate: Aggregate) -> Aggregate:
    """Write one that is there, as its next generation. Conflict: somebody else has changed it meanwhile."""
    following = replace(aggregate, generation=aggregate.generation + 1)
    known = update(aggregates).where(_A.id == aggregate.id, _A.generation == aggregate.generation)
    if not connection.execute(known.values(_columns(following))).rowcount:
        raise Conflict(f"Aggregate {aggregate.id} has been changed meanwhile. Cure: look, and ask again.")
    return following


def take(connection: Connection, news: Iterable[Aggregate]) -> tuple[Aggregate, ...]:
    """Keep copies of those that are newer than what is here; then those that are there."""
    fresher = [aggregate for aggregate in news if _generation(connection, aggregate.id) < aggregate.generation]
    for aggregate in sorted(fresher, key=lambda aggregate: aggregate.deleted_at is None):  # a name may have gone from one to another
        values = _columns(aggregate)
        if not connection.execute(update(aggregates).where(_A.id == aggregate.id).values(values)).rowcount:
            connection.execute(insert(aggregates), {"id": aggregate.id, **values})
    return listed(connection)


def _generation(connection: Connection, number: int) -> int:
    return connection.scalar(_GENERATION, {"key": number}) or 0


def _columns(aggregate: Aggregate) -> dict[str, object]:
    return {
        "name": aggregate.name,
        "is_deleted": aggregate.deleted_at is not None,
        "generation": aggregate.generation,
        "document": _encoder.encode(aggregate).decode(),
    }


def _decode(number: int, document: str) -> Aggregate:
    return replace(_decoder.decode(document), id=number)
