"""A guest's life: the stages of its boot, what it tells, and what ends it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fake_xapi.datamodel.personality import personality
from fake_xapi.engine.call import RunningCall
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings
from fake_xapi.guest.behaviours import FROM_PROFILE, behaviours
from fake_xapi.guest.exits import Exit
from fake_xapi.guest.life import leave_domain
from tests.fake_xapi.verbs.kit.hosts import Host, over_host

REALISTIC = Settings(durations=durations("realistic"))
SLOW = 120.0


def _told(host: Host, vm: str) -> tuple[bool, bool, bool]:
    """Whether there are guest metrics, drivers, and an agent that lives."""
    metrics = host.world.get(host.row(vm)["guest_metrics"])
    if metrics is None:
        return False, False, False
    return True, metrics["PV_drivers_detected"], metrics["live"]


def test_a_guest_boots_in_stages_and_then_is_up() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        seen = [_told(host, vm)]
        for _ in range(240):
            await asyncio.sleep(0.1)
            if seen[-1] != _told(host, vm):
                seen.append(_told(host, vm))
        assert seen == [(False, False, False), (True, True, False), (True, True, True)]
        metrics = host.world[host.row(vm)["guest_metrics"]]
        assert set(metrics["networks"]) == {"0/ip", "0/ipv4/0", "0/ipv6/0"}
        assert metrics["other"]["feature-shutdown"] == "1"
        assert metrics["PV_drivers_version"]["major"] == "7"
        assert metrics["last_updated"] > "20120801T00:00:00Z"

    over_host(body, settings=REALISTIC)


def test_a_task_that_has_ended_hears_no_more_of_the_guest() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        task = await host.call("Async.VM.start", vm, False, False)
        await asyncio.sleep(5)
        assert (host.row(task)["status"], host.row(task)["progress"]) == ("success", 1)
        ended = host.row(task)
        await asyncio.sleep(SLOW)
        assert _told(host, vm) == (True, True, True)
        assert host.row(task) is ended

    over_host(body, settings=REALISTIC)


def test_an_instant_guest_is_up_as_soon_as_somebody_else_may_run() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server()
        await host.call("VM.start", vm, False, False)
        assert _told(host, vm) == (False, False, False)
        await asyncio.sleep(0)
        assert _told(host, vm) == (True, True, True)

    over_host(body)


def test_a_plan_that_goes_in_circles_without_taking_time_lets_others_run() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(other_config={"sim.behaviour": '{"first": "a", "stages": {"a": {"next": ["b"]}, "b": {"next": ["a"]}}}'})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(0)
        await host.call("VM.hard_shutdown", vm)
        assert host.row(vm)["power_state"] == "Halted"

    over_host(body)


def test_an_hvm_guest_can_be_asked_once_its_drivers_are_up() -> None:
    async def body(host: Host) -> None:
        vm, *_ = await host.server(HVM_boot_policy="BIOS order")
        await host.call("VM.start", vm, False, False)
        assert "clean_shutdown" not in host.row(vm)["allowed_operations"]
        assert await host.refused("VM.clean_shutdown", vm) == ["VM_LACKS_FEATURE", vm]
        await asyncio.sleep(SLOW)
        assert "clean_shutdown" in host.row(vm)["allowed_operations"]
        await host.call("VM.clean_shutdown", vm)

    over_host(body, settings=REALISTIC)


def test_hardware_without_a_disk_stops_at_its_firmware() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(HVM_boot_policy="BIOS order")
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(SLOW)
        assert _told(host, vm) == (False, False, False)

    over_host(body, settings=REALISTIC)


def test_shutting_down_a_guest_without_drivers_takes_its_domain_away() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm(HVM_boot_policy="BIOS order")
        await host.call("VM.start", vm, False, False)
        await host.call("VM.shutdown", vm)
        assert host.row(vm)["power_state"] == "Halted"

    over_host(body, settings=REALISTIC)


@pytest.mark.parametrize("method", ["VM.hard_shutdown", "VM.pause"])
def test_a_guest_whose_domain_stands_still_tells_nothing(method: str) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        await host.call(method, vm)
        await asyncio.sleep(SLOW)
        assert _told(host, vm) == (False, False, False)

    over_host(body, settings=REALISTIC)


@pytest.mark.parametrize(("stop", "go"), [(("VM.pause",), ("VM.unpause",)), (("VM.suspend",), ("VM.resume", False, False))])
def test_a_guest_goes_on_booting_where_it_was(stop: tuple[str], go: tuple[str, bool, bool] | tuple[str]) -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        await host.call(stop[0], vm)
        await host.call(go[0], vm, *go[1:])
        await asyncio.sleep(SLOW)
        assert _told(host, vm) == (True, True, True)
        metrics = host.row(vm)["guest_metrics"]
        await host.call(stop[0], vm)
        await host.call(go[0], vm, *go[1:])
        await asyncio.sleep(SLOW)
        assert host.row(vm)["guest_metrics"] == metrics

    over_host(body, settings=REALISTIC)


def test_a_guest_that_is_started_paused_boots_when_it_may() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, True, False)
        await asyncio.sleep(SLOW)
        assert _told(host, vm) == (False, False, False)
        await host.call("VM.unpause", vm)
        await asyncio.sleep(SLOW)
        assert _told(host, vm) == (True, True, True)

    over_host(body, settings=REALISTIC)


def test_a_rebooted_guest_tells_anew() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(SLOW)
        before = host.row(vm)["guest_metrics"]
        await host.call("VM.clean_reboot", vm)
        assert (host.world.get(before), host.row(vm)["guest_metrics"]) == (None, 0)
        await asyncio.sleep(SLOW)
        assert host.row(vm)["guest_metrics"] not in (0, before)
        assert host.world.count("VM_guest_metrics") == 1

    over_host(body, settings=REALISTIC)


def test_a_destroyed_vm_leaves_no_guest() -> None:
    async def body(host: Host) -> None:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        await host.call("VM.hard_shutdown", vm)
        await host.call("VM.destroy", vm)
        await asyncio.sleep(SLOW)
        assert host.world.count("VM_guest_metrics") == 0

    over_host(body, settings=REALISTIC)


def test_every_stage_takes_time_in_the_realistic_profile() -> None:
    of = {stage.of for behaviour in behaviours().values() for stage in behaviour.stages.values() if stage.of}
    assert of == set(FROM_PROFILE)
    assert of < set(durations("realistic").operations)


@pytest.mark.parametrize(
    ("release", "major", "minor"), [("boston", "6", "0"), ("tampa", "6", "1"), ("clearwater", "6", "2"), ("latest", "7", "30")]
)
def test_drivers_are_those_of_the_release(release: str, major: str, minor: str) -> None:
    async def body(host: Host) -> dict[str, str]:
        vm = await host.vm()
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        return dict(host.world[host.row(vm)["guest_metrics"]]["PV_drivers_version"])

    version = over_host(body, release)
    assert (version["major"], version["minor"]) == (major, minor)
    assert personality(release).era in ("boston", "tampa", "clearwater", "modern")


# ---- guests that end by themselves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "action", "state", "message"),
    [
        ("shutdown", "destroy", "Halted", "VM_SHUTDOWN"),
        ("shutdown", "restart", "Running", "VM_SHUTDOWN"),
        ("reboot", "restart", "Running", "VM_REBOOTED"),
        ("reboot", "destroy", "Halted", "VM_REBOOTED"),
        ("crash", "restart", "Running", "VM_CRASHED"),
        ("crash", "destroy", "Halted", "VM_CRASHED"),
        ("crash", "preserve", "Paused", "VM_CRASHED"),
        ("crash", "coredump_and_destroy", "Halted", "VM_CRASHED"),
        ("crash", "rename_restart", "Running", "VM_CRASHED"),
    ],
)
def test_actions_say_what_follows_when_a_guest_ends(how: Exit, action: str, state: str, message: str) -> None:
    async def body(host: Host) -> None:
        vm, _, vbd, _ = await host.server(**{f"actions_after_{how}": action})
        await host.call("VM.start", vm, False, False)
        await asyncio.sleep(1)
        domid = host.row(vm)["domid"]
        xapi = host.kit.xapi
        call = RunningCall(xapi, xapi.personality.messages["VM.start"], "guest", 0)
        assert leave_domain(call, host.id(vm), how) == state
        row = host.row(vm)
        assert (row["power_state"], host.bodies()[-1]) == (state, message)
        assert host.row(vbd)["currently_attached"] == (state != "Halted")
        assert (row["domid"] > domid, row["domid"] == -1) == (state == "Running", state == "Halted")

    over_host(body, settings=replace(Settings()))
