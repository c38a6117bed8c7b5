"""The verbs of PIF: a host's network interfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import interfaces, nics, pif_checks
from fake_xapi.verbs.networks.mac_addresses import check_mac

_PROPERTIES: Mapping[str, tuple[str, ...]] = {"gro": ("on", "off")}
Check = Callable[[World, Id], None]


def scan(call: Call, host: Id) -> None:
    """Create a PIF for every NIC of the host that has none."""
    known = {call.world[pif]["device"] for pif in call.world[host]["PIFs"] if call.world[pif]["physical"]}
    for device, mac in sorted(nics.nics(call.world, host).items()):
        if device not in known:
            _introduce(call, host, device, mac, managed=True)


def introduce(call: Call, host: Id, mac: str, device: str, managed: bool = True) -> Id:
    """Create a PIF for an existing NIC; unless an address is given it has the NIC's own.

    Failures MAC_INVALID [mac], DUPLICATE_PIF_DEVICE_NAME [device],
    COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS [device, mac].
    """
    here = nics.nics(call.world, host)
    address = check_mac(mac.lower() or here.get(device, ""))
    if any(call.world[pif]["device"] == device and call.world[pif]["physical"] for pif in call.world[host]["PIFs"]):
        raise Failure("DUPLICATE_PIF_DEVICE_NAME", device)
    if here.get(device) != address:
        raise Failure("COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS", device, address)
    return _introduce(call, host, device, address, managed=managed)


def _introduce(call: Call, host: Id, device: str, mac: str, *, managed: bool) -> Id:
    pci = _pci_of(call.world, host, device)
    with call.world.edit() as edit:
        return interfaces.create(
            edit,
            host=host,
            network=_network_for(call, edit, device),
            MAC=mac,
            device=device,
            managed=managed,
            physical=True,
            MTU=1500,
            metrics=interfaces.create_metrics(edit, **interfaces.model_of(edit, pci)),
            properties=interfaces.GRO,
            capabilities=("sriov",) if nics.virtual_functions(call.world, host, device) else (),
            PCI=pci,
        )


def _pci_of(world: World, host: Id, device: str) -> Id:
    """The PCI device of a NIC that this host has had before."""
    number = whole(device.removeprefix("eth"))
    found = sorted(
        pci for pci, row in world.rows("PCI") if row["host"] == host and row["class_id"] == "0200" and not row["physical_function"]
    )
    return found[number] if number is not None and number < len(found) else 0


def _network_for(call: Call, edit: Edit, device: str) -> Id:
    bridge = f"xenbr{device.removeprefix('eth')}" if device.startswith("eth") else f"br{device}"
    known = (network for network, row in call.world.rows("network") if row["bridge"] == bridge)
    found = next(known, 0)
    label = f"Pool-wide network associated with {device}"
    return found or edit.create("network", name_label=label, bridge=bridge, MTU=1500, managed=True, default_locking_mode="unlocked")


_FORGET_CHECKS: tuple[Check, ...] = (
    pif_checks.assert_not_in_bond,
    pif_checks.assert_no_vlans,
    pif_checks.assert_no_tunnels,
    pif_checks.assert_not_slave_management,
    pif_checks.assert_unprotected,
)
_MODERN_FORGET_CHECKS: tuple[Check, ...] = (
    pif_checks.assert_not_management,
    *_FORGET_CHECKS,
    pif_checks.assert_no_sriov,
    pif_checks.assert_no_clustering,
)


def forget(call: Call, pif: Id) -> None:
    """Forget an interface on which nothing is built; its NIC can be found again. Refused for the management interface."""
    for check in _MODERN_FORGET_CHECKS if call.world.personality.era == "modern" else _FORGET_CHECKS:
        check(call.world, pif)
    with call.world.edit() as edit:
        interfaces.destroy(call, edit, pif)


def db_forget(call: Call, pif: Id) -> None:
    """Forget an interface but leave dom0 alone: a VLAN that is up stays in its kernel."""
    row = call.world[pif]
    with call.world.edit() as edit:
        if row["VLAN"] >= 0 and row["currently_attached"]:
            nics.leave_vlan(call.world, edit, row["host"], row["device"], row["VLAN"])
        interfaces.destroy(call, edit, pif)


_INTRODUCED = (
    *("device", "network", "host", "MAC", "MTU", "VLAN", "physical", "ip_configuration_mode", "IP", "netmask", "gateway", "DNS"),
    *("bond_slave_of", "VLAN_master_of", "management", "other_config", "disallow_unplug", "ipv6_configuration_mode", "IPv6"),
    *("ipv6_gateway", "primary_address_type", "managed", "properties"),
)
"""The parameters of ``pool_introduce``, in their order; older releases have fewer."""


def pool_introduce(call: Call, *given: Any) -> Id:
    """Create a PIF's row, down, from a full record: how a joining host copies its interfaces to the pool's database."""
    fields = dict(zip(_INTRODUCED, given, strict=False))
    del fields["bond_slave_of"]
    fields["IPv6"] = tuple(fields.get("IPv6", ()))
    with call.world.edit() as edit:
        return interfaces.create(edit, **fields, metrics=interfaces.create_metrics(edit))


def set_property(call: Call, pif: Id, name: str, value: str) -> None:
    """Set an option of the NIC, and of the members of a bond. INVALID_VALUE ["properties", "k = v"], CANNOT_CHANGE_PIF_PROPERTIES [pif]."""
    if value not in _PROPERTIES.get(name, ()):
        raise Failure("INVALID_VALUE", "properties", f"{name} = {value}")
    row = call.world[pif]
    if not (row["physical"] or row["bond_master_of"]) or row["bond_slave_of"]:
        raise Failure("CANNOT_CHANGE_PIF_PROPERTIES", Handle(pif))
    members = (member for bond in row["bond_master_of"] for member in call.world[bond]["slaves"])
    with call.world.edit() as edit:
        for each in (pif, *members):
            edit.set(each, properties={**row["properties"], name: value})


def set_disallow_unplug(call: Call, pif: Id, value: bool) -> None:
    """Set whether the interface must stay up. CLUSTERING_ENABLED [cluster_host] while a cluster needs that."""
    if call.world[pif]["disallow_unplug"] and not value:
        pif_checks.assert_no_clustering(call.world, pif)
    with call.world.edit() as edit:
        edit.set(pif, disallow_unplug=value)


def set_primary_address_type(call: Call, pif: Id, value: str) -> None:
    """Set which kind of address identifies the interface; this cannot change on the management interface."""
    pif_checks.assert_unprotected(call.world, pif)
    if call.world[pif]["management"]:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", Handle(pif))
    with call.world.edit() as edit:
        edit.set(pif, primary_address_type=value)


VERBS: Mapping[str, Verb] = {
    "PIF.scan": scan,
    "PIF.introduce": introduce,
    "PIF.forget": forget,
    "PIF.db_forget": db_forget,
    "PIF.pool_introduce": pool_introduce,
    "PIF.db_introduce": pool_introduce,
    "PIF.set_disallow_unplug": set_disallow_unplug,
    "PIF.set_primary_address_type": set_primary_address_type,
    "PIF.set_property": set_property,
}
