"""Hosts as people look at them: whether they answer, what runs on them, and which operations are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.faults import Faults
from fake_xapi.fleet.fleet import Fleet, Site
from fake_xapi.state.ids import Id, class_numbers
from fake_xapi.state.row import Row
from fake_xapi.state.value import Table
from fake_xapi.state.world import World

HOSTS_AT_ONCE = 200
"""How many hosts to examine before others get a turn."""
STATES = ("up", "disabled", "isolated", "off", "dead")
"""The states of a host, best first."""
POWER_STATES = ("Running", "Halted", "Paused", "Suspended")


class Cell(NamedTuple):
    """A host on the map: its state by number, its running and its other VMs, its tasks under way, and the rules about it."""

    state: int
    running: int
    resting: int
    tasks: int
    faults: int


class Looks:
    """Summaries of the hosts of a fleet. Results from a table are cached until the table changes."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._vms: dict[str, tuple[Table, Mapping[Id, tuple[int, int]]]] = {}
        self._tasks: dict[str, tuple[Table, int]] = {}

    async def cells(self) -> dict[str, Cell]:
        """All hosts, in order of creation; others get a turn meanwhile."""
        found: dict[str, Cell] = {}
        for number, name in enumerate(list(self._fleet.hosts)):
            if number % HOSTS_AT_ONCE == HOSTS_AT_ONCE - 1:
                await asyncio.sleep(0)
            found[name] = self.cell(name)
        return found

    def cell(self, name: str) -> Cell:
        """One host."""
        xapi = self._fleet.hosts[name]
        running, resting = self._vms_of(name, xapi).get(xapi.host, (0, 0))
        tasks = self._tasks_of(name, xapi.world) if xapi.is_master else 0
        rules = len(self._fleet.faults.about(name)) if self._fleet.faults.rules() else 0
        return Cell(STATES.index(self.state(name)), running, resting, tasks, rules)

    def state(self, name: str) -> str:
        """The state of a host."""
        xapi, faults = self._fleet.hosts[name], self._fleet.faults
        if name in self._fleet.machines.off:
            return "off"
        return _struck(faults, name) or _own_state(xapi)

    def _vms_of(self, name: str, xapi: Xapi) -> Mapping[Id, tuple[int, int]]:
        """The number of VMs on each host of a pool; those that are halted count for the master."""
        table = xapi.world.value.tables[class_numbers()["VM"]]
        key = name if xapi.is_master else xapi.leader.world.seed
        known = self._vms.get(key)
        if known is None or known[0] is not table:
            known = self._vms[key] = (table, _counted(table, xapi.leader.host))
        return known[1]

    def _tasks_of(self, name: str, world: World) -> int:
        table = world.value.tables[class_numbers()["task"]]
        known = self._tasks.get(name)
        if known is None or known[0] is not table:
            known = self._tasks[name] = (table, sum(row["status"] == "pending" for row in table.values()))
        return known[1]


def _struck(faults: Faults, name: str) -> str:
    if faults.is_dead(name):
        return "dead"
    return "isolated" if faults.is_isolated(name) else ""


def _own_state(xapi: Xapi) -> str:
    row = xapi.world.get(xapi.host)
    return "up" if row is not None and row["enabled"] else "disabled"


def is_vm(row: Row) -> bool:
    """Whether a row of class VM is what people call a VM: not a template, snapshot or control domain."""
    return not (row["is_a_template"] or row["is_a_snapshot"] or row["is_control_domain"])


def _counted(table: Table, master: Id) -> Mapping[Id, tuple[int, int]]:
    counts: dict[Id, tuple[int, int]] = {}
    for row in table.values():
        if is_vm(row):
            runs = row["power_state"] in ("Running", "Paused")
            home = row["resident_on"] if runs else master
            running, resting = counts.get(home, (0, 0))
            counts[home] = (running + runs, resting + (not runs))
    return counts


def host_summary(fleet: Fleet, looks: Looks, site: Site) -> dict[str, Any]:
    """One host as plain values."""
    xapi, cell = fleet.hosts[site.name], looks.cell(site.name)
    row = xapi.world.get(xapi.host)
    return {
        "name": site.name,
        "uuid": xapi.world.uuid(xapi.host),
        "url": site.url,
        "state": STATES[cell.state],
        "release": xapi.personality.name,
        "name_label": row["name_label"] if row is not None else "",
        "is_master": xapi.is_master,
        "vms_running": cell.running,
        "vms_resting": cell.resting,
        "tasks": cell.tasks,
        "faults": cell.faults,
    }


def host_detail(fleet: Fleet, looks: Looks, site: Site) -> dict[str, Any]:
    """One host with its VMs, storage and tasks."""
    xapi = fleet.hosts[site.name]
    world = xapi.world
    vms = [_vm(world, vm, row) for vm, row in sorted(world.rows("VM")) if is_vm(row) and _is_at_home(xapi, row)]
    return {
        **host_summary(fleet, looks, site),
        "date": xapi.now(),
        "vms": vms,
        "storage": [_storage(world, sr, row) for sr, row in sorted(world.rows("SR"))],
        "tasks_under_way": [_task(world, task, row) for task, row in sorted(world.rows("task")) if row["status"] == "pending"],
    }


def _is_at_home(xapi: Xapi, row: Row) -> bool:
    """Whether a VM is on the host now or, for VMs that are on none, in the pool that it leads."""
    return bool(row["resident_on"] == xapi.host or (xapi.is_master and xapi.world.get(row["resident_on"]) is None))


def _vm(world: World, vm: Id, row: Row) -> dict[str, Any]:
    return {
        "ref": world.ref(vm),
        "uuid": world.uuid(vm),
        "name_label": row["name_label"],
        "power_state": row["power_state"],
        "memory_bytes": row["memory_static_max"],
        "vcpus": row["VCPUs_max"],
        "operations": sorted(set(row["current_operations"].values())),
    }


def _storage(world: World, sr: Id, row: Row) -> dict[str, Any]:
    return {
        "uuid": world.uuid(sr),
        "name_label": row["name_label"],
        "type": row["type"],
        "size_bytes": row["physical_size"],
        "used_bytes": row["physical_utilisation"],
        "disks": len(row["VDIs"]),
    }


def _task(world: World, task: Id, row: Row) -> dict[str, Any]:
    return {"ref": world.ref(task), "name_label": row["name_label"], "progress": row["progress"], "created": row["created"]}
