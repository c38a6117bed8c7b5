"""Each filter, by what it lets through and what it removes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from compute_core.model.flavors import Flavor
from compute_core.scheduler.capacity import Ask, Ratios, free, limits
from compute_core.scheduler.filters import removed_by
from tests.compute_core.scheduler.test_placement import node, request

PV_ONLY = replace(node("host"), report=replace(node("host").report, supports_hvm=False))


@pytest.mark.parametrize(
    ("properties", "verdict"),
    [
        ({}, None),
        ({"hypervisor_type": "xen"}, None),
        ({"hypervisor_type": "XenServer"}, None),
        ({"hypervisor_type": "qemu"}, "have another hypervisor than the image wants"),
        ({"img_hv_type": "vmware"}, "have another hypervisor than the image wants"),
        ({"vm_mode": "xen"}, None),
        ({"vm_mode": "hvm"}, "do not support the image's vm_mode"),
        ({"vm_mode": "uml"}, "do not support the image's vm_mode"),
        ({"architecture": "x86_64"}, None),
        ({"hw_architecture": "i686"}, None),
        ({"architecture": "aarch64"}, "have another architecture than the image wants"),
    ],
)
def test_image_properties_against_a_host_without_hvm(properties: Mapping[str, str], verdict: str | None) -> None:
    assert removed_by(PV_ONLY, free(PV_ONLY, Ratios()), request(image_properties=properties)) == verdict


def test_a_host_with_hvm_takes_hvm_images() -> None:
    host = node("host")
    assert removed_by(host, free(host, Ratios()), request(image_properties={"vm_mode": "hvm"})) is None


@pytest.mark.parametrize(("target", "verdict"), [("host", None), ("host.example", None), ("other", "are not the target host")])
def test_a_target_host_may_be_named_by_either_name(target: str, verdict: str | None) -> None:
    assert removed_by(node("host"), Ask(99, 9999, 999), request(target_host=target)) == verdict


@pytest.mark.parametrize(
    ("left", "verdict"),
    [
        (Ask(1, 1024, 10), None),
        (Ask(1, 1023, 10), "lack memory"),
        (Ask(1, 1024, 9), "lack disk"),
        (Ask(0, 1024, 10), "lack vCPUs"),
    ],
)
def test_what_is_left_must_suffice_to_the_last_unit(left: Ask, verdict: str | None) -> None:
    assert removed_by(node("host"), left, request()) == verdict


def test_limits_follow_the_ratios_and_leave_out_what_others_use() -> None:
    host = node("host", other_memory_mb=1024, other_disk_gb=50)
    ratios = Ratios(vcpus=2.0, memory=1.5, disk=1.0, reserved_memory_mb=168, reserved_disk_gb=10)
    assert limits(host, ratios) == Ask(8, 10500, 140)


def test_an_ask_has_the_hypervisors_overhead_and_the_swap_disk() -> None:
    assert Ask.of(Flavor("9", "x", 2048, 2, 20, ephemeral_gb=5, swap_mb=1500)) == Ask(2, 2048 + 22, 27)
