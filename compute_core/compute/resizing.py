"""Resize and cold migration, as the two hosts do their parts; what the cell makes of each end is in `cells.steps`.

Until the source says that it has done its part nothing is given up there; from then on the destination has the server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from compute_core.compute.arriving import migration_of
from compute_core.compute.carrying import answered, asked, carried, expected
from compute_core.compute.volumes import forget_targets
from compute_core.compute.volumes_moving import back_here, given_back, had_here, taken_off
from compute_core.compute.work import Ending, LeftAs, Operation, Work
from compute_core.model.errors import ComputeError, Conflict, HostUnreachable
from compute_core.model.instances import RUNNING, SHUTDOWN
from compute_core.model.json import to_json
from compute_core.model.migrations import Migration
from compute_core.xenapi import power
from compute_core.xenapi.arrival import original_vm
from compute_core.xenapi.certainty import BUSY, PATIENCE_S
from compute_core.xenapi.dom0_transfer import forget_snapshots
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.former import bring_back, remove_former, set_aside
from compute_core.xenapi.new_disks import without_old_swap
from compute_core.xenapi.parcel import packed
from compute_core.xenapi.removal import remove
from compute_core.xenapi.shrinking import trimmed
from compute_core.xenapi.undo import Undo

log = logging.getLogger(__name__)


async def _resize(work: Work) -> Ending:
    """The source's part: the disks go, the VM is made of them there, the one here is set aside. The other host starts it."""
    host, record = work.host, migration_of(work)
    vm = await _whole_again(work, record)
    parcel = await packed(host.xapi, vm, work.instance.uuid)
    if parcel.has_loose_disks:
        await _dropped(work, record)
    parcel = without_old_swap(trimmed(parcel, work.instance, record.new_flavor), work.instance, record.new_flavor)
    async with Undo(f"{record.kind} of {parcel.label}") as undo:
        undo.add("have the other host take away what it has of it", lambda: _dropped(work, record))
        berth = await expected(work, record, parcel)
        undo.add("let it run again", lambda: _running_again(work, vm, record))
        vdis = await carried(work, vm, parcel, record, berth)
        undo.add("give it its volumes back", lambda: _with_volumes(work, vm))
        await taken_off(host, work.instance, vm)
        undo.add("take it for the server's again", lambda: _taken_back(work))
        await set_aside(host.xapi, vm, parcel.label, parcel.other_config)
        host.vms.set_aside(work.instance.uuid)
        devices = await answered(work, record, "receive", parcel=to_json(parcel), vdis=vdis)
    return Ending(SHUTDOWN, {"block_devices": devices} if devices else {})


async def _running_again(work: Work, vm: str, record: Migration) -> None:
    if record.was_running:
        await _start(work, vm)


async def _start(work: Work, vm: str) -> None:
    """Start it, once its disks are free: a transfer that broke off holds them until the host has noticed."""
    for pause_s in (*PATIENCE_S, None):
        try:
            await power.start(work.host.xapi, work.host.place, vm)
        except XenApiFailure as failure:
            if pause_s is None or failure.code not in BUSY:
                raise
            await asyncio.sleep(pause_s)
        else:
            return


async def _back(work: Work) -> str | None:
    """The former VM is the server's again, as far as it was not."""
    host = work.host
    vm = await bring_back(host.xapi, work.instance.uuid, work.instance.domain_name)
    if vm is not None:
        host.vms.formers.pop(work.instance.uuid, None)
        host.vms.arrived(work.instance, vm)
    return vm


async def _whole_again(work: Work, record: Migration) -> str:
    """The server's VM; one that a former life had set aside when it was told the same is the server's again.

    Unless that life had come to the end of its part and died before it could say that it needs not be told again.
    """
    vms, uuid = work.host.vms, work.instance.uuid
    if uuid not in vms.formers and uuid not in vms.doubles:
        return work.vm
    status = await work.host.peers.status_of(record)
    if status != "migrating":
        raise Conflict(f"the {record.kind} of {uuid} is {status} already")
    return await _alone_again(work, record)


async def _alone_again(work: Work, record: Migration) -> str:
    """The server's VM, once nothing is left of what came of it, here or there."""
    await _dropped(work, record)
    vm = await _back(work)
    if vm is None:
        vm = await original_vm(work.host.xapi, work.instance.domain_name, work.instance.uuid, record.uuid)
        if vm is None:
            return work.vm
        known = work.host.vms.get(work.instance.uuid)
        if known is None or known.ref != vm:  # one that was never set aside may be running
            work.host.vms.arrived(work.instance, vm)
    await _with_volumes(work, vm)
    return vm


async def _taken_back(work: Work) -> None:
    await _back(work)


async def _with_volumes(work: Work, vm: str) -> None:
    await given_back(work.host, work.instance, vm)


async def _dropped(work: Work, record: Migration) -> None:
    """The cell says so as well when it hears of the failure; a host that is away finds it when it is back."""
    try:
        await asked(work, record, "drop")
    except ComputeError as problem:
        log.warning("%s has not taken away what came of %s: %s", record.destination, work.instance.uuid, problem.message)


async def _undone(work: Work) -> Ending:
    """What a killed agent had begun of its part is taken back."""
    record = migration_of(work)
    vm = await _alone_again(work, record)
    await forget_snapshots(work.host.xapi, work.instance.domain_name, work.instance.uuid)
    if record.was_running:
        await _start(work, vm)
    raise HostUnreachable(f"the agent of {work.host.settings.host} was interrupted during it")


async def _finish(work: Work) -> Ending:
    """The destination's part: it runs, if it did before."""
    record = migration_of(work)
    if record.was_running:
        await _start(work, work.vm)
    await had_here(work.host, work.instance)
    work.host.expected.discard(work.instance.uuid)
    return Ending(RUNNING if record.was_running else SHUTDOWN)


async def _confirm(work: Work) -> Ending:
    """The source's part: the former VM goes."""
    await remove_former(work.host.xapi, work.instance.uuid, work.instance.domain_name)
    work.host.vms.formers.pop(work.instance.uuid, None)
    return Ending(work.instance.power_state)


async def _revert(work: Work) -> Ending:
    """The destination's part: the new VM goes, with its disks."""
    host = work.host
    await remove(host.xapi, work.instance.uuid, work.instance.domain_name)
    await forget_targets(host, work.instance)
    host.expected.discard(work.instance.uuid)
    vm = host.vms.get(work.instance.uuid)
    if vm is not None:
        host.vms.forget(vm.ref)
    return Ending(SHUTDOWN)


async def _finish_revert(work: Work) -> Ending:
    """The source's part: the former VM is the server's again, and runs, if it did before."""
    record = migration_of(work)
    vm = await _back(work) or work.vm
    lost = await given_back(work.host, work.instance, vm)
    if record.was_running:
        await _start(work, vm)
    changes = {"block_devices": to_json(await back_here(work.host, work.instance, lost))} if work.instance.block_devices else {}
    if lost:
        why = ", ".join(f"{volume}: {problem}" for volume, problem in lost.items())
        raise LeftAs(f"it has come back without volumes that {work.host.settings.host} cannot reach: {why}", changes)
    return Ending(RUNNING if record.was_running else SHUTDOWN, changes)


RESIZING: Mapping[str, Operation] = {
    "resize": _resize,
    "finish_resize": _finish,
    "confirm_resize": _confirm,
    "revert_resize": _revert,
    "finish_revert": _finish_revert,
}

RESIZING_RECOVERIES: Mapping[str, Operation] = {
    "resize": _undone,
    "finish_resize": _finish,
    "revert_resize": _revert,
    "finish_revert": _finish_revert,
}
"""What is done about a part that a killed agent has begun: taken back before the server has moved, finished afterwards."""
