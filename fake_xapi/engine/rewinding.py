"""Replacing a XAPI's database by an earlier or a saved one: calls under way end, and what the new database says continues.

For clients it is one commit: whoever follows the events sees the differences. Sessions stay as they are, so that nobody is logged out.
Calls under way end with TASK_CANCELLED before it; pending tasks of the other database are gone, and what they held is free, as after a
restart of XAPI. Guests that the other database says are booting go on from the stage that they had reached.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.call import RunningCall
from fake_xapi.guest.life import resume_all
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL
from fake_xapi.state.layout import layouts
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from fake_xapi.verbs.devices import passthrough
from fake_xapi.verbs.disks import auto_scan
from fake_xapi.verbs.disks.media import follow_if_needed
from fake_xapi.verbs.hosts import host_access
from fake_xapi.verbs.updates import host_updates
from fake_xapi.verbs.vms import snapshot_policies

if TYPE_CHECKING:
    from fake_xapi.engine.xapi import Xapi

KEPT = frozenset({"session"})
"""Classes that are not taken over from the other database."""
_ENDS_WITH_CALLS = ("task ", "guest ", "coalesce ", "snapshots of ", "ssh of ", "update sync")
"""Background work that has to end, by the beginnings of its names. All other work checks the database whenever it wakes."""
_ROUNDS_TO_END = 100


async def replace_world(xapi: Xapi, value: Value, disks: DiskStore, release: str) -> None:
    """Replace a pool's database and disks; ``xapi`` is the one that leads the pool."""
    if xapi.world.value is value and not xapi.calls:
        xapi.disks.become(disks)
        return
    await _end_calls(xapi)
    if release != xapi.personality.name:
        xapi.become(release)
    xapi.disks.become(disks)  # before the database: who hears of its changes looks at the bytes
    xapi.world.become(value, KEPT)
    free(xapi.world)
    master = xapi.world[POOL]["master"]
    if master != xapi.host:
        xapi.around.lead_from(xapi, master)
    awaken(xapi)


async def _end_calls(xapi: Xapi) -> None:
    """End every call at its next wait, and background work at once; those that do not end soon find out by themselves."""
    for call in list(xapi.calls.values()):
        call.cancel()
    for _ in range(_ROUNDS_TO_END):
        if not xapi.calls:
            break
        await asyncio.sleep(0)
    xapi.stop_all(_ENDS_WITH_CALLS)
    await asyncio.sleep(0)


def free(world: World) -> None:
    """Release what was under way: pending tasks are gone, what they held is free, and no VM is on its way to a host."""
    with world.edit() as edit:
        _forget_places(world, edit)
        for layout in layouts().values():
            if "current_operations" in layout.index and layout.cls != "task":
                for identity, row in world.rows(layout.cls):
                    if row["current_operations"]:
                        edit.set(identity, current_operations={})
        for task, row in world.rows("task"):
            if row["status"] == "pending":
                edit.destroy(task)


def _forget_places(world: World, edit: Edit) -> None:
    for vm, row in world.rows("VM"):
        if row["scheduled_to_be_resident_on"]:
            edit.set(vm, scheduled_to_be_resident_on=NULL)
            passthrough.release(edit, vm)


def awaken(xapi: Xapi) -> None:
    """Restart the background work of a database that was loaded or rolled back: guests, schedules, scans and expiries."""
    call = RunningCall(xapi, xapi.routes["VM.start"].message, "rewinding", NULL)
    resume_all(call)
    auto_scan.follow_all(call)
    follow_if_needed(xapi)
    snapshot_policies.follow_all(call)
    host_access.follow_all(call)
    host_updates.follow_schedule(call)
