"""How the rows change when an interface of a host comes up, goes down, is created or destroyed. Pure edits; nothing is checked here."""

from __future__ import annotations

from typing import Any

from fake_xapi.datamodel.digits import whole
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.networks import links, nics
from fake_xapi.verbs.networks.mac_addresses import leased_address
from fake_xapi.verbs.networks.pif_kinds import below, kind_of

NO_MTU = -1
DUMMY_MAC = "fe:ff:ff:ff:ff:ff"
"""The MAC address of interfaces that have none of their own."""
GRO = {"gro": "on"}
_IP = ("ip_configuration_mode", "IP", "netmask", "gateway", "DNS")


def create(edit: Edit, **fields: Any) -> Id:
    """Create a PIF that is down, without an address, and with the defaults that every new one has."""
    usual = {
        "device_name": fields["device"],
        "VLAN": -1,
        "MTU": NO_MTU,
        "physical": False,
        "currently_attached": False,
        "ip_configuration_mode": "None",
        "ipv6_configuration_mode": "None",
        "primary_address_type": "IPv4",
    }
    return edit.create("PIF", **{**usual, **fields})


def create_metrics(edit: Edit, **fields: Any) -> Id:
    """Create the metrics of an interface that has not been probed yet."""
    return edit.create("PIF_metrics", **fields)


def model_of(edit: Edit, pci: Id) -> dict[str, str]:
    """The hardware facts for a NIC's metrics: vendor, model, and PCI location."""
    row = edit.get(pci)
    if row is None:
        return {}
    return {"pci_bus_path": row["pci_id"], **{field: row[field] for field in ("vendor_id", "vendor_name", "device_id", "device_name")}}


def bring_up(call: Call, edit: Edit, pif: Id, *, is_management: bool = False) -> None:
    """Record that an interface is up, with its network's MTU, its address and its link; the same for the members of a bond."""
    row = edit[pif]
    if row["sriov_logical_PIF_of"] and edit[row["sriov_logical_PIF_of"][0]]["requires_reboot"]:
        return
    edit.set(pif, currently_attached=True, MTU=_mtu(edit, row))
    if row["ip_configuration_mode"] == "DHCP":
        take_lease(edit, pif, is_management=is_management or row["management"])
    for bond in row["bond_master_of"]:
        for member in edit[bond]["slaves"]:
            edit.set(member, currently_attached=True)
    links.refresh(call, edit, pif)
    _tell_tunnels(edit, pif)


def _mtu(edit: Edit, pif: AnyRow) -> int:
    """A PIF's own setting, otherwise its network's."""
    wish = whole(pif["other_config"].get("mtu", ""))
    network = edit.get(pif["network"])
    usual: int = network["MTU"] if network is not None else 1500
    return usual if wish is None else wish


def take_lease(edit: Edit, pif: Id, *, is_management: bool) -> None:
    """Take the address that a DHCP server gives: the management interface gets the one at which its host can be reached."""
    row = edit[pif]
    address: str = edit[row["host"]]["address"] if is_management else ""
    if address:
        edit.set(pif, IP=address, netmask="255.0.0.0")
    else:
        edit.set(pif, IP=leased_address(row["MAC"]), netmask="255.240.0.0", gateway="172.16.0.1", DNS="172.16.0.1")


def bring_down(call: Call, edit: Edit, pif: Id) -> None:
    """Record that an interface is down."""
    row = edit[pif]
    edit.set(pif, currently_attached=False)
    for bond in row["bond_master_of"]:
        for member in edit[bond]["slaves"]:
            edit.set(member, currently_attached=False)
    links.refresh(call, edit, pif)
    _tell_tunnels(edit, pif)


def _tell_tunnels(edit: Edit, pif: Id) -> None:
    """Mark a tunnel as active while both of its ends are up."""
    row = edit[pif]
    for tunnel in (*row["tunnel_access_PIF_of"], *row["tunnel_transport_PIF_of"]):
        ends = (edit[tunnel]["access_PIF"], edit[tunnel]["transport_PIF"])
        is_active = all((other := edit.get(end)) is not None and other["currently_attached"] for end in ends)
        edit.put(tunnel, "status", "active", str(is_active).lower())


def destroy(call: Call, edit: Edit, pif: Id) -> None:
    """Remove a PIF. Its NIC, if it has one, stays, and so do metrics that it shared with the interface below it."""
    row = edit[pif]
    kind = kind_of(row)
    metrics: Id = row["metrics"]
    if row["physical"]:
        nics.put_in(call.world, edit, row["host"], row["device"], row["MAC"])
    if kind in ("physical", "bond") and metrics and edit.get(metrics) is not None:
        edit.destroy(metrics)
    edit.destroy(pif)


def move_addresses(edit: Edit, source: Id, target: Id) -> None:
    """Move one interface's IPv4 configuration to another."""
    row = edit[source]
    edit.set(target, **{field: row[field] for field in _IP})
    edit.set(source, **{field: "None" if field == "ip_configuration_mode" else "" for field in _IP})


def move_management(call: Call, edit: Edit, source: Id, target: Id) -> None:
    """Move the host's management to another interface, and bring that up."""
    bring_up(call, edit, target, is_management=True)
    if edit.get(source) is not None:
        edit.set(source, management=False)
    edit.set(target, management=True)
    host, address = edit[target]["host"], edit[target]["IP"]
    if address:
        edit.set(host, address=address)


def lower(edit: Edit, pif: Id) -> Id:
    """The interface on which another is built; NULL for hardware and bonds."""
    row = edit[pif]
    kind = kind_of(row)
    return 0 if kind in ("physical", "bond") else below(edit, row, kind)
