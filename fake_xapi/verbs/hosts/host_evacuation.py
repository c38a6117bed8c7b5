"""Evacuation of a host: where each VM would go, why one cannot leave, and the moves themselves, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call, Verb
from fake_xapi.verbs.migrations.pool_migration import pool_migrate
from fake_xapi.verbs.pools import ha_plan, rolling_upgrade
from fake_xapi.verbs.vms import memory, placement

BATCH = 10
Plan = Mapping[Id, Id | Failure]
"""Where each VM goes, or why it cannot."""


def plan_for(world: World, host: Id) -> Plan:
    """Assign the VMs to hosts, the largest first, each to the host that has most room left."""
    vms = [vm for vm in world[host]["resident_VMs"] if not world[vm]["is_control_domain"]]
    targets = [other for other in ha_plan.survivors(world, {host}) if rolling_upgrade.is_not_older(world, host, other)]
    free = {target: memory.spare_bytes(world, target) for target in targets}
    plan: dict[Id, Id | Failure] = {}
    for vm in sorted(vms, key=lambda vm: (-memory.needed_bytes(world[vm]), vm)):
        plan[vm] = place = _unprotected(world, vm) or _place(world, vm, free)
        if not isinstance(place, Failure):
            free[place] -= memory.needed_bytes(world[vm])
    return {vm: plan[vm] for vm in vms}


def _unprotected(world: World, vm: Id) -> Failure | None:
    """The refusal to move, with high availability on, a VM that it does not protect."""
    pool = world.get(POOL)
    is_looked_after = pool is None or not pool["ha_enabled"] or world[vm]["ha_restart_priority"] != ""
    return None if is_looked_after else Failure("HOST_EVACUATE_VM_NOT_HA_PROTECTED", Handle(vm))


def _place(world: World, vm: Id, free: Mapping[Id, int]) -> Id | Failure:
    refused = LIFECYCLES["VM"].check(world, vm, "pool_migrate")
    if refused is not None:
        return refused
    if not free:
        return Failure("NO_HOSTS_AVAILABLE", Handle(vm))
    reasons = {target: placement.refusal(world, vm, target, placement.REASONS_BUT_SIZE) for target in free}
    open_ones = [target for target, reason in reasons.items() if reason is None]
    roomy = [target for target in open_ones if free[target] >= memory.needed_bytes(world[vm])]
    if roomy:
        return max(roomy, key=lambda target: (free[target], -target))
    return Failure("HOST_NOT_ENOUGH_FREE_MEMORY", Handle(vm)) if open_ones else next(reason for reason in reasons.values() if reason)


def get_vms_which_prevent_evacuation(call: Call, host: Id) -> dict[Id, list[str]]:
    """The resident VMs that no other host could take, with the reason for each."""
    plan = plan_for(call.world, host)
    return {vm: _texts(call.world, place) for vm, place in plan.items() if isinstance(place, Failure)}


def _texts(world: World, failure: Failure) -> list[str]:
    return [failure.code, *(world.ref(param) if isinstance(param, Handle) else param for param in failure.params)]


def assert_can_evacuate(call: Call, host: Id) -> None:
    """Raise CANNOT_EVACUATE_HOST ["CODE,param|CODE,param"] when some VM could not leave."""
    stuck = get_vms_which_prevent_evacuation(call, host)
    if stuck:
        raise Failure("CANNOT_EVACUATE_HOST", "|".join(",".join(reason) for reason in stuck.values()))


async def evacuate(call: Call, host: Id, network: Id = 0, batch_size: int = 0) -> None:
    """Move every VM away, a few at a time; if one cannot leave, none is moved and its reason is raised.

    NO_HOSTS_AVAILABLE [vm], HOST_EVACUATE_VM_NOT_HA_PROTECTED [vm], HOST_NOT_ENOUGH_FREE_MEMORY [vm], or what refuses its move.
    """
    plan = plan_for(call.world, host)
    for place in plan.values():
        if isinstance(place, Failure):
            raise place
    moves = [(vm, place) for vm, place in plan.items() if not isinstance(place, Failure)]
    options = {"live": "true"} | ({"network": call.world.ref(network)} if network else {})
    size = batch_size if batch_size > 0 else BATCH
    for begin in range(0, len(moves), size):
        batch = moves[begin : begin + size]
        await asyncio.gather(*(pool_migrate(call, vm, target, options) for vm, target in batch))
        call.progress((begin + len(batch)) / len(moves))


VERBS: Mapping[str, Verb] = {
    "host.evacuate": evacuate,
    "host.assert_can_evacuate": assert_can_evacuate,
    "host.get_vms_which_prevent_evacuation": get_vms_which_prevent_evacuation,
}
