"""Servers: list, show, update, delete, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.server_query import filters_of, is_impossible
from compute_core.api.compute.server_security_groups import names_of
from compute_core.api.compute.server_view import addresses, brief, listed, shown, updated
from compute_core.api.paging import links_when_full
from compute_core.api.texts import address
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.hosts import ComputeNode
from compute_core.model.instances import Instance

_CHANGES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("name", str),
    "description": ("description", lambda text: text),
    "OS-DCF:diskConfig": ("disk_config", str),
    "accessIPv4": ("access_ip_v4", address),
    "accessIPv6": ("access_ip_v6", address),
}
"""What an update may change: the API's name, the instance's, and how the value is read."""


async def _select(call: Call) -> tuple[Instance, ...]:
    filters = filters_of(call)
    if filters.limit == 0 or is_impossible(call):
        return ()
    try:
        return await call.services.compute.list_servers(call.context, filters)
    except NotFound:  # The one thing that a list looks up by id is its marker.
        raise Invalid(f"marker [{filters.marker}] not found") from None


async def _hosts(call: Call, servers: Iterable[Instance]) -> dict[str, ComputeNode]:
    """The hosts of servers by name, for those who may see them at all, in versions that show something of them."""
    names = {server.host for server in servers if server.host}
    if not names or not call.context.is_admin or call.version < 16:
        return {}
    return {node.report.host: node for node in await call.services.compute.list_hosts(call.context, names)}


def _with_links(call: Call, path: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    links = links_when_full(call, path, [item["id"] for item in items])
    return {"servers": items} | ({"servers_links": links} if links else {})


async def index(call: Call) -> dict[str, Any]:
    """Servers by id and name."""
    return _with_links(call, "/servers", [brief(call, server) for server in await _select(call)])


async def detail(call: Call) -> dict[str, Any]:
    """Servers with everything that the caller may see."""
    servers = await _select(call)
    return _with_links(call, "/servers/detail", listed(call, servers, await _hosts(call, servers), await names_of(call, servers)))


async def show(call: Call) -> dict[str, Any]:
    """One server."""
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    return {"server": shown(call, server, await _hosts(call, [server]), await names_of(call, [server]))}


async def update(call: Call) -> dict[str, Any]:
    """Change what may be changed."""
    changes = {_CHANGES[name][0]: _CHANGES[name][1](value) for name, value in call.body["server"].items()}
    server = await call.services.compute.update_server(call.context, call.path["server_id"], **changes)
    return {"server": updated(call, server, await _hosts(call, [server]), await names_of(call, [server]))}


async def delete(call: Call) -> None:
    """Begin to delete."""
    await call.services.compute.delete_server(call.context, call.path["server_id"])


async def ips(call: Call) -> dict[str, Any]:
    """The server's addresses by network."""
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    return {"addresses": addresses(server, is_plain=True)}


async def ips_of_network(call: Call) -> dict[str, Any]:
    """The server's addresses on one network."""
    server = await call.services.compute.get_server(call.context, call.path["server_id"])
    networks = addresses(server, is_plain=True)
    label = call.path["network"]
    if label not in networks:
        raise NotFound("Instance is not a member of specified network")
    return {label: networks[label]}
