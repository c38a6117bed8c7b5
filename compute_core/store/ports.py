"""Ports of embedded networks: numbers handed out in order, and again once they have been given back and all are used up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, Select, bindparam, delete, insert, select, update

from compute_core.model.errors import Conflict, NotFound
from compute_core.model.networks import Port
from compute_core.store import networks as networks_table
from compute_core.store.schema import port_groups, ports

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Port)
_P = ports.c
_G = port_groups.c
_KEYS: BindParameter[Sequence[str]] = bindparam("keys", expanding=True)
_GET = select(_P.document).where(_P.id == bindparam("key"))
_GET_TO_CHANGE = _GET.with_for_update()
_OF_DEVICE = select(_P.document).where(_P.device_id == bindparam("key"))
_OF_DEVICES = select(_P.document).where(_P.device_id.in_(_KEYS)).order_by(_P.id)
_HAS_NUMBER = select(_P.id).where(_P.network_id == bindparam("network"), _P.number == bindparam("number"))
_INSERT = insert(ports)
_UPDATE = update(ports).where(_P.id == bindparam("key"))
_JOIN_GROUPS = insert(port_groups)
_LEAVE_GROUPS = delete(port_groups).where(_G.port_id.in_(_KEYS))
_DELETE = delete(ports).where(_P.id.in_(_KEYS))
_MEMBERS = select(_G.group_id, _P.document).join_from(ports, port_groups).where(_G.group_id.in_(_KEYS)).order_by(_P.number)

Make = Callable[[int, int], Port]
"""The port of a number of its network, and a device of its server."""


def add(connection: Connection, network_id: str, count: int, device_id: str, make: Make, number: int | None = None) -> Port:
    """A port with the next of ``count`` numbers, or this one, for a server ("": none). Conflict: it is taken, or none is left."""
    taken = {port.device for port in _read(connection, _OF_DEVICE, device_id)} if device_id else set()
    device = next(free for free in range(len(taken) + 1) if free not in taken)
    number = _free_number(connection, network_id, count) if number is None else _unused(connection, network_id, number)
    port = make(number, device)
    row = {"id": port.id, "network_id": network_id, "number": number, "project_id": port.project_id, "device_id": device_id}
    connection.execute(_INSERT, {**row, "document": _encoded(port)})
    _join(connection, port)
    return port


def get(connection: Connection, port_id: str) -> Port:
    """One port. NotFound."""
    return _one(connection, _GET, port_id)


def get_to_change(connection: Connection, port_id: str) -> Port:
    """One port, whose row is locked from now on. NotFound."""
    return _one(connection, _GET_TO_CHANGE, port_id)


def listed(connection: Connection, project_id: str | None = None) -> tuple[Port, ...]:
    """A project's ports, or everybody's, by id."""
    wanted = select(_P.document).order_by(_P.id)
    mine = wanted if project_id is None else wanted.where(_P.project_id == project_id)
    return tuple(_decoder.decode(row.document) for row in connection.execute(mine))


def of_devices(connection: Connection, device_ids: Sequence[str]) -> tuple[Port, ...]:
    """The ports of servers."""
    return tuple(_decoder.decode(row.document) for row in connection.execute(_OF_DEVICES, {"keys": list(device_ids)}))


def bind(connection: Connection, port_id: str, device_id: str, now: str) -> Port:
    """Give a port to a server; that has it already is fine. Conflict: another has it."""
    port = get_to_change(connection, port_id)
    if port.device_id == device_id:
        return port
    if port.device_id:
        raise Conflict(f"Port {port_id} is still in use.")
    taken = {other.device for other in _read(connection, _OF_DEVICE, device_id)}
    device = next(free for free in range(len(taken) + 1) if free not in taken)
    return put(connection, replace(port, device_id=device_id, device=device, updated_at=now))


def unbind(connection: Connection, port_id: str, now: str) -> Port | None:
    """Take a port from its server: one that the core has made is gone then. The port as it was, None when there is none."""
    try:
        port = get_to_change(connection, port_id)
    except NotFound:
        return None
    _part(connection, [port], now)
    return port


def release(connection: Connection, device_id: str, now: str) -> tuple[Port, ...]:
    """Take all its ports from a server that is gone, as ``unbind``; as they were."""
    found = _read(connection, _OF_DEVICE, device_id)
    _part(connection, found, now)
    return tuple(found)


def remove(connection: Connection, port_id: str) -> Port:
    """Delete a port; as it was. NotFound. Conflict: a server has it."""
    port = get_to_change(connection, port_id)
    if port.device_id:
        raise Conflict(f"Port {port_id} cannot be deleted: server {port.device_id} has it. Cure: detach it there.")
    _delete(connection, [port_id])
    return port


def put(connection: Connection, port: Port) -> Port:
    """Write a port as it is now."""
    connection.execute(_UPDATE, {"key": port.id, "device_id": port.device_id, "document": _encoded(port)})
    connection.execute(_LEAVE_GROUPS, {"keys": [port.id]})
    _join(connection, port)
    return port


def members(connection: Connection, group_ids: Iterable[str]) -> dict[str, list[Port]]:
    """The ports that are in groups, by group."""
    found: dict[str, list[Port]] = {}
    for row in connection.execute(_MEMBERS, {"keys": sorted(group_ids)}):
        found.setdefault(row.group_id, []).append(_decoder.decode(row.document))
    return found


def _part(connection: Connection, found: Sequence[Port], now: str) -> None:
    _delete(connection, [port.id for port in found if not port.is_users])
    for port in found:
        if port.is_users:
            put(connection, replace(port, device_id="", device=0, updated_at=now))


def _delete(connection: Connection, ids: list[str]) -> None:
    if ids:
        connection.execute(_LEAVE_GROUPS, {"keys": ids})
        connection.execute(_DELETE, {"keys": ids})


def _join(connection: Connection, port: Port) -> None:
    if port.security_groups:
        connection.execute(_JOIN_GROUPS, [{"port_id": port.id, "group_id": group} for group in dict.fromkeys(port.security_groups)])


def _encoded(port: Port) -> str:
    return _encoder.encode(port).decode()


def _one(connection: Connection, statement: Select[Any], port_id: str) -> Port:
    document = connection.scalar(statement, {"key": port_id})
    if document is None:
        raise NotFound.of("Port", port_id)
    return _decoder.decode(document)


def _read(connection: Connection, statement: Select[Any], key: str) -> list[Port]:
    return [_decoder.decode(document) for document in connection.scalars(statement, {"key": key})]


def _free_number(connection: Connection, network_id: str, count: int) -> int:
    """The next one, unless somebody has asked for just that address before, or all have been given out once."""
    number = networks_table.next_number(connection, network_id)
    while number < count and connection.scalar(_HAS_NUMBER, {"network": network_id, "number": number}) is not None:
        number = networks_table.next_number(connection, network_id)
    return number if number < count else _smallest_free(connection, network_id, count)


def _unused(connection: Connection, network_id: str, number: int) -> int:
    networks_table.lock(connection, network_id)
    if connection.scalar(_HAS_NUMBER, {"network": network_id, "number": number}) is not None:
        raise Conflict("The address is in use by another port of its network.")
    return number


def _smallest_free(connection: Connection, network_id: str, count: int) -> int:
    """All have been given out once: look for one that came back. The network's row is locked by now."""
    used = set(connection.scalars(select(_P.number).where(_P.network_id == network_id)))
    for number in range(count):
        if number not in used:
            return number
    raise Conflict("No address is left on the network.")
