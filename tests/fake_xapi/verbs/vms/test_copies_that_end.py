"""Copies that are cancelled half-way, of which nothing is left, and reverts, which nobody cancels."""

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
def test_nobody_cancels_a_revert_whose_half_would_be_a_broken_vm(after_s: float) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.vbd(vm, await host.disk(), "1")
        snapshot = await host.call("VM.snapshot", vm, "kept")
        task = await host.call("Async.VM.revert", snapshot)
        await asyncio.sleep(after_s)
        assert (host.row(task)["status"], host.row(task)["allowed_operations"]) == ("pending", ())
        await host.call("task.cancel", task)
        await asyncio.sleep(1200)
        assert (host.row(task)["status"], host.row(vm)["parent"]) == ("success", host.id(snapshot))

    over_host(body, settings=REALISTIC)


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_revert_that_fails_leaves_a_vm_with_its_disks_or_none(*, is_gone: bool) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        snapshot = await host.call("VM.snapshot", vm, "kept")
        if is_gone:
            await host.call("VM.destroy", vm)
        before = there(host)
        with host.world.edit() as edit:
            (pbd,) = edit[host.id(host.sr)]["PBDs"]
            edit.set(pbd, currently_attached=False)
        refused = await host.refused("VM.revert", snapshot)
        assert (refused[:2], there(host)) == (["VM_REVERT_FAILED", snapshot], before)
        assert is_gone or refused[2] == vm

    over_host(body)


def test_no_room_for_the_disks_of_a_revert_is_told_as_it_is() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        snapshot = await host.call("VM.snapshot", vm, "kept")
        host.set(host.sr, physical_utilisation=host.row(host.sr)["physical_size"])
        assert (await host.refused("VM.revert", snapshot))[0] == "SR_BACKEND_FAILURE_44"

    over_host(body)


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
