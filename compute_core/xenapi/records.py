"""The records that a server's VM, disk and interfaces are created from. Pure: values in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Any

from compute_core.model.images import Image
from compute_core.model.instances import Instance, Vif
from compute_core.xenapi import marks

MIB = 1 << 20
GIB = 1 << 30
DEFAULT_WEIGHT = "256"
"""Xen's own; a flavor sets another by its extra spec ``vcpu_weight``."""

PV = {"PV_bootloader": "pygrub", "HVM_boot_policy": "", "HVM_boot_params": {}}
HVM = {"PV_bootloader": "", "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "dc"}}
BOOT_MODES: Mapping[str, Mapping[str, Any]] = {"xen": PV, "hvm": HVM}
"""By the image property ``vm_mode``."""


def boot_mode(image: Image) -> str:
    """The image's own word; without one, Windows boots as HVM and anything else paravirtualised."""
    said = image.properties.get("vm_mode", "")
    return said if said in BOOT_MODES else "hvm" if image.properties.get("os_type") == "windows" else "xen"


def vm_record(instance: Instance, image: Image, affinity: str) -> dict[str, Any]:
    """The VM, with everything that the guest and later readers need in its maps, so that one call creates it."""
    memory_bytes, mode = instance.flavor.memory_mb * MIB, boot_mode(image)
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
        "VCPUs_params": {"weight": instance.flavor.extra_specs.get("vcpu_weight", DEFAULT_WEIGHT)},
        "actions_after_shutdown": "destroy",
        "actions_after_reboot": "restart",
        "actions_after_crash": "destroy",
        "PV_kernel": "",
        "PV_ramdisk": "",
        "PV_args": "",
        "PV_bootloader_args": "",
        "PV_legacy_args": "",
        **BOOT_MODES[mode],
        "platform": _platform(image, mode),
        "PCI_bus": "",
        "recommendations": "",
        "other_config": _other_config(instance, image),
        "xenstore_data": xenstore(instance),
    }


def _platform(image: Image, mode: str) -> dict[str, str]:
    windows = {"viridian": "true"} if image.properties.get("os_type") == "windows" else {}
    return {"acpi": "true", "apic": "true", "pae": "true", "nx": "true" if mode == "hvm" else "false", "timeoffset": "0", **windows}


def _other_config(instance: Instance, image: Image) -> dict[str, str]:
    return {marks.INSTANCE: instance.uuid, marks.IMAGE: image.id, marks.CELL: instance.cell or ""}


def xenstore(instance: Instance) -> dict[str, str]:
    """What the guest's agent reads below ``vm-data``: one JSON text per fact."""
    networking = {f"vm-data/networking/{vif.mac.replace(':', '')}": json.dumps(_networking(vif)) for vif in instance.vifs}
    metadata = {f"vm-data/user-metadata/{_key(key)}": json.dumps(value) for key, value in instance.metadata.items()}
    optional = {"vm-data/user-data": instance.user_data, "vm-data/ssh-key": instance.key_data}
    return {
        "vm-data/instance-uuid": instance.uuid,
        "vm-data/hostname": instance.hostname or instance.name,
        "vm-data/auto-disk-config": str(instance.disk_config == "AUTO"),
        "vm-data/allowvssprovider": "false",
        **networking,
        **metadata,
        **{key: value for key, value in optional.items() if value},
    }


def _key(key: str) -> str:
    """A key of xenstore has few characters to choose from."""
    return re.sub(r"[^A-Za-z0-9\-_@]", "_", key)


def _networking(vif: Vif) -> dict[str, Any]:
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


def vbd_record(vm: str, vdi: str) -> dict[str, Any]:
    """The root disk's place in the VM."""
    return {
        "VM": vm,
        "VDI": vdi,
        "userdevice": "0",
        "bootable": True,
        "mode": "RW",
        "type": "Disk",
        "unpluggable": True,
        "empty": False,
        "other_config": {},
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
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
