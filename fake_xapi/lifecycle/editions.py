"""Editions of the product and the features that each lacks, as facts: a licence writes its edition's features to a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Era
from fake_xapi.lifecycle.rules import POOL, AnyRow, Rows

ERAS: tuple[Era, ...] = ("boston", "tampa", "clearwater", "modern")


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: the key that reports it in ``license_params`` and ``pool.restrictions``, and the era that introduced it."""

    name: str
    key: str
    since: Era = "boston"
    says_enabled: bool = False

    def value(self, *, is_restricted: bool) -> str:
        """The value of the key: most keys report that a feature is missing, ``enable_xha`` that it is there."""
        return str(is_restricted != self.says_enabled).lower()


FEATURES: tuple[Feature, ...] = (
    Feature("VLAN", "restrict_vlan"),
    Feature("QoS", "restrict_qos"),
    Feature("Shared_storage", "restrict_pool_attached_storage"),
    Feature("Netapp", "restrict_netapp"),
    Feature("Equalogic", "restrict_equalogic"),
    Feature("Pooling", "restrict_pooling"),
    Feature("HA", "enable_xha", says_enabled=True),
    Feature("Marathon", "restrict_marathon"),
    Feature("Email", "restrict_email_alerting"),
    Feature("Performance", "restrict_historical_performance"),
    Feature("WLB", "restrict_wlb"),
    Feature("RBAC", "restrict_rbac"),
    Feature("DMC", "restrict_dmc"),
    Feature("Checkpoint", "restrict_checkpoint"),
    Feature("Vswitch_controller", "restrict_vswitch_controller"),
    Feature("CPU_masking", "restrict_cpu_masking"),
    Feature("Connection", "restrict_connection"),
    Feature("No_platform_filter", "platform_filter"),
    Feature("No_nag_dialog", "regular_nag_dialog"),
    Feature("VMPR", "restrict_vmpr"),
    Feature("IntelliCache", "restrict_intellicache"),
    Feature("GPU", "restrict_gpu"),
    Feature("DR", "restrict_dr"),
    Feature("VIF_locking", "restrict_vif_locking", "tampa"),
    Feature("Storage_motion", "restrict_storage_xen_motion", "tampa"),
    Feature("VGPU", "restrict_vgpu", "modern"),
    Feature("Integrated_GPU", "restrict_integrated_gpu_passthrough", "modern"),
    Feature("VSS", "restrict_vss", "modern"),
    Feature("Guest_agent_auto_update", "restrict_guest_agent_auto_update", "modern"),
    Feature("PCI_device_for_auto_update", "restrict_pci_device_for_auto_update", "modern"),
    Feature("Xen_motion", "restrict_xen_motion", "modern"),
    Feature("Guest_ip_setting", "restrict_guest_ip_setting", "modern"),
    Feature("AD", "restrict_ad", "modern"),
    Feature("Nested_virt", "restrict_nested_virt", "modern"),
    Feature("Live_patching", "restrict_live_patching", "modern"),
    Feature("Live_set_vcpus", "restrict_set_vcpus_number_live", "modern"),
    Feature("PVS_proxy", "restrict_pvs_proxy", "modern"),
    Feature("IGMP_snooping", "restrict_igmp_snooping", "modern"),
    Feature("RPU", "restrict_rpu", "modern"),
    Feature("Pool_size", "restrict_pool_size", "modern"),
    Feature("CBT", "restrict_cbt", "modern"),
    Feature("USB_passthrough", "restrict_usb_passthrough", "modern"),
    Feature("Network_sriov", "restrict_network_sriov", "modern"),
    Feature("Corosync", "restrict_corosync", "modern"),
    Feature("Zstd_export", "restrict_zstd_export", "modern"),
    Feature("Pool_secret_rotation", "restrict_pool_secret_rotation", "modern"),
    Feature("Certificate_verification", "restrict_certificate_verification", "modern"),
    Feature("Updates", "restrict_updates", "modern"),
    Feature("Internal_repo_access", "restrict_internal_repo_access", "modern"),
    Feature("VTPM", "restrict_vtpm", "modern"),
    Feature("VM_groups", "restrict_vm_groups", "modern"),
    Feature("VM_start", "restrict_vm_start", "modern"),
    Feature("VM_appliance_start", "restrict_vm_appliance_start", "modern"),
)
_BY_NAME: Mapping[str, Feature] = {feature.name: feature for feature in FEATURES}


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition, in a table with the cheapest first: its name and what it lacks."""

    name: str
    title: str
    lacks: frozenset[str] = frozenset()


_BEYOND_ENTERPRISE = frozenset({"DR"})
_BEYOND_ADVANCED = _BEYOND_ENTERPRISE | {"WLB", "RBAC", "Netapp", "Equalogic", "GPU", "IntelliCache", "VIF_locking", "Storage_motion"}
_BEYOND_FREE = _BEYOND_ADVANCED | {
    *("HA", "Marathon", "Email", "Performance", "DMC", "Checkpoint", "Vswitch_controller", "CPU_masking", "No_nag_dialog", "VMPR"),
}
_OF_2012 = (
    Edition("free", "Citrix XenServer", _BEYOND_FREE),
    Edition("advanced", "Citrix XenServer Advanced Edition", _BEYOND_ADVANCED),
    Edition("enterprise", "Citrix XenServer Enterprise Edition", _BEYOND_ENTERPRISE),
    Edition("enterprise-xd", "Citrix XenServer Enterprise Edition for XenDesktop", _BEYOND_ENTERPRISE),
    Edition("platinum", "Citrix XenServer Platinum Edition"),
)
EDITIONS: Mapping[Era, tuple[Edition, ...]] = {
    "boston": _OF_2012,
    "tampa": _OF_2012,
    "clearwater": (
        Edition("free", "Citrix XenServer", frozenset({"No_nag_dialog"})),
        Edition("per-socket", "Citrix XenServer Licensed"),
        Edition("xendesktop", "Citrix XenServer for XenDesktop"),
    ),
    "modern": (
        Edition("free", "XenServer", frozenset({"No_nag_dialog", "Pool_size"})),
        Edition("standard-per-socket", "XenServer Standard", frozenset({"IntelliCache", "PVS_proxy", "DR", "VGPU"})),
        Edition("enterprise-per-socket", "XenServer Enterprise"),
        Edition("premium-per-socket", "XenServer Premium"),
        Edition("desktop", "XenServer for Virtual Desktops"),
    ),
}
FRESH: Mapping[Era, str] = {"boston": "platinum", "tampa": "platinum", "clearwater": "free", "modern": "free"}
"""The edition of a fresh simulated host: for hosts of 2012 the one that clouds bought, for later ones that of a fresh installation."""


def edition_named(era: Era, name: str) -> Edition:
    """The edition with that name; INVALID_EDITION [edition]."""
    for edition in EDITIONS[era]:
        if edition.name == name:
            return edition
    raise Failure("INVALID_EDITION", name)


def cheapest(era: Era, names: Iterable[str]) -> str:
    """The edition of a pool whose hosts have these editions; "free" for no host."""
    order = [edition.name for edition in EDITIONS[era]]
    return min(names, key=lambda name: order.index(name) if name in order else -1, default="free")


def restrictions(era: Era, edition: Edition) -> dict[str, str]:
    """The entries of an edition in ``license_params``."""
    known = (feature for feature in FEATURES if ERAS.index(feature.since) <= ERAS.index(era))
    return {feature.key: feature.value(is_restricted=feature.name in edition.lacks) for feature in known}


def pool_restrictions(rows: Iterable[AnyRow]) -> dict[str, str]:
    """The restrictions of a pool: it has a feature when every host has it."""
    found: dict[str, str] = {}
    licences = [row["license_params"] for row in rows]
    for feature in FEATURES:
        told = [params[feature.key] for params in licences if feature.key in params]
        if told:
            restricted = feature.value(is_restricted=True)
            found[feature.key] = restricted if restricted in told else feature.value(is_restricted=False)
    return found


def is_restricted(rows: Rows, name: str) -> bool:
    """Whether the pool lacks a feature."""
    feature, pool = _BY_NAME[name], rows.get(POOL)
    return pool is not None and pool["restrictions"].get(feature.key) == feature.value(is_restricted=True)


def require(rows: Rows, name: str) -> None:
    """Raise LICENCE_RESTRICTION [feature] when the pool lacks a feature."""
    if is_restricted(rows, name):
        raise Failure("LICENCE_RESTRICTION", name)
