"""Networks and their subnets, in Neutron's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.api.network.choice import chosen
from compute_core.model.errors import NotFound
from compute_core.networks.port import Network

EXTENSIONS: Mapping[str, str] = {
    "security-group": "Groups of rules that say what may pass ports.",
    "port-security": "Ports that are kept to their addresses and groups, or not.",
    "standard-attr-description": "Descriptions of resources.",
    "standard-attr-timestamp": "Dates of resources.",
}
"""What is there beyond networks and subnets, by alias."""


async def versions(call: Call) -> dict[str, Any]:
    """The one version."""
    link = {"rel": "self", "href": f"{call.host_url}/network/v2.0/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


async def extensions(call: Call) -> dict[str, Any]:
    """What is there beyond networks and subnets."""
    del call
    return {"extensions": [_extension(alias) for alias in EXTENSIONS]}


async def extension(call: Call) -> dict[str, Any]:
    """One of them."""
    alias = call.path["alias"]
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias} does not exist")
    return {"extension": _extension(alias)}


def _extension(alias: str) -> dict[str, Any]:
    return {"alias": alias, "name": alias, "description": EXTENSIONS[alias], "links": [], "updated": "2013-02-05T10:00:00-00:00"}


def _network(network: Network) -> dict[str, Any]:
    return {
        "id": network.id,
        "name": network.label,
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": True,
        "router:external": False,
        "subnets": [network.subnet_id],
        "mtu": 1500,
        "tenant_id": "",
        "project_id": "",
        "tags": [],
        "description": "",
    }


def _subnet(network: Network) -> dict[str, Any]:
    return {
        "id": network.subnet_id,
        "name": network.label,
        "network_id": network.id,
        "cidr": network.cidr,
        "gateway_ip": network.gateway,
        "ip_version": 6 if ":" in network.cidr else 4,
        "enable_dhcp": False,
        "dns_nameservers": [],
        "host_routes": [],
        "allocation_pools": [],
        "tenant_id": "",
        "project_id": "",
        "tags": [],
        "description": "",
    }


async def networks(call: Call) -> dict[str, Any]:
    """The networks, or those with a name or id."""
    return {"networks": chosen(call, map(_network, await call.services.networks.list()))}


async def network(call: Call) -> dict[str, Any]:
    """One network."""
    for item in await call.services.networks.list():
        if item.id == call.path["network_id"]:
            return {"network": _network(item)}
    raise NotFound(f"Network {call.path['network_id']} could not be found.")


async def subnets(call: Call) -> dict[str, Any]:
    """The subnets: one for each network."""
    return {"subnets": chosen(call, map(_subnet, await call.services.networks.list()))}


async def subnet(call: Call) -> dict[str, Any]:
    """One subnet."""
    for item in await call.services.networks.list():
        if item.subnet_id == call.path["subnet_id"]:
            return {"subnet": _subnet(item)}
    raise NotFound(f"Subnet {call.path['subnet_id']} could not be found.")
