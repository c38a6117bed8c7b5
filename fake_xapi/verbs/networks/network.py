"""The verbs of network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import attachment, interfaces
from fake_xapi.verbs.networks.vif import drop_row as drop_vif
from fake_xapi.verbs.setters import writes

_RESERVED = ("xen", "xapi", "vif", "tap", "eth")
_LONGEST_BRIDGE = 15
_INCOMPATIBLE = {"nbd": "insecure_nbd", "insecure_nbd": "nbd"}


def create(call: Call, record: dict[str, Any]) -> Id:
    """Create a network; unless a bridge is given it gets the next free one of xapi0, xapi1, ..."""
    fields = dict(record)
    taken = {row["bridge"] for _, row in call.world.rows("network")}
    bridge = fields.get("bridge", "")
    if bridge:
        _check_bridge(bridge, taken)
    fields["bridge"] = bridge or next(name for number in count() if (name := f"xapi{number}") not in taken)
    if fields.get("MTU", 1500) <= 0:
        fields["MTU"] = 1500
    with call.world.edit() as edit:
        return edit.create("network", **fields)


def _check_bridge(bridge: str, taken: set[str]) -> None:
    if len(bridge) > _LONGEST_BRIDGE or bridge.startswith(_RESERVED):
        raise Failure("INVALID_VALUE", "bridge", bridge)
    if bridge in taken:
        raise Failure("BRIDGE_NAME_EXISTS", bridge)


def destroy(call: Call, network: Id) -> None:
    """Destroy a network with nothing attached to it, along with its unattached VIFs."""
    row = call.world[network]
    attached = [vif for vif in row["VIFs"] if call.world[vif]["currently_attached"] or call.world[vif]["reserved"]]
    if attached:
        raise Failure("NETWORK_CONTAINS_VIF", *(Handle(vif) for vif in attached))
    if row["PIFs"]:
        raise Failure("NETWORK_CONTAINS_PIF", *(Handle(pif) for pif in row["PIFs"]))
    if row["other_config"].get("is_host_internal_management_network") == "true":
        raise Failure("CANNOT_DESTROY_SYSTEM_NETWORK", Handle(network))
    with call.world.edit() as edit:
        for vif in row["VIFs"]:
            drop_vif(edit, vif)
        edit.destroy(network)


def set_default_locking_mode(call: Call, network: Id, value: str) -> None:
    """Set the locking mode of VIFs that leave theirs to the network; refused while one is attached."""
    for vif in call.world[network]["VIFs"]:
        if call.world[vif]["currently_attached"]:
            raise Failure("VIF_IN_USE", Handle(network), Handle(vif))
    with call.world.edit() as edit:
        edit.set(network, default_locking_mode=value)


def add_purpose(call: Call, network: Id, value: str) -> None:
    """Dedicate a network to NBD; a pool never mixes the two kinds of it. NETWORK_INCOMPATIBLE_PURPOSES [new, other]."""
    other = _INCOMPATIBLE.get(value)
    if any(other in row["purpose"] for _, row in call.world.rows("network")):
        raise Failure("NETWORK_INCOMPATIBLE_PURPOSES", value, other or "")
    with call.world.edit() as edit:
        edit.set(network, purpose=tuple(dict.fromkeys((*edit[network]["purpose"], value))))


def remove_purpose(call: Call, network: Id, value: str) -> None:
    """Withdraw a purpose from a network."""
    with call.world.edit() as edit:
        edit.set(network, purpose=tuple(kept for kept in edit[network]["purpose"] if kept != value))


_INTRODUCED = ("name_label", "name_description", "MTU", "other_config", "bridge", "managed", "purpose")


def pool_introduce(call: Call, *given: Any) -> Id:
    """Create a network's row from a full record: how a joining host copies its networks to the pool's database."""
    fields = dict(zip(_INTRODUCED, given, strict=False))
    fields["purpose"] = tuple(fields.get("purpose", ()))
    with call.world.edit() as edit:
        return edit.create("network", **fields, default_locking_mode="unlocked")


def attach(call: Call, network: Id, host: Id) -> None:
    """Bring a network up on a host, with the interface that connects it: BRIDGE_NOT_AVAILABLE [bridge], CANNOT_PLUG_BOND_SLAVE [pif]."""
    pif = attachment.assert_can_attach(call.world, network, host)
    if pif and call.world[pif]["managed"]:
        with call.world.edit() as edit:
            interfaces.bring_up(call, edit, pif)


def attach_for_vm(call: Call, host: Id, vm: Id) -> None:
    """Bring up what a VM's interfaces need on a host."""
    for vif in call.world[vm]["VIFs"]:
        attachment.assert_can_attach(call.world, call.world[vif]["network"], host)
    with call.world.edit() as edit:
        attachment.bring_networks_up(call, edit, vm, host)


def detach_for_vm(call: Call, host: Id, vm: Id) -> None:
    """Release a VM's networks on a host: the bridges of internal networks go, which never shows in the database."""


VERBS: Mapping[str, Verb] = {
    "network.create": create,
    "network.destroy": destroy,
    "network.set_default_locking_mode": set_default_locking_mode,
    "network.add_purpose": add_purpose,
    "network.remove_purpose": remove_purpose,
    "network.pool_introduce": pool_introduce,
    "network.attach": attach,
    "network.attach_for_vm": attach_for_vm,
    "network.detach_for_vm": detach_for_vm,
    "network.set_MTU": writes("MTU"),
}
