"""Trusted platform modules."""

from __future__ import annotations

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host
from tests.fake_xapi.verbs.kit.networks import fields_of


def test_a_vm_has_one_module() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        assert "create_vtpm" in host.row(vm)["allowed_operations"]
        vtpm = await host.call("VTPM.create", vm, True)
        assert fields_of(host, vtpm, "VM", "is_unique", "is_protected", "persistence_backend") == (host.id(vm), True, False, "xapi")
        assert "create_vtpm" not in host.row(vm)["allowed_operations"]
        assert await host.refused("VTPM.create", vm, False) == ["VTPM_MAX_AMOUNT_REACHED", "1"]
        assert fields_of(host, vm, "current_operations") == ({},)
        await host.call("VTPM.destroy", vtpm)
        assert (fields_of(host, vm, "VTPMs"), host.world.count("secret")) == (((),), 0)

    over_host(body)


def test_a_module_comes_and_goes_while_its_vm_is_halted() -> None:
    async def body(host: Host) -> None:
        vm, other = await host.vm(), await host.vm()
        vtpm = await host.call("VTPM.create", vm, False)
        for each in (vm, other):
            await host.call("VM.start", each, False, False)
        assert await host.refused("VTPM.create", other, False) == ["VM_BAD_POWER_STATE", other, "halted", "running"]
        assert await host.refused("VTPM.destroy", vtpm) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]

    over_host(body)


def test_what_a_module_knows_is_a_secret() -> None:
    async def body(host: Host) -> None:
        vtpm = await host.call("VTPM.create", await host.vm(), False)
        assert await host.call("VTPM.get_contents", vtpm) == ""
        await host.call("VTPM.set_contents", vtpm, "AAEC")
        assert await host.call("VTPM.get_contents", vtpm) == "AAEC"
        assert (host.world.count("secret"), host.world[host.row(vtpm)["contents"]]["value"]) == (1, "AAEC")
        assert (await host.refused("VTPM.set_contents", vtpm, "no base64!"))[0] == "INTERNAL_ERROR"
        assert await host.call("VTPM.get_contents", vtpm) == "AAEC"

    over_host(body)


@pytest.mark.parametrize("release", ["boston", "tampa", "clearwater"])
def test_the_releases_of_2012_know_the_word_and_no_module(release: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("VTPM.create", {"VM": await host.vm(), "backend": "OpaqueRef:NULL"})

    assert over_host(body, release) == ["NOT_IMPLEMENTED", "VTPM.create"]
