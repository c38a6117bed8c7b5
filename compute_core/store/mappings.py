"""Which cell has which instance, as the top of the tree wrote it down before it told the cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, false, insert, select, update

from compute_core.store.schema import mappings

_M = mappings.c
_UUIDS: BindParameter[Any] = bindparam("keys", expanding=True)
_INSERT = insert(mappings)
_AMONG = select(mappings).where(_M.instance_uuid.in_(_UUIDS))
_SET: dict[str, Any] = {column.name: bindparam(column.name) for column in _M if column.name != "instance_uuid"}
_UPDATE = update(mappings).where(_M.instance_uuid == bindparam("key")).values(_SET)
_UNSETTLED = (
    select(mappings)
    .where(_M.is_settled == false(), _M.sent_at_s <= bindparam("before_s"))
    .order_by(_M.sent_at_s, _M.instance_uuid)
    .limit(bindparam("count"))
)
_SETTLE = update(mappings).where(_M.instance_uuid.in_(_UUIDS)).values(is_settled=True)


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
    connection.execute(_INSERT, [_row(mapping) for mapping in new])


def among(connection: Connection, uuids: Sequence[str]) -> dict[str, CellMapping]:
    """Those of these instances, by uuid."""
    return {row.instance_uuid: _mapping(row) for row in connection.execute(_AMONG, {"keys": list(uuids)})}


def find(connection: Connection, uuid: str) -> CellMapping | None:
    """One."""
    return among(connection, [uuid]).get(uuid)


def put(connection: Connection, mapping: CellMapping) -> None:
    """Write one that is there."""
    connection.execute(_UPDATE, {"key": mapping.instance_uuid, **_row(mapping)})


def settle(connection: Connection, uuids: Sequence[str]) -> None:
    """Their cells have answered."""
    connection.execute(_SETTLE, {"keys": list(uuids)})


def unsettled(connection: Connection, sent_before_s: float, count: int) -> tuple[CellMapping, ...]:
    """Those whose cell has not answered what was sent before that date, the oldest first."""
    return tuple(map(_mapping, connection.execute(_UNSETTLED, {"before_s": sent_before_s, "count": count})))


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
