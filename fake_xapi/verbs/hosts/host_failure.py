"""A host that falls silent, as its pool sees it: missed after a while, or fenced at once, with its VMs restarted by high availability."""

from __future__ import annotations

import asyncio

from fake_xapi.datamodel.failure import Failure
from fake_xapi.guest.life import end_life
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.dates import moment
from fake_xapi.verbs.hosts import dom0_files, host_enabling, host_power
from fake_xapi.verbs.pools import ha_admission, ha_plan, pool_roles
from fake_xapi.verbs.pools.pool_ha import PREVENTED, is_armed
from fake_xapi.verbs.vms import domains, vm_power

ASSUMED_DEAD_S = 600.0
HEARTBEAT_S = 30.0
HA_TIMEOUT_S = 60.0


async def miss(call: Call, host: Id) -> None:
    """Declare a host dead after a sufficiently long silence; without HA nobody notices a silent master."""
    if is_armed(call.world, host):
        await asyncio.sleep(float(call.world[POOL]["ha_configuration"].get("timeout", HA_TIMEOUT_S)))
        await _fail_over(call, host)
    elif host != call.world[POOL]["master"]:
        await asyncio.sleep(ASSUMED_DEAD_S)
        if call.world.get(host) is not None:
            host_power.set_live(call, host, is_live=False)


async def welcome(call: Call, host: Id) -> None:
    """Hear a host's heartbeat again. A host that was fenced in the meantime has to boot first."""
    if call.world.get(host) is None:
        return
    if is_armed(call.world, host) and not call.world[call.world[host]["metrics"]]["live"]:
        call.machines.switch_off(host)
        await host_power.boot(call, host)
        call.machines.tell_master(host)
        return
    await asyncio.sleep(HEARTBEAT_S)
    if call.world.get(host) is not None:
        host_power.set_live(call, host, is_live=True)


async def hello(call: Call, host: Id) -> None:
    """Hear from a new member that it has restarted."""
    await call.takes("xapi.restart")
    if call.world.get(host) is not None:
        with call.world.edit() as edit:
            host_power.connect(call, edit, host)
            host_enabling.enable_after_boot(call.world, edit, host)
        host_power.set_live(call, host, is_live=True)


async def _fail_over(call: Call, host: Id) -> None:
    """Carry on without a host that has fenced itself, and restart its VMs."""
    world = call.world
    name = world[host]["name_label"]
    call.announce("HA_HOST_FAILED", host, f"Server '{name}' has failed")
    if host == world[POOL]["master"]:
        pool_roles.elect(call)
    host_power.set_live(call, host, is_live=False)
    lost = [vm for vm in world[host]["resident_VMs"] if not world[vm]["is_control_domain"]]
    halt_all(call, lost)
    with world.edit() as edit:
        edit.set(host, enabled=False)
    call.spawn(f"restarts for {host}", _restart(call, lost))
    ha_admission.plan_anew(call)


def halt_all(call: Call, vms: list[Id]) -> None:
    """Halt the VMs of a host: their domains are gone with it."""
    for vm in vms:
        end_life(call, vm)
    with call.world.edit() as edit:
        for vm in vms:
            domains.halt(edit, vm, call.now())


async def _until_restarts_are_allowed(call: Call) -> None:
    until = dom0_files.read(call.world, PREVENTED)
    if until is not None:
        await asyncio.sleep(max(0.0, (moment(until) - moment(call.now())).total_seconds()))


async def _restart(call: Call, lost: list[Id]) -> None:
    """Restart protected VMs in their order, each group after the delay of the one before, then those that are merely to be tried."""
    await _until_restarts_are_allowed(call)
    world, waits = call.world, {ha_plan.RESTART: 0, ha_plan.BEST_EFFORT: 1}
    wanted = [vm for vm in lost if world.get(vm) is not None and world[vm]["ha_restart_priority"] in waits]
    for vm in sorted(wanted, key=lambda vm: (waits[world[vm]["ha_restart_priority"]], world[vm]["order"], vm)):
        await asyncio.sleep(world[vm]["start_delay"])
        await _start(call, vm)


async def _start(call: Call, vm: Id) -> None:
    try:
        async with call.operating((vm, "start")):
            await vm_power.start(call, vm, start_paused=False, force=False)
    except Failure as failure:
        if _is_protected(call.world, vm):
            label = call.world[vm]["name_label"]
            call.announce("HA_PROTECTED_VM_RESTART_FAILED", vm, f"Protected VM '{label}' could not be restarted: {failure.code}")


def _is_protected(world: World, vm: Id) -> bool:
    row = world.get(vm)
    return row is not None and row["ha_restart_priority"] == ha_plan.RESTART
