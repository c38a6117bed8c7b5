"""What high availability could do for the protected VMs if hosts failed: plans over a world, without side effects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from math import comb

from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.vms import memory, placement

RESTART = "restart"
BEST_EFFORT = "best-effort"
MOST_COMBINATIONS = 300
"""Beyond this number of combinations of failing hosts, only the worst is examined."""


def protected(world: World) -> frozenset[Id]:
    """The protected VMs that run or should run."""
    wanted = ((vm, row) for vm, row in world.rows("VM") if row["ha_restart_priority"] == RESTART)
    return frozenset(vm for vm, row in wanted if row["power_state"] != "Halted" or row["ha_always_run"])


def is_agile(world: World, vm: Id) -> bool:
    """Whether every host of the pool could run it: everything that it uses is shared."""
    row = world[vm]
    hosts = list(world.ids("host"))
    storage = all(world[sr]["shared"] for sr in placement.storage_of(world, row))
    return storage and all(placement.is_visible(world, world[vif]["network"], host) for vif in row["VIFs"] for host in hosts)


def survivors(world: World, failed: Collection[Id]) -> list[Id]:
    """The hosts that could take VMs after some have failed."""
    return [host for host, row in sorted(world.rows("host")) if host not in failed and row["enabled"] and placement.is_live(world, row)]


def restart_plan(world: World, vms: Iterable[Id], failed: Collection[Id]) -> dict[Id, Id]:
    """A host for each VM, the largest first; VMs that fit nowhere are left out."""
    free = {host: memory.spare_bytes(world, host) for host in survivors(world, failed)}
    needed = {vm: memory.needed_bytes(world[vm]) for vm in vms}
    plan: dict[Id, Id] = {}
    for vm in sorted(needed, key=lambda vm: (-needed[vm], vm)):
        host = next((host for host in sorted(free, key=lambda host: (-free[host], host)) if _fits(world, vm, needed[vm], host, free)), 0)
        if host:
            free[host] -= needed[vm]
            plan[vm] = host
    return plan


def _fits(world: World, vm: Id, needed: int, host: Id, free: Mapping[Id, int]) -> bool:
    return needed <= free[host] and placement.refusal(world, vm, host, placement.REASONS_BUT_SIZE) is None


def exists_for(world: World, failures: int, vms: Collection[Id], disabled: Collection[Id] = ()) -> bool:
    """Whether all VMs could be restarted, whichever hosts fail, up to that number."""
    if failures <= 0:
        return True
    hosts = survivors(world, disabled)
    if not vms:
        return failures < len(hosts)
    if failures >= len(hosts) or not all(is_agile(world, vm) for vm in vms):
        return False
    return all(_can_fail(world, {*failed, *disabled}, vms) for failed in _ways_to_fail(world, hosts, failures, vms))


def _ways_to_fail(world: World, hosts: list[Id], failures: int, vms: Collection[Id]) -> Iterable[tuple[Id, ...]]:
    if comb(len(hosts), failures) <= MOST_COMBINATIONS:
        return combinations(hosts, failures)
    load = {host: sum(memory.needed_bytes(world[vm]) for vm in world[host]["resident_VMs"] if vm in vms) for host in hosts}
    return [tuple(sorted(hosts, key=lambda host: (-load[host] - memory.spare_bytes(world, host), host))[:failures])]


def _can_fail(world: World, failed: Collection[Id], vms: Collection[Id]) -> bool:
    lost = [vm for vm in vms if world[vm]["resident_on"] in failed or not world[vm]["resident_on"]]
    return len(restart_plan(world, lost, failed)) == len(lost)


def most_failures(world: World, vms: Collection[Id] | None = None, disabled: Collection[Id] = ()) -> int:
    """How many hosts may fail, whichever they are, such that all VMs can still be restarted."""
    wanted = protected(world) if vms is None else vms
    most = 0
    while exists_for(world, most + 1, wanted, disabled):
        most += 1
    return most
