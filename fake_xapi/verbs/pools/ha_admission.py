"""What high availability forbids, and what it records in the pool: whether it could keep its promises."""

from __future__ import annotations

from collections.abc import Collection

from fake_xapi.datamodel.failure import Failure
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.pools import ha_plan


def assert_off(world: World) -> None:
    """Raise HA_IS_ENABLED while high availability is on."""
    if is_on(world):
        raise Failure("HA_IS_ENABLED")


def is_on(world: World) -> bool:
    """Whether high availability is on."""
    pool = world.get(POOL)
    return pool is not None and bool(pool["ha_enabled"])


def assert_host_can_be_disabled(world: World, host: Id) -> None:
    """Raise HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN when the pool cannot spare a host."""
    _assert_plan(world, ha_plan.protected(world), {host})


def assert_vm_can_run(world: World, vm: Id) -> None:
    """Raise HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN when a VM that is about to start is protected and would be one too many."""
    if world[vm]["ha_restart_priority"] == ha_plan.RESTART:
        assert_vm_can_be_protected(world, vm)


def is_to_run(edit: Edit, vm: Id) -> None:
    """Note that somebody has started a VM: from now on HA keeps it running, if it is protected."""
    edit.set(vm, ha_always_run=edit[vm]["ha_restart_priority"] == ha_plan.RESTART)


def is_to_rest(edit: Edit, vm: Id) -> None:
    """Note that somebody has stopped a VM: HA leaves it alone."""
    edit.set(vm, ha_always_run=False)


def assert_vm_can_be_protected(world: World, vm: Id) -> None:
    """Raise HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN when one more protected VM would be too many."""
    _assert_plan(world, ha_plan.protected(world) | {vm}, ())


def _assert_plan(world: World, vms: Collection[Id], disabled: Collection[Id]) -> None:
    """Raise when the change would end an existing plan; a pool that allows overcommitment, or has no plan anyway, accepts anything."""
    pool = world.get(POOL)
    if pool is None or not pool["ha_enabled"] or pool["ha_allow_overcommit"]:
        return
    wanted = pool["ha_host_failures_to_tolerate"]
    if ha_plan.exists_for(world, wanted, ha_plan.protected(world)) and not ha_plan.exists_for(world, wanted, vms, disabled):
        raise Failure("HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN")


def plan_anew(call: Call) -> None:
    """Record how many failures the plan covers, and raise an alert when that is less than was asked for."""
    world = call.world
    if not is_on(world):
        return
    pool, wanted = world[POOL], world[POOL]["ha_host_failures_to_tolerate"]
    possible = min(wanted, ha_plan.most_failures(world))
    if possible < pool["ha_plan_exists_for"]:
        call.announce("HA_POOL_DROP_IN_PLAN_EXISTS_FOR", POOL, str(possible))
    if possible < wanted and not pool["ha_overcommitted"]:
        call.announce("HA_POOL_OVERCOMMITTED", POOL, f"The failover tolerance for pool '{pool['name_label']}' has dropped")
    with world.edit() as edit:
        edit.set(POOL, ha_plan_exists_for=possible, ha_overcommitted=possible < wanted)
