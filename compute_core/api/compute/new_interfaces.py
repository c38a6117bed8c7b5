"""The interfaces that a new server is to have: networks, ports and addresses of its body, refused where they cannot be meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.interfaces import free_port
from compute_core.api.compute.server_security_groups import ids_of
from compute_core.model.errors import Invalid, NotFound
from compute_core.model.networks import Wish

Body = Mapping[str, Any]


async def wishes(call: Call, asked: Body) -> tuple[Wish, ...] | None:
    """None: one on the default network; (): none at all. Invalid; Conflict: a port is in use."""
    groups = await ids_of(call, [group["name"] for group in asked.get("security_groups", ())])
    networks = asked.get("networks")
    if networks in (None, "auto", []):
        return (Wish(groups=groups),) if groups else None
    if not isinstance(networks, list):
        return ()
    known = {network.id for network in await call.services.networks.list()}
    return tuple([await _wish(call, nic, known, groups) for nic in networks])


async def _wish(call: Call, nic: Body, known: set[str], groups: tuple[str, ...]) -> Wish:
    if nic.get("port"):
        try:
            return Wish(port=await free_port(call, nic["port"]), tag=nic.get("tag"))
        except NotFound as absence:
            raise Invalid(absence.message) from absence
    network = nic.get("uuid")
    if network not in known:
        raise Invalid(f"Network {network} could not be found.")
    return Wish(network=network, address=nic.get("fixed_ip"), tag=nic.get("tag"), groups=groups)
