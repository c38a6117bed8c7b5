"""The facts about a VM's guest on which rules depend: whether it is HVM, and which features its drivers announced."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fake_xapi.lifecycle.rules import AnyRow, Rows

ALL_FEATURES = frozenset({"feature-suspend", "feature-shutdown", "feature-poweroff", "feature-reboot", "feature-vcpu-hotplug"})
NO_FEATURES: frozenset[str] = frozenset()
_PV_TYPES = frozenset({"pv", "pvh", "pv_in_pvh"})


def booted_domain_type(rows: Rows, vm: AnyRow) -> str:
    """The type of the VM's domain: from its metrics, otherwise as it would boot."""
    metrics = rows.get(vm["metrics"])
    booted: str = metrics["current_domain_type"] if metrics else "unspecified"
    return booted if booted != "unspecified" else configured_domain_type(vm)


def configured_domain_type(vm: AnyRow) -> str:
    """The type of domain that the VM boots: its domain_type or, without one, PV if HVM_boot_policy is empty."""
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
    """The features of the guest: all of them with PV drivers, otherwise those that it announced one by one."""
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
    """The guest's own reason against being suspended, "" when it gives none."""
    metrics = rows.get(vm["guest_metrics"])
    if metrics is None:
        return ""
    reason: str = metrics["other"].get("data-cant-suspend-reason", "")
    return reason
