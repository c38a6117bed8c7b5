"""How a server's VM boots: paravirtualised, PVH or hardware-virtual, by BIOS or UEFI, with which platform.

Pure: the image's words in, members of the VM's record out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compute_core.model.errors import BuildFailed
from compute_core.model.images import Image

Release = tuple[int, ...]
"""XenServer's version in numbers, (7, 6, 0); () for one that is not known."""

KERNELS = "/boot/guest"
"""Where dom0 keeps the kernels of guests that boot from none of their own."""
PV_ARGS = "root=/dev/xvda1 ro"
DUNDEE: Release = (7,)
"""The first release that takes a medium from an SR of disks; those before it want an SR of media, which nobody can fill by XenAPI."""
KOLKATA: Release = (7, 5)
"""The first release that says of a VM what it is, and that has PVH."""
NAPLES: Release = (8,)
"""The first release with UEFI."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to boot: the members of the VM's record, the release that brought it."""

    members: Mapping[str, Any]
    domain_type: str
    since: Release = ()


PV: Mapping[str, Any] = {"PV_bootloader": "pygrub", "HVM_boot_policy": "", "HVM_boot_params": {}}
HVM: Mapping[str, Any] = {"PV_bootloader": "", "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "dc"}}

MODES: Mapping[str, Mode] = {
    "xen": Mode(PV, "pv"),
    "pvh": Mode(PV, "pvh", KOLKATA),
    "hvm": Mode(HVM, "hvm"),
}
"""By the image property ``vm_mode``."""

MODES_OF_OLD: Mapping[str, str] = {"pv": "xen", "xenpv": "xen", "xenhvm": "hvm"}
"""Other words for them that images bear."""

SECURE_BOOT: Mapping[str, str] = {"required": "true", "optional": "auto", "disabled": "false"}
"""By the image property ``os_secure_boot``; what the VM's platform says."""


def release_of(version: str) -> Release:
    """The numbers at the beginning of a product's version."""
    return tuple(int(number) for number in re.findall(r"\d+", version.split("-", maxsplit=1)[0])[:3])


def boot_mode(image: Image) -> str:
    """The image's own word; without one, Windows, media and firmware want hardware-virtual, and anything else is paravirtualised."""
    said = image.properties.get("vm_mode", "").lower()
    said = MODES_OF_OLD.get(said, said)
    if said in MODES:
        return said
    wants_hvm = image.properties.get("os_type") == "windows" or image.disk_format == "iso" or _is_uefi(image)
    return "hvm" if wants_hvm else "xen"


def boot_members(image: Image, release: Release) -> dict[str, Any]:
    """The members of the VM's record that say how it boots. BuildFailed for what this release, or any, cannot do."""
    mode = MODES[boot_mode(image)]
    if image.disk_format == "iso":
        _require(release, DUNDEE, "takes media from an SR of disks: give the image as a disk, or a host of a newer release")
    _require(release, mode.since, f"boots {boot_mode(image)} guests")
    members: dict[str, Any] = {"PV_kernel": "", "PV_ramdisk": "", "PV_args": "", **mode.members}
    if mode.members is HVM:
        members |= _firmware(image, release)
    elif _is_uefi(image) or SECURE_BOOT.get(_secure_boot(image)) == "true":
        raise BuildFailed(f"Image {image.id} wants UEFI, which only hardware-virtual guests have (vm_mode=hvm).", is_retryable=False)
    else:
        members |= _kernel(image)
    return members | ({"domain_type": mode.domain_type} if release >= KOLKATA else {})


def _firmware(image: Image, release: Release) -> dict[str, Any]:
    if not _is_uefi(image):
        if SECURE_BOOT.get(_secure_boot(image)) == "true":
            raise BuildFailed(f"Image {image.id} wants secure boot, which only UEFI has (hw_firmware_type=uefi).", is_retryable=False)
        return {}
    _require(release, NAPLES, "has UEFI for guests")
    return {"HVM_boot_params": {**HVM["HVM_boot_params"], "firmware": "uefi"}}


def _kernel(image: Image) -> dict[str, str]:
    """A kernel beside the disk."""
    kernel, ramdisk = kernels_of(image)
    if not kernel:
        return {}
    said = image.properties.get("os_command_line", PV_ARGS)
    files = {"PV_kernel": f"{KERNELS}/{kernel}", "PV_ramdisk": f"{KERNELS}/{ramdisk}" if ramdisk else ""}
    return {**files, "PV_args": said, "PV_bootloader": ""}


def kernels_of(image: Image) -> tuple[str, str]:
    """The ids of the images of kernel and ramdisk, "" for one that there is not."""
    return image.properties.get("kernel_id", ""), image.properties.get("ramdisk_id", "")


def _require(release: Release, since: Release, what: str) -> None:
    if release < since:
        version = ".".join(map(str, release)) or "of an unknown version"
        raise BuildFailed(f"No XenServer {version} {what}.", is_retryable=True)


def _is_uefi(image: Image) -> bool:
    return image.properties.get("hw_firmware_type") == "uefi"


def _secure_boot(image: Image) -> str:
    return image.properties.get("os_secure_boot", "")


def platform(image: Image) -> dict[str, str]:
    """The VM's platform."""
    mode, properties = boot_mode(image), image.properties
    common = {"acpi": "true", "apic": "true", "pae": "true", "nx": "true" if mode == "hvm" else "false", "timeoffset": "0"}
    device_id = properties.get("xenapi_device_id", "")
    optional = {
        "viridian": "true" if properties.get("os_type") == "windows" else "",
        "secureboot": SECURE_BOOT.get(_secure_boot(image), "") if _is_uefi(image) else "",
        "device-model": "qemu-upstream-uefi" if _is_uefi(image) else "",
        "device_id": device_id.zfill(4) if device_id.isalnum() else "",
        "cores-per-socket": _number(properties.get("hw_cpu_cores", "")),
    }
    return common | {key: value for key, value in optional.items() if value}


def _number(text: str) -> str:
    return text if text.isascii() and text.isdigit() and int(text) else ""
