"""How VMs boot, by their images' words and the release of their host."""

from __future__ import annotations

from typing import Any

import pytest

from compute_core.model.errors import BuildFailed
from compute_core.xenapi.boot import boot_members, boot_mode, kernels_of, platform, release_of
from tests.compute_core.values import an_image

LATEST = (8, 4, 0)
NOTHING = {"PV_kernel": "", "PV_ramdisk": "", "PV_args": ""}
PYGRUB = {**NOTHING, "PV_bootloader": "pygrub", "HVM_boot_policy": "", "HVM_boot_params": {}}
BIOS = {**NOTHING, "PV_bootloader": "", "HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "dc"}}
COMMON = {"acpi": "true", "apic": "true", "pae": "true", "timeoffset": "0"}
UEFI = {"hw_firmware_type": "uefi"}


@pytest.mark.parametrize(
    ("properties", "mode"),
    [
        ({}, "xen"),
        ({"vm_mode": "hvm"}, "hvm"),
        ({"vm_mode": "pvh"}, "pvh"),
        ({"vm_mode": "PV"}, "xen"),
        ({"vm_mode": "xenpv"}, "xen"),
        ({"vm_mode": "xenhvm"}, "hvm"),
        ({"vm_mode": "xen", "os_type": "windows"}, "xen"),
        ({"os_type": "windows"}, "hvm"),
        ({"os_type": "linux"}, "xen"),
        ({"vm_mode": "uml"}, "xen"),
        (UEFI, "hvm"),
    ],
)
def test_how_a_vm_boots_is_the_images_word(properties: dict[str, str], mode: str) -> None:
    assert boot_mode(an_image(properties=properties)) == mode


def test_a_medium_boots_hardware_virtual() -> None:
    assert boot_mode(an_image(disk_format="iso")) == "hvm"


@pytest.mark.parametrize(
    ("properties", "release", "members"),
    [
        ({}, (), PYGRUB),
        ({}, (7, 1, 2), PYGRUB),
        ({}, LATEST, {**PYGRUB, "domain_type": "pv"}),
        ({"vm_mode": "hvm"}, (6, 0, 0), BIOS),
        ({"vm_mode": "hvm"}, LATEST, {**BIOS, "domain_type": "hvm"}),
        ({"vm_mode": "pvh"}, (7, 5), {**PYGRUB, "domain_type": "pvh"}),
        (UEFI, LATEST, {**BIOS, "HVM_boot_params": {"order": "dc", "firmware": "uefi"}, "domain_type": "hvm"}),
        (
            {"kernel_id": "k-1", "ramdisk_id": "r-1"},
            (),
            {
                **PYGRUB,
                "PV_kernel": "/boot/guest/k-1",
                "PV_ramdisk": "/boot/guest/r-1",
                "PV_args": "root=/dev/xvda1 ro",
                "PV_bootloader": "",
            },
        ),
        (
            {"kernel_id": "k-1", "os_command_line": "root=/dev/xvda quiet"},
            (),
            {**PYGRUB, "PV_kernel": "/boot/guest/k-1", "PV_args": "root=/dev/xvda quiet", "PV_bootloader": ""},
        ),
    ],
)
def test_the_members_of_a_vm_that_say_how_it_boots(properties: dict[str, str], release: tuple[int, ...], members: dict[str, Any]) -> None:
    assert boot_members(an_image(properties=properties), release) == members


@pytest.mark.parametrize(
    ("properties", "release", "reason", "is_retryable"),
    [
        ({"vm_mode": "pvh"}, (7, 2, 0), "No XenServer 7.2.0 boots pvh guests.", True),
        ({"vm_mode": "pvh"}, (), "No XenServer of an unknown version boots pvh guests.", True),
        (UEFI, (7, 6), "No XenServer 7.6 has UEFI for guests.", True),
        ({**UEFI, "vm_mode": "xen"}, LATEST, "Image img-1 wants UEFI, which only hardware-virtual guests have (vm_mode=hvm).", False),
        (
            {"os_secure_boot": "required", "vm_mode": "hvm"},
            LATEST,
            "Image img-1 wants secure boot, which only UEFI has (hw_firmware_type=uefi).",
            False,
        ),
        (
            {"os_secure_boot": "required"},
            LATEST,
            "Image img-1 wants UEFI, which only hardware-virtual guests have (vm_mode=hvm).",
            False,
        ),
    ],
)
def test_what_a_release_cannot_boot_is_refused(
    properties: dict[str, str], release: tuple[int, ...], reason: str, is_retryable: bool
) -> None:  # fmt: skip
    with pytest.raises(BuildFailed) as refused:
        boot_members(an_image(properties=properties), release)

    assert (refused.value.message, refused.value.is_retryable) == (reason, is_retryable)


@pytest.mark.parametrize(
    ("properties", "more"),
    [
        ({}, {"nx": "false"}),
        ({"vm_mode": "hvm"}, {"nx": "true"}),
        ({"os_type": "windows"}, {"nx": "true", "viridian": "true"}),
        (UEFI, {"nx": "true", "device-model": "qemu-upstream-uefi"}),
        ({**UEFI, "os_secure_boot": "required"}, {"nx": "true", "device-model": "qemu-upstream-uefi", "secureboot": "true"}),
        ({**UEFI, "os_secure_boot": "optional"}, {"nx": "true", "device-model": "qemu-upstream-uefi", "secureboot": "auto"}),
        ({**UEFI, "os_secure_boot": "disabled"}, {"nx": "true", "device-model": "qemu-upstream-uefi", "secureboot": "false"}),
        ({"xenapi_device_id": "2"}, {"nx": "false", "device_id": "0002"}),
        ({"xenapi_device_id": "../2"}, {"nx": "false"}),
        ({"hw_cpu_cores": "4"}, {"nx": "false", "cores-per-socket": "4"}),
        ({"hw_cpu_cores": "0"}, {"nx": "false"}),
        ({"hw_cpu_cores": "many"}, {"nx": "false"}),
    ],
)
def test_the_platform_is_the_images_word(properties: dict[str, str], more: dict[str, str]) -> None:
    assert platform(an_image(properties=properties)) == COMMON | more


def test_a_version_in_numbers() -> None:
    versions = ("6.0.0", "8.4.0", "8.2.1-xs", "7.6", "")

    assert [release_of(version) for version in versions] == [(6, 0, 0), (8, 4, 0), (8, 2, 1), (7, 6), ()]


def test_the_kernel_beside_a_disk() -> None:
    properties = [{}, {"kernel_id": "k"}, {"kernel_id": "k", "ramdisk_id": "r"}]

    assert [kernels_of(an_image(properties=given)) for given in properties] == [("", ""), ("k", ""), ("k", "r")]
