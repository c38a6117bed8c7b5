"""How the VMs of a host share its memory: each gets its minimum, and the rest is divided in proportion to what they could use on top.

So VMs shrink when another arrives, and grow when one leaves. Only VMs whose dynamic limits differ take part.
"""

from __future__ import annotations

from fake_xapi.datamodel.failure import Failure
from fake_xapi.guest import balloon
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.vms import memory

PATIENCE_S = 20
"""So long the guests have to give memory back that another one needs."""


async def make_room(call: Call, vm: Id, host: Id) -> None:
    """Give an arriving VM its share of a host's memory, and wait until the others have released it.

    Failure VMS_FAILED_TO_COOPERATE [] when one does not: then all keep what they had.
    """
    squeezed = balance(call, host, coming=vm)
    for _ in range(PATIENCE_S):
        if all(_has_given(call, other) for other in squeezed):
            return
        await call.wait(balloon.LOOKS_EVERY_S)
    balance(call, host)
    raise Failure("VMS_FAILED_TO_COOPERATE")


def _has_given(call: Call, vm: Id) -> bool:
    return call.world.get(vm) is None or balloon.is_there(call, vm)


def balance(call: Call, host: Id, *, coming: Id = 0) -> list[Id]:
    """Recompute the memory targets of a host's VMs, including one that is arriving; returns those of the others that have to shrink."""
    world = call.world
    if world.get(host) is None:
        return []
    vms = [vm for vm in world[host]["resident_VMs"] if vm != coming and _is_elastic(world[vm])]
    sharers = [*vms, coming] if coming and _is_elastic(world[coming]) else vms
    if not sharers:
        return []
    left = memory.spare_bytes(world, host, besides=coming) - (memory.needed_bytes(world[coming]) if coming else 0)
    share = _share(left, sum(_span(world[vm]) for vm in sharers))
    before = {vm: world[vm]["memory_target"] for vm in sharers}
    targets = {vm: _target(world[vm], share) for vm in sharers}
    with world.edit() as edit:
        for vm, target in targets.items():
            if target != before[vm]:
                edit.set(vm, memory_target=target)
    for vm in vms:
        if targets[vm] != before[vm]:
            balloon.follow_target(call, vm)
    return [vm for vm in vms if targets[vm] < before[vm]]


def _is_elastic(vm: Row) -> bool:
    return not vm["is_control_domain"] and _span(vm) > 0


def _span(vm: Row) -> int:
    return int(vm["memory_dynamic_max"] - vm["memory_dynamic_min"])


def _share(left: int, wanted: int) -> float:
    return min(1.0, max(0.0, left / wanted))


def _target(vm: Row, share: float) -> int:
    """The minimum plus a share of the range, in whole MiB; a full share is the maximum exactly."""
    if share == 1.0:
        return int(vm["memory_dynamic_max"])
    return int(vm["memory_dynamic_min"]) + int(_span(vm) * share) // memory.MIB * memory.MIB
