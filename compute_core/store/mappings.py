"""Which cell has which instance, as the top of the tree wrote it down before it told the cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, false, insert, select, update

from compute_core.store.schema import mappings

_M = mappings.c


@dataclass(frozen=True, slots=True)
class CellMapping:
    """``cell`` is a path, "" while no cell has been found. ``request`` is what the cell needs beside the instance, for sending again."""

    instance_uuid: str
    project_id: str
    cell: str
    sent_at_s: float
    request: Mapping[str, Any] = field(default_factory=dict)
    tried_cells: tuple[str, ...] = ()
    is_settled: bool = False
    is_deleting: bool = False


def add(connection: Connection, new: Iterable[CellMapping]) -> None:
    """Write new ones."""
    connection.execute(insert(mappings), [_row(mapping) for mapping in new])


def among(connection: Connection, uuids: Sequence[str]) -> dict[str, CellMapping]:
    """Those of these instances, by uuid."""
    return {row.instance_uuid: _mapping(row) for row in connection.execute(select(mappings).where(_M.instance_uuid.in_(uuids)))}


def find(connection: Connection, uuid: str) -> CellMapping | None:
    """One."""
    return among(connection, [uuid]).get(uuid)


def put(connection: Connection, mapping: CellMapping) -> None:
    """Write one that is there."""
    connection.execute(update(mappings).where(_M.instance_uuid == mapping.instance_uuid).values(_row(mapping)))


def settle(connection: Connection, uuids: Sequence[str]) -> None:
    """Their cells have answered."""
    connection.execute(update(mappings).where(_M.instance_uuid.in_(uuids)).values(is_settled=True))


def unsettled(connection: Connection, sent_before_s: float, count: int) -> tuple[CellMapping, ...]:
    """Those whose cell has not answered what was sent before that date, the oldest first."""
    rows = select(mappings).where(_M.is_settled == false(), _M.sent_at_s <= sent_before_s).order_by(_M.sent_at_s, _M.instance_uuid)
    return tuple(map(_mapping, connection.execute(rows.limit(count))))


def touch(connection: Connection, uuids: Sequence[str], now_s: float) -> None:
    """They are sent again, now."""
    connection.execute(update(mappings).where(_M.instance_uuid.in_(uuids)).values(sent_at_s=now_s))


def _row(mapping: CellMapping) -> dict[str, Any]:
    return {
        "instance_uuid": mapping.instance_uuid,
        "project_id": mapping.project_id,
        "cell": mapping.cell,
        "tried_cells": list(mapping.tried_cells),
        "request": mapping.request,
        "is_settled": mapping.is_settled,
        "is_deleting": mapping.is_deleting,
        "sent_at_s": mapping.sent_at_s,
    }


def _mapping(row: Row[Any]) -> CellMapping:
    return CellMapping(
        row.instance_uuid,
        row.project_id,
        row.cell,
        row.sent_at_s,
        row.request,
        tuple(row.tried_cells),
        row.is_settled,
        row.is_deleting,
    )
