"""The oldest form of clone, ACPI's S3, and sysprep."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.dom0 import xenstore
from tests.fake_xapi.verbs.kit.hosts import Host, over_host


async def started(host: Host) -> str:
    vm = await host.vm()
    await host.call("VM.start", vm, False, False)
    return vm


def test_a_suspended_vm_is_cloned_with_its_memory() -> None:
    async def body(host: Host) -> None:
        vm = await started(host)
        await host.call("VM.suspend", vm)
        clone = await host.call("VM.csvm", vm)
        row = host.row(clone)
        name = host.row(vm)["name_label"]
        assert (row["name_label"], row["power_state"], row["suspend_VDI"] != 0) == (f"{name}-cloned-suspended", "Suspended", True)
        assert row["suspend_VDI"] != host.row(vm)["suspend_VDI"]

    over_host(body)


def test_a_vm_that_is_not_suspended_is_not_cloned_so() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        assert await host.refused("VM.csvm", vm) == ["VM_BAD_POWER_STATE", vm, "suspended", "halted"]

    over_host(body)


@pytest.mark.parametrize("method", ["VM.s3_suspend", "VM.s3_resume"])
def test_a_guest_that_sleeps_in_memory_is_a_running_vm(method: str) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        assert await host.refused(method, vm) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]
        await host.call("VM.start", vm, False, False)
        before = host.row(vm)
        assert await host.call(method, vm) == ""
        assert host.row(vm) == before

    over_host(body)


def write(host: Host, vm: str, **keys: str) -> None:
    class Writer:
        world = host.world

        def now(self) -> str:
            return "20120301T00:00:00Z"

    xenstore.write(Writer(), host.id(vm), {f"control/{name.replace('__', '/').replace('_', '-')}": text for name, text in keys.items()})


@pytest.mark.parametrize(
    ("has_feature", "has_drive", "answers", "text"),
    [
        (True, True, "x" * 32769, "unattend.xml file too large. Maximum size is 32 KiB"),
        (False, True, "<x/>", "VM driver does not support sysprep"),
        (True, False, "<x/>", "CD drive not found or not empty"),
        (True, True, "<x/>", "sysprep not found running - timeout"),
    ],
)
def test_what_keeps_windows_from_being_generalised(has_feature: bool, has_drive: bool, answers: str, text: str) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        if has_drive:
            await host.drive(vm)
        await host.call("VM.start", vm, False, False)
        if has_feature:
            write(host, vm, feature_sysprep="1")
        assert await host.refused("VM.sysprep", vm, answers, 60.0) == ["SYSPREP", vm, text]

    over_host(body)


def test_windows_begins_and_is_left_to_it() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.drive(vm)
        await host.call("VM.start", vm, False, False)
        write(host, vm, feature_sysprep="1")
        asking = asyncio.create_task(host.call("VM.sysprep", vm, "<x/>", 60.0))
        await asyncio.sleep(7)
        assert xenstore.read(host.world, host.id(vm), "control/sysprep/action") == "sysprep"
        write(host, vm, sysprep__action="running")
        assert await asking == ""

    over_host(body)
