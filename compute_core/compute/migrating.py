"""Live migration, as the source's agent does it: the other host lets the VM in, XAPI carries it, the cell moves the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from compute_core.compute.arriving import migration_of
from compute_core.compute.progress import kept_told
from compute_core.compute.volumes_moving import gone_there, left_there
from compute_core.compute.work import Ending, Operation, Query, Work
from compute_core.model.errors import ComputeError, Conflict, HostUnreachable
from compute_core.model.instances import RUNNING
from compute_core.model.json import from_json
from compute_core.xenapi import live, power
from compute_core.xenapi.certainty import LOOKS_S
from compute_core.xenapi.errors import ReplyLost, TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.live import Landing, Route
from compute_core.xenapi.undo import Undo

CANCELLED: Mapping[str, Any] = {"was_cancelled": True}


async def _live_migrate(work: Work) -> Ending:
    """To the migration's destination. Whatever fails, it runs on here; whatever is not heard of is found out."""
    return await _or_stays(work, _begun)


async def _or_stays(work: Work, way: Operation) -> Ending:
    """One of the ways to the end; where that is here, its volumes are let go there."""
    try:
        ending = await way(work)
    except (XenApiFailure, Unanswered, TransferFailed, ComputeError):
        await left_there(work, migration_of(work).destination)
        raise
    if ending.changes.get("was_cancelled"):
        await left_there(work, migration_of(work).destination)
    return ending


async def _begun(work: Work) -> Ending:
    host, vm = work.host, work.host.vms.get(work.instance.uuid)
    if vm is None:
        return await _gone_on(work)
    host.hurried.discard(work.instance.uuid)
    try:
        return await _sent(work, vm.ref)
    except ReplyLost:
        return await _gone_on(work)
    except XenApiFailure as failure:
        if failure.code not in {"HANDLE_INVALID", "OTHER_OPERATION_IN_PROGRESS"} or await live.task_of(host.xapi, vm.ref) is None:
            raise
        return await _gone_on(work)


async def _sent(work: Work, vm: str) -> Ending:
    host, record = work.host, migration_of(work)
    answer = await host.peers.ask(record.destination, "land", work.instance)
    way = await live.route(host.xapi, host.place, vm, work.instance, from_json(answer, Landing))
    if work.arguments.get("moves_disks") not in {None, not way.keeps_disks}:
        raise Conflict("The hosts share their storage: the disks stay there." if way.keeps_disks else "The hosts share no storage.")
    if not await _carried(work, vm, way):
        if work.instance.uuid not in host.hurried:
            return Ending(RUNNING, CANCELLED)
        return await _asleep(work, vm, way)
    if way.is_within_pool:
        await live.settled(host.xapi, vm, way.landing.host)
    host.vms.forget(vm)
    return await _there(work)


async def _there(work: Work) -> Ending:
    return Ending(RUNNING, await gone_there(work, migration_of(work).destination))


async def _carried(work: Work, vm: str, way: Route) -> bool:
    async with kept_told(work) as progress:
        return await live.carried(work.host.xapi, vm, way, progress.tell)


async def _asleep(work: Work, vm: str, way: Route) -> Ending:
    """A guest that writes faster than it can be copied goes suspended: it stands still on the way, and then it is there for certain."""
    host, record = work.host, migration_of(work)
    async with Undo(f"{work.instance.domain_name} goes suspended") as undo:
        undo.add("let it run on here", lambda: _awake(work, vm))
        await power.suspend(host.xapi, vm)
        if not way.keeps_disks and not await _carried(work, vm, way):
            raise TransferFailed("it was cancelled")
        there = vm if way.is_within_pool else ""
        await host.peers.ask(record.destination, "wake", work.instance, vm=there)
    host.vms.forget(vm)
    return await _there(work)


async def _awake(work: Work, vm: str) -> None:
    if await live.state_here(work.host.xapi, work.host.place, vm) == "Suspended":
        await power.resume_on(work.host.xapi, work.host.place, vm)


async def _gone_on(work: Work) -> Ending:
    """The VM may be on its way, without anybody who waits for it: what comes of that is waited for, and found out."""
    host, record, vm = work.host, migration_of(work), work.host.vms.get(work.instance.uuid)
    if vm is not None:
        async with kept_told(work) as progress:
            await live.waited(host.xapi, vm.ref, progress.tell)
        if await live.state_here(host.xapi, host.place, vm.ref):
            await _awake(work, vm.ref)
            raise HostUnreachable(f"{host.settings.host} did not hear how it ended, and the server has not left")
        host.vms.forget(vm.ref)
    for pause_s in LOOKS_S:
        await asyncio.sleep(pause_s)
        if await host.peers.ask(record.destination, "has_landed", work.instance) is not None:
            return await _there(work)
    raise HostUnreachable(f"the server has left {host.settings.host}, and is not on {record.destination}")


async def _abort(work: Work) -> None:
    """End a live migration: the VM stays. Conflict when it is on no way."""
    work.host.hurried.discard(work.instance.uuid)
    if not await live.cancel(work.host.xapi, work.vm):
        raise Conflict(f"Instance {work.instance.uuid} is not on its way to another host.")


async def _complete(work: Work) -> None:
    """End a live migration, to begin once more with a guest that stands still. Conflict when it is on no way."""
    work.host.hurried.add(work.instance.uuid)
    if not await live.cancel(work.host.xapi, work.vm):
        work.host.hurried.discard(work.instance.uuid)
        raise Conflict(f"Instance {work.instance.uuid} is not on its way to another host.")


MIGRATING: Mapping[str, Operation] = {
    "live_migrate": _live_migrate,
}


async def _resumed(work: Work) -> Ending:
    return await _or_stays(work, _gone_on)


MIGRATING_RECOVERIES: Mapping[str, Operation] = {
    "live_migrate": _resumed,
}

STEERING: Mapping[str, Query] = {
    "abort_live_migration": _abort,
    "complete_live_migration": _complete,
}
"""What bends a migration that is under way."""
