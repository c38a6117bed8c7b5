"""The records that a server's VM, disk and interfaces are created from. Pure: values in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any

from compute_core.model.images import Image
from compute_core.model.instances import Instance, Vif
from compute_core.xenapi import marks
from compute_core.xenapi.boot import Release, boot_members, platform
from compute_core.xenapi.guest_agent_rules import mark_of
from compute_core.xenapi.quotas import NO_PRIORITY, IoPriority, cpu_mask, vcpu_params

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Grants:
    """What the host gives a server beside the image's and the flavor's own words. ``mask``: processors, ``pci``: devices, "" for any."""

    release: Release = ()
    mask: str = ""
    pci: str = ""
    note: str = ""


NOTHING_GRANTED = Grants()


def vm_record(instance: Instance, image: Image, affinity: str, grants: Grants = NOTHING_GRANTED) -> dict[str, Any]:
    """The VM, with everything that the guest and later readers need in its maps, so that one call creates it. BuildFailed: see ``boot``."""
    memory_bytes = instance.flavor.memory_mb * MIB
    return {
        "name_label": instance.domain_name,
        "name_description": instance.name,
        "user_version": 0,
        "is_a_template": False,
        "affinity": affinity,
        "memory_static_min": 0,
        "memory_dynamic_min": memory_bytes,
        "memory_dynamic_max": memory_bytes,
        "memory_static_max": memory_bytes,
        "VCPUs_max": instance.flavor.vcpus,
        "VCPUs_at_startup": instance.flavor.vcpus,
        "VCPUs_params": vcpu_params(instance.flavor, grants.mask or cpu_mask(instance.flavor)),
        "actions_after_shutdown": "destroy",
        "actions_after_reboot": "restart",
        "actions_after_crash": "destroy",
        "PV_bootloader_args": "",
        "PV_legacy_args": "",
        **boot_members(image, grants.release),
        "platform": platform(image),
        "PCI_bus": "",
        "recommendations": "",
        "other_config": _other_config(instance, image, grants),
        "xenstore_data": xenstore(instance),
    }


def _other_config(instance: Instance, image: Image, grants: Grants) -> dict[str, str]:
    ours = {marks.INSTANCE: instance.uuid, marks.IMAGE: image.id, marks.CELL: instance.cell or ""}
    optional = {"pci": grants.pci, marks.NOTE: grants.note}
    return {**ours, **mark_of(image), **{key: value for key, value in optional.items() if value}}


def xenstore(instance: Instance) -> dict[str, str]:
    """What the guest's agent reads below ``vm-data``: one JSON text per fact."""
    networks = {networking_key(vif): json.dumps(networking(vif)) for vif in instance.vifs}
    metadata = {metadata_key(key): json.dumps(value) for key, value in instance.metadata.items()}
    optional = {"vm-data/user-data": instance.user_data, "vm-data/ssh-key": instance.key_data}
    return {
        "vm-data/instance-uuid": instance.uuid,
        "vm-data/hostname": instance.hostname or instance.name,
        "vm-data/auto-disk-config": str(instance.disk_config == "AUTO"),
        "vm-data/allowvssprovider": "false",
        **networks,
        **metadata,
        **{key: value for key, value in optional.items() if value},
    }


def metadata_key(key: str) -> str:
    """Where an item of a server's metadata is told to its guest: a key of xenstore has few characters to choose from."""
    return "vm-data/user-metadata/" + re.sub(r"[^A-Za-z0-9\-_@]", "_", key)


def networking_key(vif: Vif) -> str:
    """Where the guest reads of an interface."""
    return f"vm-data/networking/{vif.mac.replace(':', '')}"


def networking(vif: Vif) -> dict[str, Any]:
    """What the guest is told of an interface."""
    address = ip_interface(f"{vif.ip}/{vif.prefix_length}")
    ip = {"ip": vif.ip, "netmask": str(address.netmask), "enabled": "1", "gateway": vif.gateway}
    facts = {"label": vif.network_label, "mac": vif.mac, "gateway": vif.gateway, "ips": [ip]}
    return {**facts, "broadcast": str(address.network.broadcast_address), "dns": []}


def vdi_record(sr: str, label: str, size_bytes: int, other_config: Mapping[str, str]) -> dict[str, Any]:
    """A disk."""
    return {
        "name_label": label,
        "name_description": "",
        "SR": sr,
        "virtual_size": size_bytes,
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": dict(other_config),
        "xenstore_data": {},
        "sm_config": {},
        "tags": [],
    }


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk's place in a VM: ``device`` is its number."""

    vdi: str
    device: str = "0"
    mode: str = "RW"
    type: str = "Disk"
    is_bootable: bool = False


def vbd_record(vm: str, vdi: str) -> dict[str, Any]:
    """The root disk's place in the VM."""
    return drive_record(vm, Drive(vdi, is_bootable=True))


def drive_record(vm: str, drive: Drive, priority: IoPriority = NO_PRIORITY) -> dict[str, Any]:
    """A disk's place in the VM."""
    return {
        "VM": vm,
        "VDI": drive.vdi,
        "userdevice": drive.device,
        "bootable": drive.is_bootable,
        "mode": drive.mode,
        "type": drive.type,
        "unpluggable": drive.type == "Disk",
        "empty": False,
        "other_config": {},
        **priority.members(),
    }


def vif_record(vm: str, network: str, vif: Vif) -> dict[str, Any]:
    """An interface."""
    return {
        "VM": vm,
        "network": network,
        "device": str(vif.device),
        "MAC": vif.mac,
        "MTU": 1500,
        "other_config": {marks.VIF_ID: vif.id},
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
    }
