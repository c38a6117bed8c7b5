"""Which security groups a server is in: those of its ports, put into a group and taken from it all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import Conflict, Invalid, NotFound
from compute_core.model.instances import Instance
from compute_core.model.networks import Port, SecurityGroup


async def names_of(call: Call, servers: Sequence[Instance]) -> Mapping[str, Sequence[str]]:
    """The names of servers' groups, by server."""
    found = await call.services.networks.groups_of([server.uuid for server in servers])
    return {uuid: sorted({group.name for group in groups}) for uuid, groups in found.items()}


async def index(call: Call) -> dict[str, Any]:
    """The groups of a server."""
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    groups = (await call.services.networks.groups_of([server.uuid])).get(server.uuid, ())
    return {"security_groups": [_view(group) for group in groups]}


async def add(call: Call, server_id: str, asked: Mapping[str, str]) -> None:
    """Put the server's ports into a group."""
    server = await _unlocked(call, server_id)
    group, ports = await _group(call, server, asked["name"]), await _ports(call, server)
    for port in ports:
        if group.id not in port.security_groups:
            await call.services.networks.update_port(port.id, security_groups=(*port.security_groups, group.id))


async def remove(call: Call, server_id: str, asked: Mapping[str, str]) -> None:
    """Take the server's ports out of a group. NotFound: none is in it."""
    server = await _unlocked(call, server_id)
    group = await _group(call, server, asked["name"])
    members = [port for port in await _ports(call, server) if group.id in port.security_groups]
    if not members:
        raise NotFound(f"Security group {group.id} not associated with the instance {server.uuid}")
    for port in members:
        left = tuple(each for each in port.security_groups if each != group.id)
        await call.services.networks.update_port(port.id, security_groups=left)


async def ids_of(call: Call, names: Sequence[str]) -> tuple[str, ...]:
    """The ids of groups of the caller's project that are named by name or id. Invalid."""
    groups = await call.services.networks.groups.list(call.context.project_id)
    try:
        return tuple(dict.fromkeys(_named(groups, name).id for name in names))
    except (NotFound, Conflict) as problem:
        raise Invalid(problem.message) from problem


async def _unlocked(call: Call, server_id: str) -> Instance:
    server = await call.services.compute.get_server(call.context, server_id)
    if server.is_locked and not call.context.is_admin:
        raise Conflict(f"Instance {server.uuid} is locked")
    return server


async def _ports(call: Call, server: Instance) -> list[Port]:
    """Those of the server that are kept to anything. Invalid: there are none."""
    found = [port for port in await call.services.networks.ports(server.project_id) if port.device_id == server.uuid and port.is_secured]
    if not found:
        raise Invalid(f"Instance {server.uuid} has no port that could be in a security group.")
    return found


async def _group(call: Call, server: Instance, name: str) -> SecurityGroup:
    return _named(await call.services.networks.groups.list(server.project_id), name)


def _named(groups: Sequence[SecurityGroup], name: str) -> SecurityGroup:
    found = [group for group in groups if group.id == name] or [group for group in groups if group.name == name]
    if not found:
        raise NotFound(f"Security group {name} not found.")
    if len(found) > 1:
        raise Conflict(f"Multiple security groups found matching '{name}'. Use an ID to be more specific.")
    return found[0]


def _view(group: SecurityGroup) -> dict[str, Any]:
    """A group as Nova shows it, with what comes in."""
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenant_id": group.project_id,
        "rules": [_rule(group, number) for number, rule in enumerate(group.rules) if rule.direction == "ingress"],
    }


def _rule(group: SecurityGroup, number: int) -> dict[str, Any]:
    rule = group.rules[number]
    remote = {"name": group.name, "tenant_id": group.project_id} if rule.remote_group == group.id else {}
    open_to_all = {"cidr": rule.remote_prefix or ("::/0" if rule.ethertype == "IPv6" else "0.0.0.0/0")}
    return {
        "id": rule.id,
        "parent_group_id": group.id,
        "ip_protocol": rule.protocol,
        "from_port": -1 if rule.port_min is None else rule.port_min,
        "to_port": -1 if rule.port_max is None else rule.port_max,
        "group": remote,
        "ip_range": {} if rule.remote_group else open_to_all,
    }
