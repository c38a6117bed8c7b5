"""Tasks: what is seen of a call while it runs and after it, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

from fake_xapi.engine.durations import Duration, Durations
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.tasks import MOST, SLACK
from tests.fake_xapi.engine.kit import Kit, over_xapi

SLOW = Settings(durations=Durations("slow", {"VM.start": Duration(10.0), "VM.pause": Duration(10.0)}))
HOUR_S = 3600.0


async def _vm(kit: Kit) -> str:
    """A PV VM without devices that the host can run."""
    with kit.world.edit() as edit:
        metrics = edit.create("host_metrics", live=True, memory_total=64 << 30, memory_free=60 << 30)
        edit.set(kit.xapi.host, metrics=metrics, capabilities=("xen-3.0-x86_64", "hvm-3.0-x86_64"))
    return await _created(kit)


async def _created(kit: Kit) -> str:
    record: dict[str, Any] = {
        "name_label": "web", "name_description": "", "user_version": "1", "is_a_template": False, "affinity": "OpaqueRef:NULL",
        "memory_static_max": str(1 << 28), "memory_dynamic_max": str(1 << 28), "memory_dynamic_min": str(1 << 28),
        "memory_static_min": str(1 << 28), "VCPUs_params": {}, "VCPUs_max": "1", "VCPUs_at_startup": "1",
        "actions_after_shutdown": "destroy", "actions_after_reboot": "restart", "actions_after_crash": "restart",
        "PV_bootloader": "pygrub", "PV_kernel": "", "PV_ramdisk": "", "PV_args": "", "PV_bootloader_args": "", "PV_legacy_args": "",
        "HVM_boot_policy": "", "HVM_boot_params": {}, "HVM_shadow_multiplier": 1.0, "platform": {}, "PCI_bus": "",
        "other_config": {}, "recommendations": "", "xenstore_data": {}, "ha_restart_priority": "", "tags": [],
    }  # fmt: skip
    vm: str = await kit.call("VM.create", record)
    return vm


async def _finished(kit: Kit, task: str) -> dict[str, Any]:
    while True:
        record: dict[str, Any] = (await kit.call("task.get_record", task)).value()
        if record["status"] != "pending":
            return record
        await asyncio.sleep(0.5)


def test_an_async_call_answers_at_once_with_a_task_that_shows_its_progress() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        task = await kit.call("Async.VM.start", vm, False, False)
        assert asyncio.get_running_loop().time() == 0.0
        await asyncio.sleep(5)
        running = (await kit.call("task.get_record", task)).value()
        assert (running["name_label"], running["status"], running["progress"]) == ("Async.VM.start", "pending", 0.4)
        assert (running["allowed_operations"], running["resident_on"]) == (["cancel"], kit.world.ref(kit.xapi.host))
        assert await kit.call("VM.get_current_operations", vm) == {task: "start"}
        done = await _finished(kit, task)
        assert (done["status"], done["progress"], done["result"], done["allowed_operations"]) == ("success", 1.0, "", [])
        assert await kit.call("VM.get_current_operations", vm) == {}

    over_xapi(body, settings=SLOW)


def test_the_task_of_a_call_that_is_waited_for_is_gone_with_it() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        starting = asyncio.create_task(kit.call("VM.start", vm, False, False))
        await asyncio.sleep(5)
        tasks = (await kit.call("task.get_all_records")).value()
        assert [task["name_label"] for task in tasks.values()] == ["VM.start"]
        await starting
        assert await kit.call("task.get_all") == []

    over_xapi(body, settings=SLOW)


def test_what_is_refused_after_an_async_call_began_is_in_its_task() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        done = await _finished(kit, await kit.call("Async.VM.pause", vm))
        assert (done["status"], done["error_info"], done["progress"]) == ("failure", ["VM_BAD_POWER_STATE", vm, "running", "halted"], 1.0)

    over_xapi(body)


def test_a_result_is_xml() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        done = await _finished(kit, await kit.call("Async.VM.clone", vm, "copy"))
        (copy,) = await kit.call("VM.get_by_name_label", "copy")
        assert (done["status"], done["result"]) == ("success", f"<value>{copy}</value>")

    over_xapi(body)


def test_a_cancelled_call_stops_and_leaves_no_mark() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        task = await kit.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(1)
        await kit.call("task.cancel", task)
        done = await _finished(kit, task)
        assert (done["status"], done["error_info"], asyncio.get_running_loop().time() < 3) == ("cancelled", [], True)
        assert await kit.call("VM.get_current_operations", vm) == {}
        assert await kit.call("VM.get_power_state", vm) == "Halted"

    over_xapi(body, settings=SLOW)


def test_a_finished_task_is_forgotten_after_65_minutes() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        await _finished(kit, await kit.call("Async.VM.start", vm, False, False))
        await asyncio.sleep(HOUR_S)
        assert len(await kit.call("task.get_all")) == 1
        await asyncio.sleep(HOUR_S / 2)
        assert await kit.call("task.get_all") == []

    over_xapi(body)


def test_of_more_than_200_tasks_the_oldest_finished_go() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        for _ in range(250):
            await kit.call("Async.VM.pause", vm)
            await asyncio.sleep(0.1)
        assert MOST - SLACK <= len(await kit.call("task.get_all")) <= MOST + SLACK

    over_xapi(body)


def test_a_client_ends_its_own_task_and_a_destroyed_one_is_gone() -> None:
    async def body(kit: Kit) -> None:
        task = await kit.call("task.create", "upload", "mine")
        await kit.call("task.set_progress", task, 0.5)
        await kit.call("task.add_to_other_config", task, "k", "v")
        await kit.call("task.set_status", task, "success")
        record = (await kit.call("task.get_record", task)).value()
        assert (record["name_description"], record["status"], record["progress"], record["other_config"]) == (
            "mine",
            "success",
            1.0,
            {"k": "v"},
        )
        await kit.call("task.destroy", task)
        assert await kit.refused("task.get_status", task) == ["HANDLE_INVALID", "task", task]

    over_xapi(body)


def test_a_pending_task_that_is_destroyed_goes_when_it_ends() -> None:
    async def body(kit: Kit) -> None:
        vm = await _vm(kit)
        task = await kit.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(1)
        await kit.call("task.destroy", task)
        assert (await kit.call("task.get_status", task), await kit.call("task.get_current_operations", task)) == (
            "pending",
            {"task": "destroy"},
        )
        await asyncio.sleep(20)
        assert await kit.call("task.get_all") == []
        assert await kit.call("VM.get_power_state", vm) == "Running"

    over_xapi(body, settings=SLOW)
