"""Power operations: what they ask for, what becomes of the rows, and who is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from tests.fake_xapi.verbs.kit.hosts import GIB, MIB, NULL, Host, add_host, over_host

REALISTIC = Settings(durations=durations("realistic"))


def _facts(host: Host, ref: str, *names: str) -> dict[str, Any]:
    row = host.row(ref)
    return {name: row[name] for name in names}


def test_a_started_vm_is_resident_with_its_devices_attached_and_its_console_open() -> None:
    async def body(host: Host) -> None:
        vm, _, vbd, vif = await host.server()
        await host.call("VM.start", vm, False, False)
        row = host.row(vm)
        assert _facts(host, vm, "power_state", "resident_on", "scheduled_to_be_resident_on", "domid", "current_operations") == {
            "power_state": "Running",
            "resident_on": host.id(host.host),
            "scheduled_to_be_resident_on": 0,
            "domid": 1,
            "current_operations": {},
        }
        assert row["last_boot_CPU_flags"] == {"vendor": "GenuineIntel", "features": "1fc9"}
        assert _facts(host, vbd, "currently_attached", "device", "current_operations") == {
            "currently_attached": True,
            "device": "xvda",
            "current_operations": {},
        }
        assert _facts(host, vif, "currently_attached", "current_operations") == {"currently_attached": True, "current_operations": {}}
        consoles = [host.world[console] for console in row["consoles"]]
        assert [console["protocol"] for console in consoles] == ["rfb", "vt100"]
        assert [console["location"] for console in consoles] == [
            f"https://10.0.0.1/console?uuid={host.world.uuid(console)}" for console in row["consoles"]
        ]
        metrics = host.world[row["metrics"]]
        assert (metrics["VCPUs_number"], metrics["memory_actual"], metrics["current_domain_type"], metrics["start_time"]) == (
            2,
            GIB,
            "pv",
            "20120801T00:00:00Z",
        )
        assert host.row(host.host)["resident_VMs"] == (host.id(vm),)
        assert host.row(host.host)["current_operations"] == {}

    over_host(body)


def test_a_started_vm_is_announced_with_its_host() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        message = host.world[next(host.world.ids("message"))]
        uuid, host_uuid = host.world.uuid(host.id(vm)), host.world.uuid(host.id(host.host))
        assert (message["name"], message["cls"], message["obj_uuid"], message["priority"]) == ("VM_STARTED", "VM", uuid, 5)
        assert message["body"] == f"VM 'web' (uuid: {uuid}) started on host: h (uuid: {host_uuid})"

    over_host(body)


@pytest.mark.parametrize(
    ("calls", "state", "announced"),
    [
        ([("VM.start", True, False)], "Paused", ["VM_STARTED"]),
        ([("VM.start", False, False), ("VM.pause",)], "Paused", ["VM_STARTED", "VM_PAUSED"]),
        ([("VM.start", True, False), ("VM.unpause",)], "Running", ["VM_STARTED", "VM_UNPAUSED"]),
        ([("VM.start", False, False), ("VM.suspend",)], "Suspended", ["VM_STARTED", "VM_SUSPENDED"]),
        (
            [("VM.start", False, False), ("VM.suspend",), ("VM.resume", False, False)],
            "Running",
            ["VM_STARTED", "VM_SUSPENDED", "VM_RESUMED"],
        ),
        ([("VM.start", False, False), ("VM.suspend",), ("VM.resume", True, False)], "Paused", ["VM_STARTED", "VM_SUSPENDED", "VM_RESUMED"]),
        ([("VM.start", False, False), ("VM.suspend",), ("VM.hard_shutdown",)], "Halted", ["VM_STARTED", "VM_SUSPENDED", "VM_SHUTDOWN"]),
        ([("VM.start", False, False), ("VM.clean_shutdown",)], "Halted", ["VM_STARTED", "VM_SHUTDOWN"]),
        ([("VM.start", False, False), ("VM.hard_shutdown",)], "Halted", ["VM_STARTED", "VM_SHUTDOWN"]),
        ([("VM.start", True, False), ("VM.hard_shutdown",)], "Halted", ["VM_STARTED", "VM_SHUTDOWN"]),
        ([("VM.start", False, False), ("VM.shutdown",)], "Halted", ["VM_STARTED", "VM_SHUTDOWN"]),
        ([("VM.start", True, False), ("VM.shutdown",)], "Halted", ["VM_STARTED", "VM_SHUTDOWN"]),
        ([("VM.start", False, False), ("VM.clean_reboot",)], "Running", ["VM_STARTED", "VM_REBOOTED"]),
        ([("VM.start", False, False), ("VM.hard_reboot",)], "Running", ["VM_STARTED", "VM_REBOOTED"]),
        ([("VM.start", True, False), ("VM.hard_reboot",)], "Running", ["VM_STARTED", "VM_REBOOTED"]),
        ([("VM.start", False, False), ("VM.checkpoint", "cp")], "Running", ["VM_STARTED", "VM_CHECKPOINTED"]),
    ],
)
def test_transitions(calls: list[tuple[Any, ...]], state: str, announced: list[str]) -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        for method, *params in calls:
            await host.call(method, vm, *params)
        assert host.row(vm)["power_state"] == state
        assert host.bodies() == announced
        assert host.row(vm)["current_operations"] == {}

    over_host(body)


@pytest.mark.parametrize("method", ["VM.clean_shutdown", "VM.hard_shutdown"])
def test_a_halted_vm_has_let_go_of_everything_but_its_guest_metrics(method: str) -> None:
    async def body(host: Host) -> None:
        vm, _, vbd, vif = await host.server()
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        guest = host.row(vm)["guest_metrics"]
        await host.call(method, vm)
        assert _facts(host, vm, "resident_on", "domid", "consoles", "suspend_VDI", "requires_reboot") == {
            "resident_on": 0,
            "domid": -1,
            "consoles": (),
            "suspend_VDI": 0,
            "requires_reboot": False,
        }
        assert (host.row(vbd)["currently_attached"], host.row(vif)["currently_attached"]) == (False, False)
        assert guest
        assert host.row(vm)["guest_metrics"] == guest
        metrics = host.world[host.row(vm)["metrics"]]
        assert (metrics["VCPUs_number"], metrics["current_domain_type"]) == (0, "unspecified")

    over_host(body)


def test_a_suspended_vm_keeps_its_devices_and_sleeps_in_a_vdi() -> None:
    async def body(host: Host) -> None:
        vm, _, vbd, vif = await host.server()
        await host.call("VM.start", vm, False, False)
        await host.call("VM.suspend", vm)
        row = host.row(vm)
        image = host.world[row["suspend_VDI"]]
        assert (row["resident_on"], row["domid"], row["consoles"]) == (0, -1, ())
        assert (host.row(vbd)["currently_attached"], host.row(vif)["currently_attached"]) == (True, True)
        assert (image["name_label"], image["type"]) == ("Suspend image", "suspend")
        assert image["virtual_size"] >= int(GIB * 1.26) + 100 * MIB
        await host.call("VM.resume", vm, False, False)
        assert host.row(vm)["suspend_VDI"] == 0
        assert host.world.get(row["suspend_VDI"]) is None

    over_host(body)


def test_suspending_needs_a_place_and_room_in_it() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        host.set(host.sr, physical_size=MIB, physical_utilisation=0)
        assert await host.refused("VM.suspend", vm) == ["SR_SUSPEND_SPACE_INSUFFICIENT", host.sr]
        with host.world.edit() as edit:
            edit.set(next(host.world.ids("pool")), suspend_image_SR=0)
        assert await host.refused("VM.suspend", vm) == ["VM_NO_SUSPEND_SR", vm]
        assert host.row(vm)["power_state"] == "Running"

    over_host(body)


def test_every_domain_has_a_number_of_its_own() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        numbers = [host.row(vm)["domid"]]
        for method in ("VM.clean_reboot", "VM.hard_reboot"):
            await host.call(method, vm)
            numbers.append(host.row(vm)["domid"])
        await host.call("VM.pause", vm)
        await host.call("VM.unpause", vm)
        assert host.row(vm)["domid"] == numbers[-1]
        await host.call("VM.hard_shutdown", vm)
        await host.call("VM.start", vm, False, False)
        numbers.append(host.row(vm)["domid"])
        assert numbers == sorted(set(numbers))

    over_host(body)


def test_a_hard_shutdown_ends_a_clean_one() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        task = await host.call("Async.VM.clean_shutdown", vm)
        await asyncio.sleep(0.5)
        assert list(host.row(vm)["current_operations"].values()) == ["clean_shutdown"]
        await host.call("VM.hard_shutdown", vm)
        assert host.row(vm)["power_state"] == "Halted"
        assert host.row(task)["status"] == "cancelled"
        assert host.bodies() == ["VM_STARTED", "VM_SHUTDOWN"]

    over_host(body, settings=REALISTIC)


def test_a_cancelled_start_leaves_the_vm_halted_and_the_memory_free() -> None:
    async def body(host: Host) -> None:
        vm, _, vbd, _ = await host.server()
        task = await host.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(0.5)
        assert host.row(vm)["scheduled_to_be_resident_on"] == host.id(host.host)
        assert list(host.row(vbd)["current_operations"].values()) == ["attach"]
        assert list(host.row(host.host)["current_operations"].values()) == ["vm_start"]
        await host.call("task.cancel", task)
        await asyncio.sleep(0.5)
        assert host.row(task)["status"] == "cancelled"
        assert _facts(host, vm, "power_state", "scheduled_to_be_resident_on", "current_operations", "consoles") == {
            "power_state": "Halted",
            "scheduled_to_be_resident_on": 0,
            "current_operations": {},
            "consoles": (),
        }
        assert (host.row(vbd)["current_operations"], host.row(host.host)["current_operations"]) == ({}, {})

    over_host(body, settings=REALISTIC)


def test_concurrent_starts_never_promise_the_same_memory_twice() -> None:
    async def body(host: Host) -> None:
        vms = [
            await host.vm(memory_static_max=str(4 * GIB), memory_dynamic_max=str(4 * GIB), memory_dynamic_min=str(4 * GIB))
            for _ in range(6)
        ]
        tasks = [await host.call("Async.VM.start", vm, False, False) for vm in vms]
        await asyncio.sleep(60)
        refusals = [host.row(task)["error_info"] for task in tasks if host.row(task)["status"] == "failure"]
        assert sum(host.row(vm)["power_state"] == "Running" for vm in vms) == 3
        assert [refusal[0] for refusal in refusals] == ["HOST_NOT_ENOUGH_FREE_MEMORY"] * 3
        assert await host.call("host.compute_free_memory", host.host) < 4 * GIB

    over_host(body, settings=REALISTIC)


def test_a_disk_that_another_vm_writes_refuses_the_start() -> None:
    async def body(host: Host) -> None:
        vm, vdi, *_ = await host.server()
        other = await host.vm()
        await host.vbd(other, vdi)
        await host.call("VM.start", vm, False, False)
        assert await host.refused("VM.start", other, False, False) == ["VDI_IN_USE", vdi]
        assert host.row(other)["current_operations"] == {}

    over_host(body)


def test_devices_are_asked_before_the_host() -> None:
    async def body(host: Host) -> None:
        vm, vdi, *_ = await host.server()
        other = await host.vm(memory_static_max=str(64 * GIB), memory_dynamic_max=str(64 * GIB), memory_dynamic_min=str(64 * GIB))
        await host.vbd(other, vdi)
        await host.call("VM.start", vm, False, False)
        assert (await host.refused("VM.start", other, False, False))[0] == "VDI_IN_USE"
        await host.call("VM.hard_shutdown", vm)
        assert (await host.refused("VM.start", other, False, False))[0] == "HOST_NOT_ENOUGH_FREE_MEMORY"

    over_host(body)


def test_an_hvm_guest_needs_writable_disks() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(HVM_boot_policy="BIOS order")
        vbd = await host.vbd(vm, await host.disk(), mode="RO")
        assert await host.refused("VM.start", vm, False, False) == ["DISK_VBD_MUST_BE_READWRITE_FOR_HVM", vbd]

    over_host(body)


def test_the_first_ide_disks_of_an_hvm_guest_were_hd_in_2012() -> None:
    async def body(host: Host) -> list[str]:
        vm = await host.vm(HVM_boot_policy="BIOS order")
        vbds = [await host.vbd(vm, await host.disk(), device) for device in ("0", "5")]
        await host.call("VM.start", vm, False, False)
        assert [host.world[console]["protocol"] for console in host.row(vm)["consoles"]] == ["rfb"]
        return [host.row(vbd)["device"] for vbd in vbds]

    assert over_host(body, "tampa") == ["hda", "xvdf"]
    assert over_host(body) == ["xvda", "xvdf"]


def test_a_vm_is_started_on_the_host_that_was_asked_for() -> None:
    async def body(host: Host) -> None:
        second = add_host(host)
        vm = await host.vm()
        await host.call("VM.start_on", vm, second, False, False)
        assert host.row(vm)["resident_on"] == host.id(second)
        other, *_ = await host.server()
        assert await host.refused("VM.start_on", other, second, False, False) == ["VM_REQUIRES_SR", other, host.sr]
        host.set(second, current_operations={"OpaqueRef:t": "evacuate"})
        assert await host.refused("VM.start_on", await host.vm(), second, False, False) == ["HOST_EVACUATE_IN_PROGRESS", second]
        assert host.row(other)["power_state"] == "Halted"

    over_host(body)


def test_a_vm_prefers_its_affinity_and_then_any_host_but_the_master() -> None:
    async def body(host: Host) -> None:
        second = add_host(host)
        at_home = await host.vm(affinity=host.host)
        anywhere = await host.vm()
        for vm in (at_home, anywhere):
            await host.call("VM.start", vm, False, False)
        assert [host.row(vm)["resident_on"] for vm in (at_home, anywhere)] == [host.id(host.host), host.id(second)]

    over_host(body)


def test_no_host_is_available_when_none_is_enabled() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("host.disable", host.host)
        assert await host.refused("VM.start", vm, False, False) == ["NO_HOSTS_AVAILABLE"]
        await host.call("host.enable", host.host)
        await host.call("VM.start", vm, False, False)

    over_host(body)


def test_a_power_state_is_reset_only_when_the_host_is_gone() -> None:
    async def body(host: Host) -> None:
        second = add_host(host)
        here, there = await host.vm(), await host.vm()
        await host.call("VM.start_on", here, host.host, False, False)
        await host.call("VM.start_on", there, second, False, False)
        domid = str(host.row(here)["domid"])
        assert await host.refused("VM.power_state_reset", here) == ["DOMAIN_EXISTS", here, domid]
        assert await host.refused("VM.power_state_reset", there) == ["HOST_IS_LIVE", second]
        with host.world.edit() as edit:
            edit.set(host.row(second)["metrics"], live=False)
        await host.call("VM.power_state_reset", there)
        assert _facts(host, there, "power_state", "resident_on", "domid") == {"power_state": "Halted", "resident_on": 0, "domid": -1}
        dom0 = host.kit.make("VM", is_control_domain=True, power_state="Running", domid=0)
        assert await host.refused("VM.power_state_reset", dom0) == ["CANNOT_RESET_CONTROL_DOMAIN", dom0]

    over_host(body)


def test_a_start_takes_its_time_and_its_task_tells() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        task = await host.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(1.0)
        assert 0 < host.row(task)["progress"] < 1
        await asyncio.sleep(60)
        assert (host.row(task)["status"], host.row(task)["progress"], host.row(task)["result"]) == ("success", 1, "")
        assert host.row(vm)["guest_metrics"] != 0

    over_host(body, settings=REALISTIC)


def test_start_of_a_vm_whose_place_is_null_is_refused_by_its_handle() -> None:
    async def body(host: Host) -> None:
        assert await host.refused("VM.start", NULL, False, False) == ["HANDLE_INVALID", "VM", NULL]

    over_host(body)
