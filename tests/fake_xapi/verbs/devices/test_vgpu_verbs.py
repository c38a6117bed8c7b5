"""The graphics cards of VMs: why one is not made, where a VM with cards may run, and what it has while it does."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.cards import cards, vm_with
from tests.fake_xapi.verbs.kit.hosts import Host, add_host, over_host
from tests.fake_xapi.verbs.kit.networks import fields_of, set_pool


def test_a_card_is_made_for_a_halted_vm() -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm, (vgpu,) = await vm_with(host, made, made.quarter)
        assert fields_of(host, vgpu, "VM", "GPU_group", "device", "type", "currently_attached", "resident_on") == (
            host.id(vm),
            host.id(made.group),
            "0",
            host.id(made.quarter),
            False,
            0,
        )
        await host.call("VGPU.destroy", vgpu)
        assert fields_of(host, vm, "VGPUs") == ((),)

    over_host(body)


def test_a_card_without_a_type_is_a_whole_one() -> None:
    async def body(host: Host) -> None:
        group = await host.call("GPU_group.create")
        vgpu = await host.call("VGPU.create", await host.vm(), group)
        assert host.world[host.row(vgpu)["type"]]["implementation"] == "passthrough"
        again = await host.call("VGPU.create", await host.vm(), group)
        assert fields_of(host, again, "type") == fields_of(host, vgpu, "type")

    over_host(body)


@pytest.mark.parametrize(
    ("device", "refusal"),
    [("21", ["INVALID_DEVICE", "21"]), ("x", ["INVALID_DEVICE", "x"]), ("3", ["DEVICE_ALREADY_EXISTS", "3"])],
)
def test_a_card_has_a_place_of_its_own(device: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm = await host.vm()
        await host.call("VGPU.create", vm, made.group, "3", {}, made.quarter)
        assert await host.refused("VGPU.create", vm, made.group, device, {}, made.quarter) == refusal

    over_host(body)


def test_a_guest_has_room_for_so_many_cards() -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm, _ = await vm_with(host, made, *([made.quarter] * 21))
        assert await host.refused("VGPU.create", vm, made.group, "0", {}, made.quarter) == ["VM_PCI_BUS_FULL", vm]
        devices = sorted(int(host.world[vgpu]["device"]) for vgpu in host.row(vm)["VGPUs"])
        assert devices == list(range(21))

    over_host(body)


def test_why_a_card_is_not_made() -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm, _ = await vm_with(host, made, made.half)
        assert await host.refused("VGPU.create", vm, made.group, "0", {}, made.half) == ["VGPU_TYPE_NOT_COMPATIBLE", made.half]
        other = await host.vm()
        await host.call("VM.start", other, False, False)
        assert await host.refused("VGPU.create", other, made.group) == ["VM_BAD_POWER_STATE", other, "halted", "running"]
        set_pool(host, restrictions={"restrict_gpu": "true"})
        assert await host.refused("VGPU.create", vm, made.group) == ["FEATURE_RESTRICTED"]

    over_host(body)


def test_a_running_vm_keeps_its_card() -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm, (vgpu,) = await vm_with(host, made, made.quarter)
        await host.call("VM.start", vm, False, False)
        refusal = ["OPERATION_NOT_ALLOWED", "vGPU currently attached to a running VM"]
        assert await host.refused("VGPU.destroy", vgpu) == refusal

    over_host(body)


# ---- where such a VM may run -------------------------------------------------------------------------------------------------------


def test_whole_cards_need_a_host_that_gives_devices_away() -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm, _ = await vm_with(host, made, made.whole)
        host.set(host.host, chipset_info={"iommu": "false"})
        assert await host.refused("VM.start_on", vm, host.host, False, False) == ["VM_REQUIRES_IOMMU", host.host]

    over_host(body)


def test_a_host_without_a_card_is_none_for_the_vm() -> None:
    async def body(host: Host) -> None:
        other = add_host(host, capabilities=("hvm-3.0-x86_64",))
        made = cards(host)
        vm, _ = await vm_with(host, made, made.quarter)
        assert await host.refused("VM.assert_can_boot_here", vm, other) == ["VM_REQUIRES_GPU", vm, made.group]
        assert await host.call("VM.get_possible_hosts", vm) == [host.host]

    over_host(body)


def test_a_card_that_is_full_takes_no_other_vm() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        for _ in range(2):
            vm, _vgpus = await vm_with(host, made, made.half)
            await host.call("VM.start", vm, False, False)
        last, _ = await vm_with(host, made, made.half)
        assert await host.refused("VM.start_on", last, host.host, False, False) == ["VM_REQUIRES_GPU", last, made.group]
        assert await host.call("PGPU.get_remaining_capacity", made.pgpus[0], made.half) == 0
        mixed, _ = await vm_with(host, made, made.quarter)
        assert await host.refused("VM.start_on", mixed, host.host, False, False) == ["VM_REQUIRES_GPU", mixed, made.group]

    over_host(body)


def test_cards_that_fit_one_by_one_may_not_fit_together() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        vm, _ = await vm_with(host, made, *([made.quarter] * 5))
        refusal = await host.refused("VM.start_on", vm, host.host, False, False)
        assert refusal == ["VM_REQUIRES_VGPU", vm, made.group, made.quarter]

    over_host(body)


@pytest.mark.parametrize(("algorithm", "places"), [("depth_first", [0, 0, 0]), ("breadth_first", [0, 1, 0])])
def test_how_cards_fill(algorithm: str, places: list[int]) -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        await host.call("GPU_group.set_allocation_algorithm", made.group, algorithm)
        found = []
        for _ in range(3):
            vm, (vgpu,) = await vm_with(host, made, made.quarter)
            await host.call("VM.start", vm, False, False)
            found.append(made.pgpus.index(host.world.ref(host.row(vgpu)["resident_on"])))
        assert found == places

    over_host(body)


# ---- what a VM has while it runs ---------------------------------------------------------------------------------------------------


def test_a_virtual_card_is_on_a_physical_one_while_its_vm_runs() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        vm, (vgpu,) = await vm_with(host, made, made.quarter)
        await host.call("VM.start", vm, False, False)
        assert fields_of(host, vgpu, "resident_on", "currently_attached", "scheduled_to_be_resident_on") == (
            host.id(made.pgpus[0]),
            True,
            0,
        )
        assert fields_of(host, vm, "attached_PCIs") == ((),)
        assert "suspend" in host.row(vm)["allowed_operations"]
        await host.call("VM.hard_reboot", vm)
        assert fields_of(host, vgpu, "resident_on") == (host.id(made.pgpus[0]),)
        await host.call("VM.suspend", vm)
        assert fields_of(host, vgpu, "resident_on") == (0,)
        await host.call("VM.resume", vm, False, False)
        assert fields_of(host, vgpu, "resident_on") == (host.id(made.pgpus[0]),)
        await host.call("VM.hard_shutdown", vm)
        assert fields_of(host, vgpu, "resident_on", "currently_attached") == (0, False)

    over_host(body)


def test_a_whole_card_is_its_vm_s_alone() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        vm, (vgpu,) = await vm_with(host, made, made.whole)
        await host.call("VM.start", vm, False, False)
        assert fields_of(host, vm, "attached_PCIs") == ((host.id(made.pcis[0]),),)
        assert fields_of(host, vgpu, "PCI") == (host.id(made.pcis[0]),)
        assert await host.refused("VM.suspend", vm) == ["VM_HAS_PCI_ATTACHED", vm]
        assert await host.call("GPU_group.get_remaining_capacity", made.group, made.whole) == 0
        assert await host.call("GPU_group.get_remaining_capacity", made.group, made.quarter) == 0
        await host.call("VM.hard_shutdown", vm)
        assert fields_of(host, made.pcis[0], "attached_VMs", "scheduled_to_be_attached_to") == ((), 0)
        assert await host.call("GPU_group.get_remaining_capacity", made.group, made.quarter) == 4

    over_host(body)


def test_a_card_is_held_while_its_vm_starts() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        first, (vgpu,) = await vm_with(host, made, made.whole)
        second, _ = await vm_with(host, made, made.whole)
        starting = asyncio.ensure_future(host.call("VM.start", first, False, False))
        await asyncio.sleep(0.5)
        assert fields_of(host, vgpu, "scheduled_to_be_resident_on", "resident_on") == (host.id(made.pgpus[0]), 0)
        assert fields_of(host, made.pcis[0], "scheduled_to_be_attached_to") == (host.id(first),)
        assert await host.refused("VM.start_on", second, host.host, False, False) == ["VM_REQUIRES_GPU", second, made.group]
        await starting

    over_host(body, settings=Settings(durations=durations("realistic")))
