"""The verbs of PIF that configure an interface's addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from fake_xapi.datamodel.digits import whole
from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.state.ids import Id
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.networks import interfaces, pif_checks


def reconfigure_ip(call: Call, pif: Id, mode: str, ip: str, netmask: str, gateway: str, dns: str) -> None:
    """Configure an interface's IPv4 address. Static needs address and netmask; the management interface needs an address in any case.

    Failures PIF_UNMANAGED [pif], HA_IS_ENABLED [], CLUSTERING_ENABLED [cluster_host], INVALID_IP_ADDRESS_SPECIFIED [parameter],
    PIF_IS_MANAGEMENT_INTERFACE [pif]. Only the name servers may change while the pool depends on the interface.
    """
    row = call.world[pif]
    pif_checks.assert_managed(call.world, pif)
    stays = tuple(row[field] for field in ("ip_configuration_mode", "IP", "netmask", "gateway")) == ("Static", ip, netmask, gateway)
    if not (mode == "Static" and stays):
        _assert_free(call, pif)
    for name, value in (("IP", ip), ("netmask", netmask), ("gateway", gateway)):
        if value or (mode == "Static" and name != "gateway"):
            check_address(name, value, 4)
    _assert_not_bare(call, pif, mode, "IPv4")
    names = ",".join((*_of_family(dns, 4), *_of_family(row["DNS"], 6)))
    with call.world.edit() as edit:
        edit.set(pif, ip_configuration_mode=mode, IP=ip, netmask=netmask, gateway=gateway, DNS=names)
        _replug(call, pif)


def reconfigure_ipv6(call: Call, pif: Id, mode: str, ipv6: str, gateway: str, dns: str) -> None:
    """Configure an interface's IPv6 address, with prefix length. Failures as for IPv4; INVALID_CIDR_ADDRESS_SPECIFIED ["IPv6"]."""
    row = call.world[pif]
    pif_checks.assert_managed(call.world, pif)
    stays = tuple(row[field] for field in ("ipv6_configuration_mode", "IPv6", "ipv6_gateway")) == ("Static", (ipv6,), gateway)
    if not (mode == "Static" and stays):
        _assert_free(call, pif)
    if gateway:
        check_address("gateway", gateway, 6)
    if ipv6:
        check_cidr("IPv6", ipv6, 6)
    _assert_not_bare(call, pif, mode, "IPv6")
    names = ",".join((*_of_family(dns, 6), *_of_family(row["DNS"], 4)))
    with call.world.edit() as edit:
        edit.set(pif, ipv6_configuration_mode=mode, IPv6=(ipv6,), ipv6_gateway=gateway, DNS=names)
        _replug(call, pif)


def _assert_free(call: Call, pif: Id) -> None:
    pif_checks.assert_unprotected(call.world, pif)
    pif_checks.assert_no_clustering(call.world, pif)


def _assert_not_bare(call: Call, pif: Id, mode: str, family: str) -> None:
    """Refuse to leave the management interface without an address of its primary family."""
    row = call.world[pif]
    if row["management"] and mode == "None" and row["primary_address_type"] == family:
        raise Failure("PIF_IS_MANAGEMENT_INTERFACE", Handle(pif))


def _replug(call: Call, pif: Id) -> None:
    """Apply a new address to an interface that is up; the host's own address follows its management interface."""
    with call.world.edit() as edit:
        row = edit[pif]
        if not row["currently_attached"]:
            return
        interfaces.bring_up(call, edit, pif)
        if row["management"] and row["primary_address_type"] == "IPv4":
            edit.set(row["host"], address=edit[pif]["IP"])


def check_address(name: str, text: str, version: int) -> None:
    """Raise INVALID_IP_ADDRESS_SPECIFIED [name] unless the text is an address of that version of IP."""
    if _version(text) != version:
        raise Failure("INVALID_IP_ADDRESS_SPECIFIED", name)


def check_cidr(name: str, text: str, version: int) -> None:
    """Raise INVALID_CIDR_ADDRESS_SPECIFIED [name] unless the text is an address of that version with a prefix length."""
    address, slash, length = text.partition("/")
    most, bits = (32 if version == 4 else 128), whole(length)
    if not slash or _version(address) != version or bits is None or bits > most:
        raise Failure("INVALID_CIDR_ADDRESS_SPECIFIED", name)


def _version(text: str) -> int:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def _of_family(names: str, version: int) -> list[str]:
    """The name servers with an address of that version of IP."""
    return [name for name in names.split(",") if name and _version(name) == version]


VERBS: Mapping[str, Verb] = {
    "PIF.reconfigure_ip": reconfigure_ip,
    "PIF.reconfigure_ipv6": reconfigure_ipv6,
}
