"""The addresses that a guest's interfaces have: what was put into xenstore for them, else what a DHCP server would give."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.world import World

_NETWORKING = "vm-data/networking/"


def networks(world: World, vm: AnyRow) -> dict[str, str]:
    """VM_guest_metrics.networks: ``{"0/ip": "10.1.2.3", ...}`` for every attached interface."""
    found: dict[str, str] = {}
    for vif in vm["VIFs"]:
        row = world[vif]
        if row["currently_attached"]:
            found.update(_of_vif(row, vm["xenstore_data"]))
    return found


def _of_vif(vif: AnyRow, xenstore_data: dict[str, str]) -> dict[str, str]:
    device = vif["device"]
    told = _told(xenstore_data, vif["MAC"])
    v4 = _addresses(told, "ips") or [_leased(vif["MAC"])]
    v6 = _addresses(told, "ip6s") or [_link_local(vif["MAC"])]
    found = {f"{device}/ip": v4[0]}
    found.update({f"{device}/ipv4/{place}": address for place, address in enumerate(v4)})
    found.update({f"{device}/ipv6/{place}": address for place, address in enumerate(v6)})
    return found


def _told(xenstore_data: dict[str, str], mac: str) -> Any:
    """The JSON that an OpenStack driver leaves for the guest's agent under the interface's address; None when it is none."""
    bare = mac.replace(":", "")
    text = next((xenstore_data[key] for name in (bare, bare.upper()) if (key := _NETWORKING + name) in xenstore_data), "null")
    try:
        return json.loads(text)
    except ValueError:
        return None


def _addresses(told: Any, family: str) -> list[str]:
    """The addresses of a family in that JSON; none where it is not what it should be."""
    rows = told.get(family) if isinstance(told, dict) else None
    return [str(row["ip"]) for row in rows if isinstance(row, dict) and "ip" in row] if isinstance(rows, list) else []


def _leased(mac: str) -> str:
    first, second, third = hashlib.blake2b(mac.lower().encode(), digest_size=3).digest()
    return f"10.{first}.{second}.{1 + third % 254}"


def _link_local(mac: str) -> str:
    """fe80::/64 with the interface's EUI-64."""
    digits = mac.replace(":", "").lower()
    if len(digits) != 12:
        return "fe80::1"
    first = int(digits[:2], 16) ^ 2
    groups = (f"{first:02x}{digits[2:4]}", f"{digits[4:6]}ff", f"fe{digits[6:8]}", digits[8:])
    return "fe80::" + ":".join(format(int(group, 16), "x") for group in groups)
