"""Physical graphics cards: what they offer, the groups that they are in, and whether dom0 may use them."""

from __future__ import annotations

import pytest

from fake_xapi.verbs.hosts import dom0_access
from tests.fake_xapi.verbs.kit.cards import cards, vm_with
from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import fields_of, set_pool


def test_a_card_offers_what_is_enabled() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        pgpu = made.pgpus[0]
        await host.call("PGPU.set_enabled_VGPU_types", pgpu, [made.half])
        assert fields_of(host, made.group, "enabled_VGPU_types") == ((host.id(made.half),),)
        vm, _ = await vm_with(host, made, made.quarter)
        assert await host.refused("VM.start_on", vm, host.host, False, False) == ["VM_REQUIRES_GPU", vm, made.group]
        await host.call("PGPU.add_enabled_VGPU_types", pgpu, made.quarter)
        await host.call("PGPU.add_enabled_VGPU_types", pgpu, made.quarter)
        assert fields_of(host, pgpu, "enabled_VGPU_types") == ((host.id(made.half), host.id(made.quarter)),)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("PGPU.remove_enabled_VGPU_types", pgpu, made.quarter) == ["PGPU_IN_USE_BY_VM", vm]
        assert await host.refused("PGPU.set_enabled_VGPU_types", pgpu, [made.half]) == ["PGPU_IN_USE_BY_VM", vm]
        await host.call("PGPU.remove_enabled_VGPU_types", pgpu, made.half)
        assert fields_of(host, pgpu, "enabled_VGPU_types") == ((host.id(made.quarter),),)

    over_host(body)


def test_a_card_offers_nothing_that_it_cannot_do() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        strange = host.kit.make("VGPU_type", implementation="nvidia", size=1)
        expected = ["VGPU_TYPE_NOT_SUPPORTED", strange, made.whole, made.half, made.quarter]
        assert await host.refused("PGPU.add_enabled_VGPU_types", made.pgpus[0], strange) == expected
        assert await host.call("PGPU.get_remaining_capacity", made.pgpus[0], strange) == 0

    over_host(body)


def test_a_card_moves_between_groups() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        pgpu, group = made.pgpus[0], await host.call("GPU_group.create", "new", "its description", {"k": "v"})
        assert fields_of(host, group, "name_label", "name_description", "other_config") == ("new", "its description", {"k": "v"})
        await host.call("GPU_group.update_supported_VGPU_types", made.group)
        await host.call("PGPU.set_GPU_group", pgpu, group)
        assert fields_of(host, group, "PGPUs", "GPU_types") == ((host.id(pgpu),), ("10de/0ff2",))
        types = tuple(host.id(each) for each in (made.whole, made.half, made.quarter))
        assert fields_of(host, group, "supported_VGPU_types", "enabled_VGPU_types") == (types, types)
        assert fields_of(host, made.group, "supported_VGPU_types", "enabled_VGPU_types") == ((), ())
        amd = host.kit.make("GPU_group", GPU_types=("1002/6811",))
        assert await host.refused("PGPU.set_GPU_group", pgpu, amd) == ["PGPU_NOT_COMPATIBLE_WITH_GPU_GROUP", "10de/0ff2", "[1002/6811]"]
        vm = await host.vm()
        await host.call("VGPU.create", vm, group, "0", {}, made.quarter)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("PGPU.set_GPU_group", pgpu, made.group) == ["PGPU_IN_USE_BY_VM", vm]

    over_host(body)


def test_a_group_is_destroyed_when_nothing_is_left_in_it() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        vm, (vgpu,) = await vm_with(host, made, made.quarter)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("GPU_group.destroy", made.group) == ["GPU_GROUP_CONTAINS_VGPU", vgpu]
        await host.call("VM.hard_shutdown", vm)
        assert await host.refused("GPU_group.destroy", made.group) == ["GPU_GROUP_CONTAINS_PGPU", *made.pgpus]
        await host.call("PGPU.set_GPU_group", made.pgpus[0], await host.call("GPU_group.create"))
        await host.call("GPU_group.destroy", made.group)
        assert (host.world.count("VGPU"), fields_of(host, vm, "VGPUs")) == (0, ((),))

    over_host(body)


@pytest.mark.parametrize("cls", ["PGPU", "PCI"])
def test_dom0_keeps_a_card_until_the_next_boot(cls: str) -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        target = made.pgpus[0] if cls == "PGPU" else made.pcis[0]
        steps = []
        for what in ("disable", "disable", "enable", "disable", "boot", "disable", "enable", "enable", "disable", "enable", "boot"):
            if what == "boot":
                with host.world.edit() as edit:
                    dom0_access.host_booted(host.world, edit, host.id(host.host))
            else:
                answer = await host.call(f"{cls}.{what}_dom0_access", target)
                assert answer == host.row(made.pgpus[0])["dom0_access"]
            steps.append(await host.call("PCI.get_dom0_access_status", made.pcis[0]))
        assert steps == [
            *("disable_on_reboot", "disable_on_reboot", "enabled", "disable_on_reboot", "disabled", "disabled"),
            *("enable_on_reboot", "enable_on_reboot", "disabled", "enable_on_reboot", "enabled"),
        ]
        assert fields_of(host, made.pgpus[0], "dom0_access") == ("enabled",)

    over_host(body)


def test_a_card_of_the_host_is_left_to_vms_only_with_a_licence() -> None:
    async def body(host: Host) -> None:
        made = cards(host, 1)
        set_pool(host, restrictions={"restrict_integrated_gpu_passthrough": "true"})
        assert await host.refused("PGPU.disable_dom0_access", made.pgpus[0]) == ["FEATURE_RESTRICTED"]

    over_host(body)


def test_a_vm_has_the_devices_that_it_names() -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm = await host.vm(other_config={"pci": "0/0000:08:00.0,1/0000:99:00.0"})
        await host.call("VM.start", vm, False, False)
        assert fields_of(host, vm, "attached_PCIs") == ((host.id(made.pcis[0]),),)
        for operation in ("suspend", "checkpoint", "pool_migrate"):
            assert operation not in host.row(vm)["allowed_operations"]
        await host.call("VM.hard_shutdown", vm)
        assert fields_of(host, made.pcis[0], "attached_VMs") == ((),)

    over_host(body)
