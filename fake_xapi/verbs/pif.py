"""The verbs of PIF: a host's network interfaces."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.mac_addresses import check_mac
from fake_xapi.verbs.setters import puts, writes


def plug(call: Call, pif: Id) -> None:
    """Bring an interface up."""
    row = call.world[pif]
    if row["bond_slave_of"]:
        raise Failure("CANNOT_PLUG_BOND_SLAVE", Handle(pif))
    _set_attached(call, pif, is_attached=True)


def unplug(call: Call, pif: Id) -> None:
    """Bring an interface down: not the management interface, nor one whose network is used."""
    row = call.world[pif]
    if not row["managed"]:
        raise Failure("PIF_UNMANAGED", Handle(pif))
    if row["management"]:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", Handle(pif))
    _assert_unused(call, row)
    if row["disallow_unplug"]:
        raise Failure("PIF_DOES_NOT_ALLOW_UNPLUG", Handle(pif))
    _set_attached(call, pif, is_attached=False)


def _assert_unused(call: Call, pif: Row) -> None:
    for vif in call.world[pif["network"]]["VIFs"]:
        row = call.world[vif]
        vm = call.world.get(row["VM"])
        if row["currently_attached"] and vm is not None and vm["resident_on"] == pif["host"]:
            raise Failure("VIF_IN_USE", Handle(pif["network"]), Handle(vif))


def _set_attached(call: Call, pif: Id, *, is_attached: bool) -> None:
    with call.world.edit() as edit:
        edit.set(pif, currently_attached=is_attached)
        metrics = edit[pif]["metrics"]
        if metrics:
            edit.set(metrics, carrier=is_attached, last_updated=call.now())


def reconfigure_ip(call: Call, pif: Id, mode: str, ip: str, netmask: str, gateway: str, dns: str) -> None:
    """Give an interface an IPv4 address. Static needs address and netmask; the management interface needs some address."""
    if mode == "None" and call.world[pif]["management"]:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", Handle(pif))
    if mode == "Static":
        for name, value, is_needed in (("IP", ip, True), ("netmask", netmask, True), ("gateway", gateway, False)):
            if (value or is_needed) and not _is_ipv4(value):
                raise Failure("INVALID_IP_ADDRESS_SPECIFIED", name)
    is_static = mode == "Static"
    with call.world.edit() as edit:
        edit.set(
            pif,
            ip_configuration_mode=mode,
            IP=ip if is_static else "",
            netmask=netmask if is_static else "",
            gateway=gateway if is_static else "",
            DNS=dns if is_static else "",
        )


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def reconfigure_ipv6(call: Call, pif: Id, mode: str, ipv6: str, gateway: str, dns: str) -> None:
    """Give an interface an IPv6 address."""
    if mode == "Static":
        _check_ipv6(ipv6)
    with call.world.edit() as edit:
        edit.set(
            pif,
            ipv6_configuration_mode=mode,
            IPv6=(ipv6,) if mode == "Static" else (),
            ipv6_gateway=gateway if mode == "Static" else "",
            DNS=dns or edit[pif]["DNS"],
        )


def _check_ipv6(text: str) -> None:
    try:
        ipaddress.IPv6Interface(text)
    except ValueError:
        raise Failure("INVALID_IP_ADDRESS_SPECIFIED", "IPv6") from None


def scan(call: Call, host: Id) -> None:
    """Look for new interfaces: a simulated host never gets one by itself."""


def introduce(call: Call, host: Id, mac: str, device: str, managed: bool = True) -> Id:
    """An interface that was there before, or is new: with a network of its own.

    Failures MAC_INVALID [mac], DUPLICATE_PIF_DEVICE_NAME [device].
    """
    check_mac(mac)
    if any(call.world[pif]["device"] == device and call.world[pif]["physical"] for pif in call.world[host]["PIFs"]):
        raise Failure("DUPLICATE_PIF_DEVICE_NAME", device)
    with call.world.edit() as edit:
        return edit.create(
            "PIF",
            host=host,
            network=_network_for(call, edit, device),
            MAC=mac.lower(),
            device=device,
            managed=managed,
            physical=True,
            currently_attached=False,
            MTU=1500,
            VLAN=-1,
            metrics=edit.create("PIF_metrics", device_name=device),
        )


def _network_for(call: Call, edit: Edit, device: str) -> Id:
    bridge = f"xenbr{device.removeprefix('eth')}"
    known = (network for network, row in call.world.rows("network") if row["bridge"] == bridge)
    found = next(known, 0)
    return found or edit.create("network", name_label=f"Pool-wide network associated with {device}", bridge=bridge, MTU=1500)


def forget(call: Call, pif: Id) -> None:
    """Forget an interface. Refused for VLANs, bonds and the management interface."""
    row = call.world[pif]
    if row["VLAN"] >= 0:
        raise Failure("PIF_IS_VLAN", Handle(pif))
    if row["bond_slave_of"] or row["bond_master_of"]:
        raise Failure("PIF_ALREADY_BONDED", Handle(pif))
    if row["management"]:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", Handle(pif))
    with call.world.edit() as edit:
        if row["metrics"] and edit.get(row["metrics"]) is not None:
            edit.destroy(row["metrics"])
        edit.destroy(pif)


VERBS: Mapping[str, Verb] = {
    "PIF.plug": plug,
    "PIF.unplug": unplug,
    "PIF.reconfigure_ip": reconfigure_ip,
    "PIF.reconfigure_ipv6": reconfigure_ipv6,
    "PIF.scan": scan,
    "PIF.introduce": introduce,
    "PIF.forget": forget,
    "PIF.db_forget": forget,
    "PIF.set_disallow_unplug": writes("disallow_unplug"),
    "PIF.set_primary_address_type": writes("primary_address_type"),
    "PIF.set_property": puts("properties"),
}
