"""Embedded networks: which there are, and which of their addresses is the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update

from compute_core.model.errors import NotFound
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import networks

_N = networks.c
_COLUMNS = (_N.id, _N.label, _N.bridge, _N.cidr, _N.gateway, _N.ordinal)
_ADVANCE = update(networks).where(_N.id == bindparam("key")).values(next_number=_N.next_number + 1).returning(_N.next_number)
_LOCK = select(_N.id).where(_N.id == bindparam("key")).with_for_update()
_INSERT = insert_or_skip(networks, "id")


def add(connection: Connection, row: Mapping[str, str]) -> None:
    """Write down a network (id, label, bridge, cidr, gateway), unless it is there."""
    ordinal = connection.scalar(select(func.count()).select_from(networks)) or 0
    connection.execute(of(connection, _INSERT), [{**row, "next_number": 0, "ordinal": ordinal}])


def listed(connection: Connection) -> tuple[dict[str, Any], ...]:
    """Every network, by label."""
    return tuple(dict(row) for row in connection.execute(select(*_COLUMNS).order_by(_N.label)).mappings())


def get(connection: Connection, name: str) -> dict[str, Any]:
    """One network by id or label. NotFound."""
    row = connection.execute(select(*_COLUMNS).where(or_(_N.id == name, _N.label == name))).mappings().first()
    if row is None:
        raise NotFound.of("Network", name)
    return dict(row)


def lock(connection: Connection, network_id: str) -> None:
    """Nobody else gives out a number of this network from now on."""
    connection.execute(_LOCK, {"key": network_id})


def next_number(connection: Connection, network_id: str) -> int:
    """The next number of a network's addresses; the network's row is locked from now on."""
    return int(connection.execute(_ADVANCE, {"key": network_id}).scalar_one()) - 1
