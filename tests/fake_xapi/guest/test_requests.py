"""What XAPI asks of a guest, and each way in which it may be taken; the deadlines are on the clock."""

from __future__ import annotations

import asyncio

import pytest

from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.guest.console_log import console_text
from tests.fake_xapi.verbs.kit.hosts import GIB, Host, over_host

REALISTIC = Settings(durations=durations("realistic"))


async def _up(host: Host, **fields: object) -> str:
    vm, *_ = await host.server(**fields)
    await host.call("VM.start", vm, False, False)
    await asyncio.sleep(60)
    return vm


@pytest.mark.parametrize("method", ["VM.clean_shutdown", "VM.clean_reboot"])
@pytest.mark.parametrize(
    ("wish", "seconds", "code", "params"),
    [("hang", 1200, "VM_SHUTDOWN_TIMEOUT", ["1200."]), ("ignore", 60, "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT", [])],
)
def test_a_guest_that_does_not_go_runs_on(method: str, wish: str, seconds: int, code: str, params: list[str]) -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, other_config={"sim.shutdown": wish})
        loop = asyncio.get_running_loop()
        start, before = loop.time(), host.row(vm)["domid"]
        assert await host.refused(method, vm) == [code, vm, *params]
        assert loop.time() - start == seconds
        row = host.row(vm)
        assert (row["power_state"], row["domid"], row["current_operations"]) == ("Running", before, {})
        await host.call("VM.hard_shutdown", vm)

    over_host(body)


@pytest.mark.parametrize(("wish", "least", "most"), [("obey", 3, 9), ("slow:100", 100, 100), ("crash", 3, 9)])
def test_a_guest_that_goes_takes_its_time(wish: str, least: float, most: float) -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, other_config={"sim.shutdown": wish})
        loop = asyncio.get_running_loop()
        start = loop.time()
        await host.call("VM.clean_shutdown", vm)
        assert least <= loop.time() - start <= most
        assert host.row(vm)["power_state"] == "Halted"
        assert host.bodies()[1:] == (["VM_CRASHED", "VM_SHUTDOWN"] if wish == "crash" else ["VM_SHUTDOWN"])
        last = console_text(host.world, host.id(vm)).splitlines()[-1]
        assert last.endswith("sysrq triggered crash" if wish == "crash" else "reboot: Power down")

    over_host(body, settings=REALISTIC)


def test_a_clean_shutdown_that_hangs_can_be_cancelled_and_cut_short() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, other_config={"sim.shutdown": "hang"})
        task = await host.call("Async.VM.clean_shutdown", vm)
        await asyncio.sleep(10)
        await host.call("VM.hard_shutdown", vm)
        assert host.row(vm)["power_state"] == "Halted"
        assert host.row(task)["status"] == "cancelled"

    over_host(body)


def test_a_guest_that_halts_by_itself_meanwhile_has_been_shut_down() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, other_config={"sim.shutdown": "hang", "sim.halt-after": "300"})
        await host.call("VM.clean_shutdown", vm)
        assert host.row(vm)["power_state"] == "Halted"
        assert host.bodies() == ["VM_STARTED", "VM_SHUTDOWN"]

    over_host(body)


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ("hang", ["VM_SUSPEND_TIMEOUT", "1200."]),
        ("ignore", ["VM_FAILED_SUSPEND_ACKNOWLEDGMENT"]),
        ("refuse:a device is passed through", ["VM_NON_SUSPENDABLE", "a device is passed through"]),
    ],
)
def test_a_guest_that_does_not_sleep(wish: str, refusal: list[str]) -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, HVM_boot_policy="BIOS order", other_config={"sim.suspend": wish})
        code, *params = refusal
        assert await host.refused("VM.suspend", vm) == [code, vm, *params]
        assert host.row(vm)["power_state"] == "Running"
        assert ("suspend" in host.row(vm)["allowed_operations"]) == (code != "VM_NON_SUSPENDABLE")
        assert [row["type"] for _, row in host.world.rows("VDI")] == ["user"]

    over_host(body)


@pytest.mark.parametrize("cls", ["VBD", "VIF"])
@pytest.mark.parametrize(
    ("wish", "code", "params"),
    [("refuse:mounted", "DEVICE_DETACH_REJECTED", ["mounted"]), ("hang", "DEVICE_DETACH_TIMEOUT", [])],
)
def test_a_guest_that_keeps_a_device(cls: str, wish: str, code: str, params: list[str]) -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, other_config={"sim.hotplug": wish})
        second = await host.vbd(vm, await host.disk(), "1") if cls == "VBD" else await host.vif(vm, "1")
        await host.call(f"{cls}.plug", second)
        assert await host.refused(f"{cls}.unplug", second) == [code, cls, second, *params]
        assert host.row(second)["currently_attached"]
        await host.call(f"{cls}.unplug_force", second)
        assert not host.row(second)["currently_attached"]

    over_host(body)


# ---- the balloon -----------------------------------------------------------------------------------------------------------------


def _memory(host: Host, vm: str) -> tuple[int, int]:
    return host.row(vm)["memory_target"], host.world[host.row(vm)["metrics"]]["memory_actual"]


def test_a_balloon_goes_to_its_target_and_is_waited_for() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, memory_dynamic_min=str(GIB // 2))
        await host.call("VM.set_memory_target_live", vm, str(GIB // 2))
        assert _memory(host, vm) == (GIB // 2, GIB)
        await host.call("VM.wait_memory_target_live", vm)
        assert _memory(host, vm) == (GIB // 2, GIB // 2)
        assert await host.call("VM.get_cooperative", vm)

    over_host(body, settings=REALISTIC)


def test_a_balloon_that_is_stuck_is_waited_for_in_vain() -> None:
    async def body(host: Host) -> None:
        vm = await _up(host, memory_dynamic_min=str(GIB // 2), other_config={"sim.balloon": "stuck"})
        await host.call("VM.set_memory_target_live", vm, str(GIB // 2))
        task = await host.call("Async.VM.wait_memory_target_live", vm)
        await asyncio.sleep(300)
        assert host.row(task)["error_info"] == ("VM_MEMORY_TARGET_WAIT_TIMEOUT", task)
        assert _memory(host, vm) == (GIB // 2, GIB)
        assert not await host.call("VM.get_cooperative", vm)
        assert await host.call("host.get_uncooperative_resident_VMs", host.host) == [vm]

    over_host(body)
