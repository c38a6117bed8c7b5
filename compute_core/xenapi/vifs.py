"""The record of a VIF: what keeps it to its address, and how much it may send. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.model.errors import BuildFailed
from compute_core.model.flavors import Flavor
from compute_core.model.instances import Vif
from compute_core.xenapi import records
from compute_core.xenapi.place import Place
from compute_core.xenapi.quotas import vif_kib_s


def network_of(place: Place, vif: Vif) -> str:
    """The network of an interface on this host. BuildFailed: there is none."""
    if vif.bridge not in place.networks:
        raise BuildFailed(f"{place.hostname} has no network on bridge {vif.bridge}.", is_retryable=True)
    return place.networks[vif.bridge]


def vif_record(place: Place, network: str, vif: Vif, flavor: Flavor) -> dict[str, Any]:
    """An interface of a server of a flavor, locked to its address where the host does that; its VM is not in it yet. BuildFailed."""
    record = records.vif_record("", network, vif)
    return {**record, **_lock(place, vif), **_limit(place, flavor)}


def _lock(place: Place, vif: Vif) -> Mapping[str, Any]:
    if not place.locks_vifs or not vif.is_secured:
        return {}
    addresses: dict[int, list[str]] = {4: [], 6: []} | {6 if ":" in vif.ip else 4: [vif.ip]}
    return {"locking_mode": "locked", "ipv4_allowed": addresses[4], "ipv6_allowed": addresses[6]}


def _limit(place: Place, flavor: Flavor) -> Mapping[str, Any]:
    kib_s = vif_kib_s(flavor, place.rxtx_base_kib_s)
    return {"qos_algorithm_type": "ratelimit", "qos_algorithm_params": {"kbps": str(kib_s)}} if kib_s else {}
