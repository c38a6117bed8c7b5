"""Ports: listed, shown, made, changed, deleted, in Neutron's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compute_core.api.call import Call
from compute_core.api.network.bindings import bound
from compute_core.api.network.choice import chosen, project_of, whose
from compute_core.api.texts import is_true
from compute_core.model.errors import Forbidden, Invalid, NotFound
from compute_core.model.networks import Port, Wish
from compute_core.networks.port import subnet_of

_MEMBERS: Mapping[str, str] = {
    "name": "name",
    "description": "description",
    "admin_state_up": "is_up",
    "port_security_enabled": "is_secured",
    "security_groups": "security_groups",
}
"""Neutron's names of what may be changed, and ours."""


def view(port: Port) -> dict[str, Any]:
    """A port."""
    return {
        "id": port.id,
        "name": port.name,
        "description": port.description,
        "network_id": port.network_id,
        "project_id": port.project_id,
        "tenant_id": port.project_id,
        "mac_address": port.mac,
        "fixed_ips": [{"subnet_id": subnet_of(port.network_id), "ip_address": port.ip}],
        "admin_state_up": port.is_up,
        "status": status_of(port),
        "device_id": port.device_id,
        "device_owner": "compute:nova" if port.device_id else "",
        "security_groups": list(port.security_groups),
        "port_security_enabled": port.is_secured,
        "binding:vnic_type": "normal",
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "created_at": port.created_at,
        "updated_at": port.updated_at,
        "tags": [],
    }


def status_of(port: Port) -> str:
    """ACTIVE while a server has it, unless it is switched off."""
    return "ACTIVE" if port.device_id and port.is_up else "DOWN"


async def index(call: Call) -> dict[str, Any]:
    """The ports that the caller may see and means."""
    return {"ports": chosen(call, await _views(call, await call.services.networks.ports(whose(call))))}


async def show(call: Call) -> dict[str, Any]:
    """One of them."""
    (shown,) = await _views(call, [await visible(call, call.path["port_id"])])
    return {"port": shown}


async def create(call: Call) -> dict[str, Any]:
    """Make one."""
    asked = call.body["port"]
    project, network = project_of(call, asked), asked["network_id"]
    fixed: Mapping[str, str] = next(iter(asked.get("fixed_ips", ())), {})
    if fixed.get("subnet_id") not in {None, subnet_of(network)}:
        raise Invalid(
            f"Invalid input for operation: Failed to create port on network {network}, because fixed_ips included invalid subnet."
        )
    changes = _changes(call, asked)
    groups = changes.pop("security_groups", ())
    wish = Wish(network=network, address=fixed.get("ip_address"), groups=groups)
    (shown,) = await _views(call, [await call.services.networks.create_port(project, wish, **changes)])
    return {"port": shown}


async def update(call: Call) -> dict[str, Any]:
    """Change one. Invalid: without security it cannot be in groups."""
    port, changes = await visible(call, call.path["port_id"]), _changes(call, call.body["port"])
    if not changes.get("is_secured", port.is_secured) and changes.get("security_groups", port.security_groups):
        raise Invalid("Port Security must be enabled in order to have allowed address pairs or security groups on a port.")
    (shown,) = await _views(call, [await call.services.networks.update_port(port.id, **changes)])
    return {"port": shown}


async def _views(call: Call, ports: Sequence[Port]) -> list[dict[str, Any]]:
    return await bound(call, {port.id: view(port) for port in ports}, ports)


async def delete(call: Call) -> None:
    """Delete one."""
    port = await visible(call, call.path["port_id"])
    await call.services.networks.delete_port(port.id)


async def visible(call: Call, port_id: str) -> Port:
    """A port that the caller may see. NotFound."""
    port = await call.services.networks.port(port_id)
    if not call.context.is_admin and port.project_id != call.context.project_id:
        raise NotFound.of("Port", port_id)
    return port


def _changes(call: Call, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a body asks for, by our names. Forbidden: the networks are the operator's, so who opens a port must be an admin."""
    changes = {ours: asked[theirs] for theirs, ours in _MEMBERS.items() if theirs in asked}
    truths: dict[str, Any] = {name: is_true(changes[name]) for name in ("is_up", "is_secured") if name in changes}
    if not truths.get("is_secured", True) and not call.context.is_admin:
        raise Forbidden("Only an administrator may set port_security_enabled to False on a shared network.")
    groups = {"security_groups": tuple(changes["security_groups"])} if "security_groups" in changes else {}
    return {**changes, **truths, **groups}
