"""Where a VM may run: each reason against it, in order, and the memory that hosts have left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fake_xapi.verbs.vms import memory
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, Host, add_host, over_host

Change = Callable[[Host, str], None]


def _vm(**fields: Any) -> Change:
    return lambda host, vm: host.set(vm, **fields)


def _host(**fields: Any) -> Change:
    return lambda host, vm: host.set(host.host, **fields)


def _dead(host: Host, vm: str) -> None:
    with host.world.edit() as edit:
        edit.set(host.row(host.host)["metrics"], live=False)


def _unplugged(host: Host, vm: str) -> None:
    with host.world.edit() as edit:
        edit.set(host.row(host.sr)["PBDs"][0], currently_attached=False)


def _elsewhere(host: Host, vm: str) -> None:
    """The VM's network is on another host."""
    other = host.kit.make("host")
    network = host.kit.make("network")
    host.kit.make("PIF", network=host.id(network), host=host.id(other))
    host.set(host.world.ref(host.row(vm)["VIFs"][0]), network=host.id(network))


HUGE = 64 * GIB
REASONS: list[tuple[str, list[Change], list[str]]] = [
    ("vcpus", [_vm(VCPUs_at_startup=0)], ["INVALID_VALUE", "VCPUs-at-startup", "0"]),
    ("most vcpus", [_vm(VCPUs_max=0)], ["INVALID_VALUE", "VCPUs-max", "0"]),
    ("more vcpus than most", [_vm(VCPUs_at_startup=4)], ["VALUE_NOT_SUPPORTED", "VCPUs-at-startup", "4", "value greater than VCPUs-max"]),
    ("shadow", [_vm(domain_type="hvm", HVM_shadow_multiplier=0.5)], ["INVALID_VALUE", "HVM_shadow_multiplier", "0.5"]),
    ("memory order", [_vm(memory_dynamic_max=2 * GIB)], ["MEMORY_CONSTRAINT_VIOLATION"]),
    ("dead", [_dead], ["HOST_NOT_LIVE"]),
    (
        "control domain",
        [_vm(is_control_domain=True)],
        ["OPERATION_NOT_ALLOWED", "Cannot boot a control domain on a different host"],
    ),
    ("disabled", [_host(enabled=False)], ["HOST_DISABLED", "host"]),
    (
        "platform",
        [_vm(hardware_platform_version=3)],
        ["VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION", "host", "[0; 1; 2]", "vm", "3"],
    ),
    ("storage", [_unplugged], ["VM_REQUIRES_SR", "vm", "sr"]),
    ("network", [_elsewhere], ["VM_REQUIRES_NETWORK", "vm", "network"]),
    ("hvm", [_vm(domain_type="hvm"), _host(capabilities=())], ["VM_HVM_REQUIRED", "vm"]),
    ("pcpus", [_vm(VCPUs_max=9)], ["HOST_NOT_ENOUGH_PCPUS", "9", "8"]),
]


def _shown(host: Host, vm: str, refusal: list[str]) -> list[str]:
    network = host.world.ref(host.world[host.row(vm)["VIFs"][0]]["network"])
    names = {host.host: "host", host.sr: "sr", vm: "vm", network: "network"}
    return [names.get(param, param) for param in refusal]


@pytest.mark.parametrize(("changes", "refusal"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS])
def test_each_reason_is_given_in_its_own_words(changes: list[Change], refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        for change in changes:
            change(host, vm)
        assert _shown(host, vm, await host.refused("VM.assert_can_boot_here", vm, host.host)) == refusal
        assert await host.call("VM.get_possible_hosts", vm) == []

    over_host(body)


def test_reasons_come_in_order() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        met: list[str] = []
        for name in ("memory", "hvm", "network", "storage", "platform", "disabled", "dead", "vcpus"):
            if name == "memory":
                host.set(vm, memory_static_max=HUGE, memory_dynamic_max=HUGE, memory_dynamic_min=HUGE)
            for change in next((row[1] for row in REASONS if row[0] == name), []):
                change(host, vm)
            met.append((await host.refused("VM.assert_can_boot_here", vm, host.host))[0])
        assert met == [
            "HOST_NOT_ENOUGH_FREE_MEMORY",
            "VM_HVM_REQUIRED",
            "VM_REQUIRES_NETWORK",
            "VM_REQUIRES_SR",
            "VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION",
            "HOST_DISABLED",
            "HOST_NOT_LIVE",
            "INVALID_VALUE",
        ]

    over_host(body)


def test_too_little_memory_names_what_is_needed_and_what_there_is() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(memory_static_max=str(32 * GIB), memory_dynamic_max=str(32 * GIB), memory_dynamic_min=str(32 * GIB))
        needed = 32 * GIB + await host.call("VM.compute_memory_overhead", vm)
        refusal = ["HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), str(16 * GIB)]
        assert await host.refused("VM.start", vm, False, False) == refusal
        assert await host.refused("VM.assert_can_boot_here", vm, host.host) == refusal

    over_host(body)


def test_vcpus_may_be_unrestricted() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(VCPUs_max="9", platform={"vcpu-unrestricted": "true"})
        assert await host.call("VM.assert_can_boot_here", vm, host.host) == ""

    over_host(body)


@pytest.mark.parametrize(
    ("fields", "overhead_mib"),
    [
        ({"domain_type": "pv", "VCPUs_max": 2}, 0 + 1 + 10 + 1),
        ({"domain_type": "hvm", "VCPUs_max": 2}, 1 + 1 + 10 + 1),
        ({"domain_type": "hvm", "VCPUs_max": 2, "HVM_shadow_multiplier": 4.0}, 1 + 1 + 40 + 1),
        ({"domain_type": "hvm", "VCPUs_max": 16}, 1 + 1 + 24 + 3),
        ({"domain_type": "pv_in_pvh", "VCPUs_max": 2}, 1 + 1 + 10 + 1 + 23 + 11),
    ],
)
def test_the_overhead_of_a_gibibyte(fields: dict[str, Any], overhead_mib: int) -> None:
    row = {"memory_static_max": GIB, "HVM_shadow_multiplier": 1.0, "HVM_boot_policy": "", **fields}

    class Vm:
        cls = "VM"

        def __getitem__(self, field: str) -> Any:
            return row[field]

    assert memory.overhead_bytes(Vm()) == overhead_mib * MIB


def test_a_hosts_free_memory_is_what_its_vms_leave() -> None:
    async def body(host: Host) -> None:
        host.set(host.host, memory_overhead=512 * MIB)
        vm = await host.vm()
        overhead = await host.call("VM.compute_memory_overhead", vm)
        assert await host.call("host.compute_free_memory", host.host) == 16 * GIB - 512 * MIB
        await host.call("VM.start", vm, False, False)
        assert await host.call("host.compute_free_memory", host.host) == 15 * GIB - 512 * MIB - overhead
        await host.call("VM.hard_shutdown", vm)
        assert await host.call("host.compute_free_memory", host.host) == 16 * GIB - 512 * MIB
        assert await host.call("host.compute_memory_overhead", host.host) == 512 * MIB

    over_host(body)


def test_a_private_network_pins_its_vms_to_the_host_where_it_lives() -> None:
    async def body(host: Host) -> None:
        second = add_host(host)
        private = host.kit.make("network", managed=True)
        first, other = await host.vm(affinity=host.host), await host.vm()
        for vm in (first, other):
            await host.vif(vm, network=private)
        await host.call("VM.start", first, False, False)
        assert await host.call("VM.get_possible_hosts", other) == [host.host]
        assert await host.refused("VM.assert_can_boot_here", other, second) == ["VM_REQUIRES_NETWORK", other, private]
        host.set(private, other_config={"assume_network_is_shared": "true"})
        assert await host.call("VM.get_possible_hosts", other) == [host.host, second]

    over_host(body)


def test_the_most_memory_that_fits() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        most = await host.call("VM.maximise_memory", vm, str(2 * GIB), True)
        host.set(vm, memory_static_max=most)
        assert most % MIB == 0
        assert most + await host.call("VM.compute_memory_overhead", vm) <= 2 * GIB
        host.set(vm, memory_static_max=most + MIB)
        assert most + MIB + await host.call("VM.compute_memory_overhead", vm) > 2 * GIB

    over_host(body)
