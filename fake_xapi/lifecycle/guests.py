"""What the rules need to know of a VM's guest: whether it is an HVM one, and what its drivers said that it can do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fake_xapi.lifecycle.rules import AnyRow, Rows

ALL_FEATURES = frozenset({"feature-suspend", "feature-shutdown", "feature-poweroff", "feature-reboot", "feature-vcpu-hotplug"})
NO_FEATURES: frozenset[str] = frozenset()
_PV_TYPES = frozenset({"pv", "pvh", "pv_in_pvh"})


def booted_domain_type(rows: Rows, vm: AnyRow) -> str:
    """What the VM's domain is: from its metrics, else from what it would boot as."""
    metrics = rows.get(vm["metrics"])
    booted: str = metrics["current_domain_type"] if metrics else "unspecified"
    return booted if booted != "unspecified" else configured_domain_type(vm)


def configured_domain_type(vm: AnyRow) -> str:
    """What the VM boots as: domain_type, and where that says nothing an empty HVM_boot_policy means PV."""
    chosen: str = vm["domain_type"]
    if chosen != "unspecified":
        return chosen
    return "hvm" if vm["HVM_boot_policy"] else "pv"


def is_hvm(rows: Rows, vm: AnyRow) -> bool:
    """Whether the VM's domain is an HVM one."""
    return booted_domain_type(rows, vm) not in _PV_TYPES


def has_driver_version(metrics: AnyRow) -> bool:
    """Whether guest metrics name a version of PV drivers."""
    version: Mapping[str, str] = metrics["PV_drivers_version"]
    return "major" in version and "minor" in version


def features(rows: Rows, vm: AnyRow) -> frozenset[str]:
    """What the guest can be asked for: everything with PV drivers, else what it announced one by one."""
    if booted_domain_type(rows, vm) in _PV_TYPES:
        return ALL_FEATURES
    metrics = rows.get(vm["guest_metrics"])
    if metrics is None:
        return NO_FEATURES
    if has_driver_version(metrics):
        return ALL_FEATURES
    announced: Mapping[str, str] = metrics["other"]
    return _announced(tuple(announced.items())) if announced else NO_FEATURES


@lru_cache(maxsize=1024)
def _announced(items: tuple[tuple[str, str], ...]) -> frozenset[str]:
    return frozenset(key for key, value in items if key in ALL_FEATURES and value == "1")


def reason_not_to_suspend(rows: Rows, vm: AnyRow) -> str:
    """What the guest says keeps it from being suspended, "" when it says nothing."""
    metrics = rows.get(vm["guest_metrics"])
    if metrics is None:
        return ""
    reason: str = metrics["other"].get("data-cant-suspend-reason", "")
    return reason
