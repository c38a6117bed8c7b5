"""Appliances: VMs that start and stop together, in their order."""

from __future__ import annotations

import asyncio

import pytest

from tests.fake_xapi.verbs.kit.hosts import Host, over_host


async def _appliance(host: Host, *orders: int, **fields: int) -> tuple[str, list[str]]:
    """An appliance of VMs with these orders."""
    appliance = str(await host.call("VM_appliance.create", {"name_label": "shop", "name_description": ""}))
    vms = [
        await host.vm(name_label=f"vm {order}", order=str(order), **{name: str(value) for name, value in fields.items()})
        for order in orders
    ]
    for vm in vms:
        await host.call("VM.set_appliance", vm, appliance)
    return appliance, vms


def _states(host: Host, vms: list[str]) -> list[str]:
    return [host.row(vm)["power_state"] for vm in vms]


def test_vms_start_in_their_order_and_wait_for_each_others_delays() -> None:
    async def body(host: Host) -> list[list[str]]:
        appliance, vms = await _appliance(host, 2, 1, 1, start_delay=60)
        task = await host.call("Async.VM_appliance.start", appliance, False)
        seen = []
        for _ in range(3):
            await asyncio.sleep(31)
            seen.append(_states(host, vms))
        await asyncio.sleep(60)
        assert await host.call("task.get_status", task) == "success"
        return seen

    assert over_host(body) == [["Halted", "Running", "Running"], ["Running"] * 3, ["Running"] * 3]


def test_they_stop_the_other_way_round() -> None:
    async def body(host: Host) -> list[str]:
        appliance, vms = await _appliance(host, 1, 2, shutdown_delay=60)
        await host.call("VM_appliance.start", appliance, False)
        await host.call("Async.VM_appliance.hard_shutdown", appliance)
        await asyncio.sleep(30)
        return _states(host, vms)

    assert over_host(body) == ["Running", "Halted"]


@pytest.mark.parametrize(
    ("paused", "before", "after"),
    [
        (False, "Halted", "Running"),
        (True, "Halted", "Paused"),
        (False, "Paused", "Running"),
        (True, "Paused", "Paused"),
        (False, "Suspended", "Running"),
        (True, "Suspended", "Paused"),
    ],
)
def test_every_vm_comes_to_run_or_to_stand_ready_whatever_it_was(paused: bool, before: str, after: str) -> None:
    async def body(host: Host) -> str:
        appliance, (vm,) = await _appliance(host, 0)
        if before != "Halted":
            await host.call("VM.start", vm, before == "Paused", False)
        if before == "Suspended":
            await host.call("VM.suspend", vm)
        await host.call("VM_appliance.start", appliance, paused)
        return str(host.row(vm)["power_state"])

    assert over_host(body) == after


@pytest.mark.parametrize("message", ["clean_shutdown", "hard_shutdown", "shutdown"])
def test_every_way_to_stop_halts_the_vms(message: str) -> None:
    async def body(host: Host) -> list[str]:
        appliance, vms = await _appliance(host, 0, 0)
        await host.call("VM_appliance.start", appliance, False)
        await host.call(f"VM_appliance.{message}", appliance)
        return _states(host, vms)

    assert over_host(body) == ["Halted", "Halted"]


def test_one_that_cannot_does_not_hold_up_the_others() -> None:
    async def body(host: Host) -> tuple[list[str], list[str]]:
        appliance, vms = await _appliance(host, 1, 2)
        await host.call("VM.add_to_blocked_operations", vms[0], "start", "broken")
        return await host.refused("VM_appliance.start", appliance, False), _states(host, vms)

    assert over_host(body) == (["OPERATION_PARTIALLY_FAILED", "start"], ["Halted", "Running"])


def test_what_no_vm_needs_is_refused_and_not_listed() -> None:
    async def body(host: Host) -> None:
        appliance, (vm,) = await _appliance(host, 0)
        assert await host.call("VM_appliance.get_allowed_operations", appliance) == ["start"]
        refusal = await host.refused("VM_appliance.shutdown", appliance)
        assert refusal == ["OPERATION_NOT_ALLOWED", "No VM of the appliance can take part in shutdown"]
        await host.call("VM.start", vm, False, False)
        assert await host.call("VM_appliance.get_allowed_operations", appliance) == ["clean_shutdown", "hard_shutdown", "shutdown"]

    over_host(body)


def test_one_operation_at_a_time() -> None:
    async def body(host: Host) -> None:
        appliance, _ = await _appliance(host, 0, start_delay=60)
        await host.call("Async.VM_appliance.start", appliance, False)
        await asyncio.sleep(1)
        assert await host.call("VM_appliance.get_allowed_operations", appliance) == []
        assert list((await host.call("VM_appliance.get_current_operations", appliance)).values()) == ["start"]

    over_host(body)


def test_a_destroyed_appliance_leaves_its_vms() -> None:
    async def body(host: Host) -> str:
        appliance, (vm,) = await _appliance(host, 0)
        await host.call("VM_appliance.destroy", appliance)
        return str(await host.call("VM.get_appliance", vm))

    assert over_host(body) == "OpaqueRef:NULL"
