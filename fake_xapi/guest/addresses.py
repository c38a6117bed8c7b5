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
    given = _given(xenstore_data.get(_NETWORKING + vif["MAC"].replace(":", "").upper(), "")) or _given(
        xenstore_data.get(_NETWORKING + vif["MAC"].replace(":", ""), "")
    )
    v4 = given.get("ips") or [_leased(vif["MAC"])]
    v6 = given.get("ip6s") or [_link_local(vif["MAC"])]
    found = {f"{device}/ip": v4[0]}
    found.update({f"{device}/ipv4/{place}": address for place, address in enumerate(v4)})
    found.update({f"{device}/ipv6/{place}": address for place, address in enumerate(v6)})
    return found


def _given(text: str) -> dict[str, list[str]]:
    """The addresses in the JSON that an OpenStack driver leaves for the guest's agent; nothing when it is not that."""
    try:
        told: Any = json.loads(text) if text else {}
        return {key: [str(ip["ip"]) for ip in told.get(key, [])] for key in ("ips", "ip6s")}
    except (ValueError, AttributeError, TypeError, KeyError):
        return {}


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
