"""Copies and reverts that are cancelled half-way: nothing of them is left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

REALISTIC = Settings(durations=durations("realistic"))
CLASSES = ("VM", "VM_metrics", "VDI", "VBD", "VIF")


def there(host: Host) -> dict[str, list[int]]:
    """The objects that copies make."""
    return {cls: sorted(host.world.ids(cls)) for cls in CLASSES}


async def cancelled(host: Host, after_s: float, method: str, *params: Any) -> str:
    """Begin something, cancel it when it is under way; how it ended."""
    task = await host.call(f"Async.{method}", *params)
    await asyncio.sleep(after_s)
    await host.call("task.cancel", task)
    await asyncio.sleep(1200)  # long enough for the garbage collector
    return str(host.row(task)["status"])


@pytest.mark.parametrize("after_s", [0.3, 1.0])
def test_a_vm_that_was_gone_does_not_come_back_by_half(after_s: float) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.vbd(vm, await host.disk(), "1")
        snapshot = await host.call("VM.snapshot", vm, "kept")
        await host.call("VM.destroy", vm)
        before = there(host)
        assert await cancelled(host, after_s, "VM.revert", snapshot) == "cancelled"
        assert (there(host), host.row(snapshot)["snapshot_of"]) == (before, 0)
        await host.call("VM.revert", snapshot)
        assert host.row(snapshot)["snapshot_of"] != 0

    over_host(body, settings=REALISTIC)


@pytest.mark.parametrize("after_s", [0.3, 1.0])
def test_a_vm_that_is_there_keeps_its_disks(after_s: float) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(120)
        checkpoint = await host.call("VM.checkpoint", vm, "kept")
        await host.call("VM.hard_shutdown", vm)
        before = there(host)
        assert await cancelled(host, after_s, "VM.revert", checkpoint) == "cancelled"
        assert (there(host), host.row(vm)["power_state"]) == (before, "Halted")

    over_host(body, settings=REALISTIC)


@pytest.mark.parametrize(("method", "more"), [("VM.clone", ()), ("VM.copy", ("OpaqueRef:NULL",)), ("VM.snapshot", ())])
@pytest.mark.parametrize("after_s", [0.3, 1.0])
def test_a_copy_that_ends_leaves_no_disk(method: str, more: tuple[str, ...], after_s: float) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.vbd(vm, await host.disk(), "1")
        before = there(host)
        assert await cancelled(host, after_s, method, vm, "x", *more) == "cancelled"
        assert there(host) == before

    over_host(body, settings=REALISTIC)
