"""Live migration, as the source's agent does it: the other host lets the VM in, XAPI carries it, the cell moves the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.compute.arriving import migration_of
from compute_core.compute.work import Ending, Operation, Query, Work
from compute_core.model.errors import Conflict, HostUnreachable
from compute_core.model.instances import RUNNING
from compute_core.model.json import from_json
from compute_core.model.migrations import Migration
from compute_core.xenapi import live
from compute_core.xenapi.live import Landing, Route

CANCELLED: Mapping[str, Any] = {"was_cancelled": True}


async def _live_migrate(work: Work) -> Ending:
    """To the migration's destination. Whatever fails, it runs on here."""
    host, record, vm = work.host, migration_of(work), work.vm
    answer = await host.peers.ask(record.destination, "land", work.instance)
    way = await live.route(host.xapi, host.place, vm, work.instance, from_json(answer, Landing))
    if work.arguments.get("moves_disks") not in {None, not way.keeps_disks}:
        raise Conflict("The hosts share no storage." if not way.keeps_disks else "The hosts share their storage: the disks stay there.")
    task = await live.set_off(host.xapi, vm, way)
    return await _accompanied(work, vm, task, way)


async def _accompanied(work: Work, vm: str, task: str, way: Route | None) -> Ending:
    async def tell(percent: int) -> None:
        await work.host.peers.tell_progress(work.instance, percent)

    if not await live.followed(work.host.xapi, task, tell):
        return Ending(RUNNING, CANCELLED)
    if way is not None and way.is_within_pool:
        await live.settled(work.host.xapi, vm, way.landing.host)
    _forget(work, vm)
    return Ending(RUNNING)


def _forget(work: Work, vm: str) -> None:
    work.host.vms.forget(vm)


async def _gone_on(work: Work) -> Ending:
    """An agent was killed while the VM was on its way, and XAPI went on: its task is followed, or what came of it is found out."""
    record = migration_of(work)
    vm = work.host.vms.get(work.instance.uuid)
    task = None if vm is None else await live.task_of(work.host.xapi, vm.ref)
    if vm is not None and task is not None:
        return await _accompanied(work, vm.ref, task, None)
    if vm is None and await _has_landed(work, record):
        return Ending(RUNNING)
    raise HostUnreachable(f"the agent of {work.host.settings.host} was interrupted during it")


async def _has_landed(work: Work, record: Migration) -> bool:
    state = await work.host.peers.ask(record.destination, "has_landed", work.instance)
    return state is not None


async def _abort(work: Work) -> None:
    """End a live migration: the VM stays. Conflict when it is on no way, or too far on it."""
    task = await live.task_of(work.host.xapi, work.vm)
    if task is None:
        raise Conflict(f"Instance {work.instance.uuid} is not on its way to another host.")
    await live.cancel(work.host.xapi, task)


MIGRATING: Mapping[str, Operation] = {
    "live_migrate": _live_migrate,
}

MIGRATING_RECOVERIES: Mapping[str, Operation] = {
    "live_migrate": _gone_on,
}

STEERING: Mapping[str, Query] = {
    "abort_live_migration": _abort,
}
"""What bends a migration that is under way."""
