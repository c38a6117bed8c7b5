"""Networks and their subnets, in Neutron's words."""

from __future__ import annotations

import uuid
from typing import Any

from compute_core.api.call import Call
from compute_core.model.errors import NotFound
from compute_core.networks.port import Network

_NAMESPACE = uuid.UUID("3f9f37b4-0d8e-5d5e-8f5d-5b0ed7a0a3c4")


def _subnet_id(network: Network) -> str:
    return str(uuid.uuid5(_NAMESPACE, network.id))


async def versions(call: Call) -> dict[str, Any]:
    """The one version."""
    link = {"rel": "self", "href": f"{call.host_url}/network/v2.0/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


async def extensions(call: Call) -> dict[str, Any]:
    """No extension."""
    del call
    return {"extensions": []}


def _network(network: Network) -> dict[str, Any]:
    return {
        "id": network.id,
        "name": network.label,
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": True,
        "router:external": False,
        "subnets": [_subnet_id(network)],
        "mtu": 1500,
        "tenant_id": "",
        "project_id": "",
        "tags": [],
        "description": "",
    }


def _subnet(network: Network) -> dict[str, Any]:
    return {
        "id": _subnet_id(network),
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
    name, ids = call.query.get("name"), call.query.all("id")
    found = await call.services.networks.list()
    return {"networks": [_network(item) for item in found if name in {None, item.label} and (not ids or item.id in ids)]}


async def network(call: Call) -> dict[str, Any]:
    """One network."""
    for item in await call.services.networks.list():
        if item.id == call.path["network_id"]:
            return {"network": _network(item)}
    raise NotFound(f"Network {call.path['network_id']} could not be found.")


async def subnets(call: Call) -> dict[str, Any]:
    """The subnets: one for each network."""
    wanted = call.query.get("network_id")
    return {"subnets": [_subnet(item) for item in await call.services.networks.list() if wanted in {None, item.id}]}
