"""Busy objects: a call waits its turn, or is refused when the policy says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.fake_xapi.engine.kit import Kit, over_xapi
from tests.fake_xapi.engine.test_tasks import SLOW, _vm

REFUSING = replace(SLOW, waits_for_busy=False)


def test_a_call_waits_until_the_object_is_free() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        await kit.call("VM.start", vm, False, False)
        pausing = asyncio.create_task(kit.call("VM.pause", vm))
        await asyncio.sleep(1)
        snapshot = await kit.call("VM.snapshot", vm, "copy")
        assert pausing.done()
        assert await kit.call("VM.get_snapshot_info", snapshot) == {
            "power-state-at-snapshot": "Paused",
            "disk-snapshot-type": "crash_consistent",
        }
        assert asyncio.get_running_loop().time() == 20.0

    over_xapi(body, settings=SLOW)


def test_by_policy_a_busy_object_is_refused_at_once_with_operation_and_task() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        task = await kit.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(1)
        assert await kit.refused("VM.destroy", vm) == ["OTHER_OPERATION_IN_PROGRESS", "VM", vm, "start", task]

    over_xapi(body, settings=REFUSING)


def test_the_wait_has_an_end() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        task = await kit.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(1)
        assert await kit.refused("VM.destroy", vm) == ["OTHER_OPERATION_IN_PROGRESS", "VM", vm, "start", task]
        assert asyncio.get_running_loop().time() == 5.0

    over_xapi(body, settings=replace(SLOW, busy_deadline_s=4.0))


def test_a_refused_call_changes_nothing() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        before = kit.world.value
        await kit.refused("VM.pause", vm)
        assert kit.world.value is before

    over_xapi(body)


def test_what_is_allowed_follows_what_is_under_way() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        assert "start" in await kit.call("VM.get_allowed_operations", vm)
        starting = asyncio.create_task(kit.call("VM.start", vm, False, False))
        await asyncio.sleep(1)
        assert "start" not in await kit.call("VM.get_allowed_operations", vm)
        await starting
        assert "hard_shutdown" in await kit.call("VM.get_allowed_operations", vm)

    over_xapi(body, settings=SLOW)


def test_those_who_wait_for_an_object_go_on_in_the_order_in_which_they_came() -> None:
    async def body(kit: Kit) -> None:
        vm, order = kit.made("VM"), []

        async def wait(number: int) -> None:
            await kit.xapi.admission.pause_for(vm)
            order.append(number)

        waiting = [asyncio.create_task(wait(number)) for number in range(40)]
        await asyncio.sleep(0)
        kit.xapi.admission.wake(vm)
        await asyncio.gather(*waiting)
        assert (order, asyncio.get_running_loop().time()) == (list(range(40)), 0.0)

    over_xapi(body)
