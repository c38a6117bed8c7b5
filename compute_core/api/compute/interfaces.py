"""``/servers/{id}/os-interface``: the ports that a server has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.api.call import Call
from compute_core.api.compute.asked import asked_server
from compute_core.api.network.ports import visible
from compute_core.model.errors import Conflict, Invalid, NotFound
from compute_core.model.instances import Vif
from compute_core.model.networks import Wish
from compute_core.networks.port import subnet_of

STATES: Mapping[str, str] = {"attached": "ACTIVE", "attaching": "BUILD", "detaching": "ACTIVE"}
TAGGED_SINCE = 70


def view(call: Call, vif: Vif) -> dict[str, Any]:
    """One interface, as the version shows it."""
    tag = {"tag": vif.tag} if call.version >= TAGGED_SINCE else {}
    return {
        "port_id": vif.id,
        "net_id": vif.network_id,
        "mac_addr": vif.mac,
        "port_state": STATES[vif.state],
        "fixed_ips": [{"subnet_id": subnet_of(vif.network_id), "ip_address": vif.ip}],
        **tag,
    }


async def index(call: Call) -> dict[str, Any]:
    """All of them."""
    server = await asked_server(call)
    return {"interfaceAttachments": [view(call, vif) for vif in server.vifs]}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    server, port_id = await asked_server(call), call.path["port_id"]
    for vif in server.vifs:
        if vif.id == port_id:
            return {"interfaceAttachment": view(call, vif)}
    raise NotFound(f"Instance {server.uuid} does not have a port with id {port_id}")


async def attach(call: Call) -> dict[str, Any]:
    """Begin to plug the server into a network, or to give it a port that is there."""
    server, wish = await asked_server(call), await _wish(call, (call.body or {}).get("interfaceAttachment", {}))
    made = await call.services.compute.attach_interface(call.context, server.uuid, wish)
    return {"interfaceAttachment": view(call, made)}


async def detach(call: Call) -> None:
    """Begin to take an interface away."""
    await call.services.compute.detach_interface(call.context, call.path["server_id"], call.path["port_id"])


async def _wish(call: Call, asked: Mapping[str, Any]) -> Wish:
    network, port = asked.get("net_id"), asked.get("port_id")
    address = next((each["ip_address"] for each in asked.get("fixed_ips", ())), None)
    if network and port:
        raise Invalid("Must not input both network_id and port_id")
    if address and not network:
        raise Invalid("Must input network_id when request IP address")
    if port:
        return Wish(port=await free_port(call, port), tag=asked.get("tag"))
    known = {each.id for each in await call.services.networks.list()}
    if network and network not in known:
        raise NotFound(f"Network {network} could not be found.")
    return Wish(network=network or _only(known), address=address, tag=asked.get("tag"))


async def free_port(call: Call, port_id: str) -> str:
    """A port that the caller may give to a server. NotFound; Conflict: another has it."""
    port = await visible(call, port_id)
    if port.device_id:
        raise Conflict(f"Port {port_id} is still in use.")
    return port_id


def _only(known: set[str]) -> str:
    """The network of who names none. Invalid where there are several to choose from."""
    if len(known) > 1:
        raise Invalid("Multiple possible networks found, use a Network ID to be more specific.")
    return next(iter(known))
