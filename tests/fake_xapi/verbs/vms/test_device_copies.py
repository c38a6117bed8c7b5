"""Devices of VMs that are copied, snapshotted, reverted and destroyed."""

from __future__ import annotations

import pytest

from tests.fake_xapi.verbs.kit.cards import cards, vm_with
from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import fields_of


@pytest.mark.parametrize("message", ["VM.clone", "VM.snapshot"])
def test_a_copy_has_cards_of_its_own(message: str) -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm, (vgpu,) = await vm_with(host, made, made.quarter)
        host.set(vgpu, extra_args="vga=std")
        copy = await host.call(message, vm, "copy")
        (own,) = host.row(copy)["VGPUs"]
        names = ("GPU_group", "device", "type", "extra_args")
        assert fields_of(host, host.world.ref(own), *names) == fields_of(host, vgpu, *names)
        assert (own != host.id(vgpu), fields_of(host, host.world.ref(own), "currently_attached", "resident_on")) == (True, (False, 0))

    over_host(body)


def test_a_revert_gives_back_the_cards_of_the_snapshot() -> None:
    async def body(host: Host) -> None:
        made = cards(host)
        vm, (vgpu,) = await vm_with(host, made, made.quarter)
        snapshot = await host.call("VM.snapshot", vm, "s")
        await host.call("VGPU.destroy", vgpu)
        await host.call("VGPU.create", vm, made.group, "0", {}, made.half)
        await host.call("VM.revert", snapshot)
        assert [host.world[each]["type"] for each in host.row(vm)["VGPUs"]] == [host.id(made.quarter)]
        assert host.world.count("VGPU") == 2

    over_host(body)


@pytest.mark.parametrize(("is_unique", "known"), [(False, "AAEC"), (True, "")])
def test_a_copy_s_module_knows_what_may_be_known_twice(is_unique: bool, known: str) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        vtpm = await host.call("VTPM.create", vm, is_unique)
        await host.call("VTPM.set_contents", vtpm, "AAEC")
        clone = await host.call("VM.clone", vm, "copy")
        (own,) = host.row(clone)["VTPMs"]
        assert await host.call("VTPM.get_contents", host.world.ref(own)) == known
        await host.call("VM.destroy", clone)
        assert (host.world.count("VTPM"), host.world.count("secret")) == (1, 1)
        assert await host.call("VTPM.get_contents", vtpm) == "AAEC"

    over_host(body)
