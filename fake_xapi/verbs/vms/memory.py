"""How much of its host's memory a VM takes, and how much a host has left. Bytes throughout."""

from __future__ import annotations

import math

from fake_xapi.lifecycle.guests import configured_domain_type
from fake_xapi.lifecycle.rules import AnyRow
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World

MIB = 1 << 20
MOST_BYTES = (1 << 63) - 1
"""An int of the database is no larger."""
_PAGES_PER_MIB = 256
_INTERNAL_MIB = {"hvm": 1, "pv": 0, "pvh": 1, "pv_in_pvh": 1}
_COMING = ("vm_start", "vm_resume", "vm_migrate")


def overhead_bytes(vm: AnyRow) -> int:
    """What a VM costs on top of its own memory: shadow pages, pages per VCPU, and the shim of a PV guest in PVH."""
    kind = configured_domain_type(vm)
    static_max_mib: int = vm["memory_static_max"] // MIB
    vcpus: int = vm["VCPUs_max"]
    shadow_mib = math.ceil((256 * vcpus + 2 * static_max_mib) / _PAGES_PER_MIB)
    vcpu_mib = math.ceil(38 * vcpus / _PAGES_PER_MIB)
    shim_mib = 23 + static_max_mib // 90 if kind == "pv_in_pvh" else 0
    wanted = shadow_mib * vm["HVM_shadow_multiplier"]
    shadow = max(1, int(wanted)) if math.isfinite(wanted) else 1
    return min((_INTERNAL_MIB[kind] + 1 + shadow + vcpu_mib + shim_mib) * MIB, MOST_BYTES)


def taken_bytes(vm: AnyRow) -> int:
    """What a VM on a host takes: its target and its overhead."""
    target: int = vm["memory_target"] or vm["memory_dynamic_max"]
    return target + int(vm["memory_overhead"])


def needed_bytes(vm: AnyRow) -> int:
    """The least memory with which a VM can start."""
    return int(vm["memory_dynamic_min"]) + overhead_bytes(vm)


def free_bytes(world: World, host: Id, *, besides: Id = 0) -> int:
    """The memory that a host has left for VMs, leaving out ``besides`` but counting VMs that are on their way to it."""
    row = world[host]
    metrics = world.get(row["metrics"])
    total: int = metrics["memory_total"] if metrics else 0
    taken = sum(taken_bytes(world[vm]) for vm in row["resident_VMs"] if vm != besides)
    return max(0, total - int(row["memory_overhead"]) - taken - _promised_bytes(world, host, row, besides))


def spare_bytes(world: World, host: Id, *, besides: Id = 0) -> int:
    """The memory that a host would have left if its VMs gave back all they can spare: XAPI plans with this figure before a VM arrives."""
    vms = (world[vm] for vm in world[host]["resident_VMs"] if vm != besides)
    return free_bytes(world, host, besides=besides) + sum(_spared(vm) for vm in vms if not vm["is_control_domain"])


def _spared(vm: AnyRow) -> int:
    return max(0, int(vm["memory_target"] or vm["memory_dynamic_max"]) - int(vm["memory_dynamic_min"]))


def _promised_bytes(world: World, host: Id, row: AnyRow, besides: Id) -> int:
    """The memory reserved for VMs that are scheduled here but have not arrived: computed only while the host is marked for some."""
    if not any(operation in _COMING for operation in row["current_operations"].values()):
        return 0
    scheduled = (vm for vm, other in world.rows("VM") if other["scheduled_to_be_resident_on"] == host and vm != besides)
    return sum(needed_bytes(world[vm]) for vm in scheduled)


def is_ordered(static_min: int, dynamic_min: int, dynamic_max: int, static_max: int) -> bool:
    """Whether the limits of a VM's memory are in their required order."""
    return 0 <= static_min <= dynamic_min <= dynamic_max <= static_max
