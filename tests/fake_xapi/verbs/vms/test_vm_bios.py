"""BIOS strings are given to a VM once."""

from __future__ import annotations

import pytest

from fake_xapi.verbs.vms.vm_bios import MOST_CHARACTERS, generic
from tests.fake_xapi.verbs.kit.hosts import NULL, Host, over_host


def test_they_come_from_a_host_that_the_vm_then_prefers() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        host.set(host.host, bios_strings={"bios-vendor": "x"})
        await host.call("VM.copy_bios_strings", vm, host.host)
        assert (host.row(vm)["bios_strings"], host.row(vm)["affinity"]) == ({"bios-vendor": "x"}, host.id(host.host))
        assert await host.refused("VM.copy_bios_strings", vm, host.host) == ["VM_BIOS_STRINGS_ALREADY_SET"]
        assert await host.refused("VM.set_bios_strings", vm, {}) == ["VM_BIOS_STRINGS_ALREADY_SET"]
        await host.call("VM.set_suspend_VDI", vm, NULL)

    over_host(body)


def test_an_owner_gives_some_and_the_others_are_generic() -> None:
    async def body(host: Host) -> dict[str, str]:
        vm = await host.vm()
        await host.call("VM.set_bios_strings", vm, {"bios-vendor": "Mine", "enclosure-asset-tag": "7"})
        return dict(host.row(vm)["bios_strings"])

    assert over_host(body) == {**generic("modern"), "bios-vendor": "Mine", "enclosure-asset-tag": "7"}


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("oem-1", "x", "Unknown key"),
        ("nonsense", "x", "Unknown key"),
        ("bios-vendor", "", "Value provided is empty"),
        ("bios-vendor", "x" * (MOST_CHARACTERS + 1), "x" * (MOST_CHARACTERS + 1) + f" has length more than {MOST_CHARACTERS} characters"),
        ("bios-vendor", "a\tb", "a\tb has non-printable ASCII characters"),
        ("bios-vendor", "\u00e9", "\u00e9 has non-printable ASCII characters"),
    ],
)
def test_what_nobody_may_give(key: str, text: str, reason: str) -> None:
    async def body(host: Host) -> list[str]:
        return await host.refused("VM.set_bios_strings", await host.vm(), {key: text})

    assert over_host(body) == ["INVALID_VALUE", key, reason]


@pytest.mark.parametrize(("release", "count"), [("boston", 9), ("latest", 16)])
def test_a_vm_that_starts_without_any_gets_generic_ones(release: str, count: int) -> None:
    async def body(host: Host) -> dict[str, str]:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        return dict(host.row(vm)["bios_strings"])

    strings = over_host(body, release)
    assert (len(strings), strings["bios-vendor"], strings["system-product-name"]) == (count, "Xen", "HVM domU")
