"""The addresses of a guest's interfaces: as told through xenstore, otherwise as leased from a DHCP server."""

from __future__ import annotations

import json
from typing import Any

from fake_xapi.guest.dhcp import lease
from fake_xapi.guest.wishes import wishes_of
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

_NETWORKING = "vm-data/networking/"


def networks(world: World, vm: AnyRow) -> dict[str, str]:
    """VM_guest_metrics.networks: ``{"0/ip": "10.1.2.3", ...}`` for every attached interface."""
    found: dict[str, str] = {}
    has_dhcp = wishes_of(vm["other_config"]).dhcp == "lease"
    for vif in vm["VIFs"]:
        if world[vif]["currently_attached"]:
            found.update(_of_vif(world, vif, vm["xenstore_data"], has_dhcp=has_dhcp))
    return found


def _of_vif(world: World, vif: Id, xenstore_data: dict[str, str], *, has_dhcp: bool) -> dict[str, str]:
    row = world[vif]
    device, told = row["device"], _told(xenstore_data, row["MAC"])
    v4 = _addresses(told, "ips") or _static(row, 4) or _leased(world, vif, has_dhcp=has_dhcp)
    v6 = _addresses(told, "ip6s") or _static(row, 6) or [_link_local(row["MAC"])]
    found = {f"{device}/ip": v4[0]} if v4 else {}
    found.update({f"{device}/ipv4/{place}": address for place, address in enumerate(v4)})
    found.update({f"{device}/ipv6/{place}": address for place, address in enumerate(v6)})
    return found


def _told(xenstore_data: dict[str, str], mac: str) -> Any:
    """The JSON that an OpenStack driver leaves for the guest's agent under the interface's address; None when it is malformed."""
    bare = mac.replace(":", "")
    text = next((xenstore_data[key] for name in (bare, bare.upper()) if (key := _NETWORKING + name) in xenstore_data), "null")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _addresses(told: Any, family: str) -> list[str]:
    """The addresses of a family in that JSON; none where it is not as it should be."""
    rows = told.get(family) if isinstance(told, dict) else None
    return [str(row["ip"]) for row in rows if isinstance(row, dict) and "ip" in row] if isinstance(rows, list) else []


def _static(vif: AnyRow, family: int) -> list[str]:
    """The address that VIF.configure_ipv4 or configure_ipv6 told the guest."""
    if vif[f"ipv{family}_configuration_mode"] != "Static":
        return []
    return [address.partition("/")[0] for address in vif[f"ipv{family}_addresses"]]


def _leased(world: World, vif: Id, *, has_dhcp: bool) -> list[str]:
    address = lease(world, vif) if has_dhcp else ""
    return [address] if address else []


def _link_local(mac: str) -> str:
    """fe80::/64 with the interface's EUI-64."""
    digits = mac.replace(":", "").lower()
    if len(digits) != 12:
        return "fe80::1"
    first = int(digits[:2], 16) ^ 2
    groups = (f"{first:02x}{digits[2:4]}", f"{digits[4:6]}ff", f"fe{digits[6:8]}", digits[8:])
    return "fe80::" + ":".join(format(int(group, 16), "x") for group in groups)
