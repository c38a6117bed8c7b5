"""What of a server's VM goes from one host to another: its record, and the disks that are its own. Plain JSON values inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from compute_core.model.flavors import Flavor
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of
from compute_core.xenapi.records import MIB
from compute_core.xenapi.session import XenApi

CARRIED = (
    "name_label",
    "name_description",
    "user_version",
    "is_a_template",
    "memory_static_min",
    "VCPUs_params",
    "actions_after_shutdown",
    "actions_after_reboot",
    "actions_after_crash",
    "PV_kernel",
    "PV_ramdisk",
    "PV_args",
    "PV_bootloader",
    "PV_bootloader_args",
    "PV_legacy_args",
    "HVM_boot_policy",
    "HVM_boot_params",
    "HVM_shadow_multiplier",
    "platform",
    "PCI_bus",
    "recommendations",
    "other_config",
    "xenstore_data",
    "blocked_operations",
    "tags",
    "domain_type",
    "has_vendor_device",
    "hardware_platform_version",
    "NVRAM",
)
"""The members of a VM's record that its copy is made with; a release that does not have one does not send it."""

ROOT = "0"
"""The userdevice of the root disk."""


@dataclass(frozen=True, slots=True)
class ParcelDisk:
    """One disk, or an empty drive when ``vdi`` is "". ``vdi`` and ``uuid`` are the source's; ``cut_bytes``: it is to become so small.

    ``used_bytes``: what it takes of its SR by itself, without what it is made on.
    """

    vdi: str
    uuid: str
    userdevice: str
    type: str
    mode: str
    is_bootable: bool
    size_bytes: int = 0
    vdi_type: str = "user"
    other_config: Mapping[str, str] | None = None
    vbd_other_config: Mapping[str, str] | None = None
    cut_bytes: int = 0
    used_bytes: int = 0

    @property
    def going_bytes(self) -> int:
        """The size of the disk that arrives."""
        return self.cut_bytes or self.size_bytes

    @property
    def is_root(self) -> bool:
        """Whether it is what the guest boots from."""
        return self.userdevice == ROOT and bool(self.vdi)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A VM as it leaves. ``record`` has the members of ``CARRIED`` that there are.

    ``has_loose_disks``: there are disks of the server that no VM has, left by an agent that was killed.
    """

    label: str
    power_state: str
    other_config: Mapping[str, str]
    record: Mapping[str, Any]
    disks: tuple[ParcelDisk, ...]
    has_loose_disks: bool = False

    @property
    def moved(self) -> tuple[ParcelDisk, ...]:
        """The disks whose bytes go along."""
        return tuple(disk for disk in self.disks if disk.vdi)

    def sent(self, *, is_within_pool: bool) -> tuple[ParcelDisk, ...]:
        """Those that go as streams: a pool copies the others by itself."""
        return tuple(disk for disk in self.moved if disk.cut_bytes or not is_within_pool)


async def packed(xapi: XenApi, vm: str, instance_uuid: str) -> Parcel:
    """The VM as it is: three calls, however many disks it has. Disks that do not bear the server's mark stay behind."""
    record = await xapi.call("VM.get_record", vm)
    vbds = await all_of(xapi, "VBD", {"VM": vm})
    vdis = await all_of(xapi, "VDI", {"name__label": record["name_label"]})
    own = {ref: vdi for ref, vdi in vdis.items() if marks.instance_of(vdi) == instance_uuid}
    disks = sorted(filter(None, (_disk(vbd, own) for vbd in vbds.values())), key=lambda disk: disk.userdevice)
    carried = {name: record[name] for name in CARRIED if name in record}
    is_loose = any(not vdi["VBDs"] and not vdi["is_a_snapshot"] for vdi in own.values())
    return Parcel(record["name_label"], record["power_state"], record["other_config"], carried, tuple(disks), is_loose)


def resized(parcel: Parcel, flavor: Flavor, affinity: str, mark: str) -> dict[str, Any]:
    """The record of the copy: the flavor's size, at home on the host ``affinity``, marked with its migration."""
    memory_bytes = flavor.memory_mb * MIB
    weight = flavor.extra_specs.get("vcpu_weight")
    params = {**parcel.record.get("VCPUs_params", {}), **({"weight": weight} if weight else {})}
    return {
        **parcel.record,
        "affinity": affinity,
        "memory_dynamic_min": memory_bytes,
        "memory_dynamic_max": memory_bytes,
        "memory_static_max": memory_bytes,
        "VCPUs_max": flavor.vcpus,
        "VCPUs_at_startup": flavor.vcpus,
        "VCPUs_params": params,
        "other_config": {**parcel.other_config, marks.MIGRATION: mark},
    }


def vbd_record(vm: str, vdi: str, disk: ParcelDisk) -> dict[str, Any]:
    """A disk's place in the copy."""
    return {
        "VM": vm,
        "VDI": vdi or "OpaqueRef:NULL",
        "userdevice": disk.userdevice,
        "bootable": disk.is_bootable,
        "mode": disk.mode,
        "type": disk.type,
        "unpluggable": True,
        "empty": not vdi,
        "other_config": dict(disk.vbd_other_config or {}),
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
    }


def _disk(vbd: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]) -> ParcelDisk | None:
    place = ParcelDisk("", "", vbd["userdevice"], vbd["type"], vbd["mode"], vbd["bootable"], vbd_other_config=vbd["other_config"])
    if vbd["empty"] or vbd["type"] == "CD":
        return place if vbd["type"] == "CD" else None
    vdi = own.get(vbd["VDI"])
    if vdi is None:
        return None
    sizes = {"size_bytes": vdi["virtual_size"], "used_bytes": vdi["physical_utilisation"]}
    return replace(place, vdi=vbd["VDI"], uuid=vdi["uuid"], vdi_type=vdi["type"], other_config=vdi["other_config"], **sizes)
