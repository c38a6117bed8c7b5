"""On which hosts ports are: where their servers are, which the compute service knows at any moment. Only admins see it, as in Neutron."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.model.networks import Port
from compute_core.model.requests import ServerFilters

HOST = "binding:host_id"


async def bound(call: Call, views: Mapping[str, dict[str, Any]], ports: Iterable[Port]) -> list[dict[str, Any]]:
    """The views of ports, by the ports' ids, with where they are."""
    listed = list(ports)
    if not call.context.is_admin:
        return [views[port.id] for port in listed]
    hosts = await _hosts(call, {port.device_id for port in listed if port.device_id})
    return [{**views[port.id], HOST: hosts.get(port.device_id, "")} for port in listed]


async def _hosts(call: Call, servers: set[str]) -> Mapping[str, str]:
    """One question for one server, pages of all for more of them."""
    only = next(iter(servers)) if len(servers) == 1 else None
    found: dict[str, str] = {}
    marker: str | None = None
    while servers - found.keys():
        filters = ServerFilters(uuid=only, marker=marker)
        page = await call.services.compute.list_servers(call.context, filters)
        found |= {server.uuid: server.host or "" for server in page}
        if len(page) < filters.limit:
            break
        marker = page[-1].uuid
    return found
