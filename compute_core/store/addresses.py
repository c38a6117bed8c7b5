"""Addresses of the embedded networks: numbers handed out in order, and again once they have been given back and all are used up."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from compute_core.model.errors import Conflict, NotFound
from compute_core.store.dialects import insert_or_skip, of
from compute_core.store.schema import addresses, networks

_N = networks.c
_A = addresses.c
_DEVICES = select(func.count()).select_from(addresses).where(_A.instance_uuid == bindparam("key"))
_ADVANCE = update(networks).where(_N.id == bindparam("key")).values(next_number=_N.next_number + 1).returning(_N.next_number)
_TAKE = insert(addresses)
_GIVE_BACK = delete(addresses).where(_A.instance_uuid == bindparam("key"))
_INSERT = insert_or_skip(networks, "id")


def add_network(connection: Connection, row: dict[str, str]) -> None:
    """Write down a network (id, label, bridge, cidr, gateway), unless it is there."""
    connection.execute(of(connection, _INSERT), [{**row, "next_number": 0}])


def listed(connection: Connection) -> tuple[dict[str, str], ...]:
    """Every network, by label."""
    rows = connection.execute(select(_N.id, _N.label, _N.bridge, _N.cidr, _N.gateway).order_by(_N.label))
    return tuple(dict(row) for row in rows.mappings())


def network(connection: Connection, name: str) -> dict[str, str]:
    """One network by id or label. NotFound."""
    rows = connection.execute(select(_N.id, _N.label, _N.bridge, _N.cidr, _N.gateway).where(or_(_N.id == name, _N.label == name)))
    row = rows.mappings().first()
    if row is None:
        raise NotFound.of("Network", name)
    return dict(row)


def take(connection: Connection, network_id: str, instance_uuid: str, count: int) -> tuple[int, int]:
    """The next of ``count`` numbers for an instance, and how many interfaces it had before. Conflict when all are in use."""
    device = connection.scalar(_DEVICES, {"key": instance_uuid}) or 0
    number = int(connection.execute(_ADVANCE, {"key": network_id}).scalar_one()) - 1
    if number >= count:
        number = _smallest_free(connection, network_id, count)
    connection.execute(_TAKE, {"network_id": network_id, "number": number, "instance_uuid": instance_uuid})
    return number, device


def give_back(connection: Connection, instance_uuid: str) -> None:
    """Take back what an instance has."""
    connection.execute(_GIVE_BACK, {"key": instance_uuid})


def _smallest_free(connection: Connection, network_id: str, count: int) -> int:
    """All have been given out once: look for one that came back. The network's row is locked by the caller's UPDATE."""
    used = set(connection.scalars(select(_A.number).where(_A.network_id == network_id)))
    for number in range(count):
        if number not in used:
            return number
    raise Conflict("No address is left on the network.")
