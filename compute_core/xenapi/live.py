"""A running VM goes to another host: its own pool's with its disks left where they are, or any other with its disks.

Checks come first; the move itself is a task of XAPI's, which is followed by its events, may be cancelled, and is found again by the VM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compute_core.model.errors import Conflict
from compute_core.model.instances import Instance
from compute_core.xenapi.certainty import all_of, certain, destroy
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.place import Place
from compute_core.xenapi.session import XenApi

MOVES = frozenset({"pool_migrate", "migrate_send"})
"""Operations of a VM that take it to another host."""
EVENT_WAIT_S = 30.0
GATHER_S = 2.0
"""So long news of progress are gathered before they are asked for again."""

OnProgress = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a VM may go, as the other host says: its pool and ref, its SR, its networks by bridge, and XAPI's ticket."""

    pool: str
    host: str
    sr: str
    networks: Mapping[str, str]
    ticket: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """How a VM goes: ``vdi_map`` and ``vif_map`` as XAPI takes them. Disks that stay where they are make it a move within the pool."""

    landing: Landing
    vdi_map: Mapping[str, str]
    vif_map: Mapping[str, str]
    is_within_pool: bool
    keeps_disks: bool


async def landing(xapi: XenApi, place: Place) -> Landing:
    """Let a VM come here: two calls."""
    pifs = await all_of(xapi, "PIF", {"host": place.host, "management": "true"})
    network = next((pif["network"] for pif in pifs.values()), None)
    if network is None:
        raise Conflict(f"{place.hostname} has no management interface to receive a VM on.")
    ticket = await xapi.call("host.migrate_receive", place.host, network, {})
    return Landing(place.pool, place.host, place.sr, place.networks, ticket)


async def route(xapi: XenApi, place: Place, vm: str, instance: Instance, there: Landing) -> Route:
    """How the VM would go, once XAPI has found nothing against it: three calls, one less within a pool."""
    is_within = there.pool == place.pool
    keeps_disks = is_within and there.sr == place.sr
    vbds = await all_of(xapi, "VBD", {"VM": vm})
    vdis = [vbd["VDI"] for vbd in vbds.values() if vbd["type"] == "Disk" and not vbd["empty"]]
    vifs = {} if is_within else await _vif_map(xapi, vm, instance, there)
    way = Route(there, dict.fromkeys(vdis, there.sr), vifs, is_within, keeps_disks)
    await xapi.call("VM.assert_can_migrate", vm, there.ticket, True, way.vdi_map, way.vif_map, {})
    return way


async def _vif_map(xapi: XenApi, vm: str, instance: Instance, there: Landing) -> dict[str, str]:
    bridges = {vif.mac.lower(): vif.bridge for vif in instance.vifs}
    found: dict[str, str] = {}
    for ref, vif in (await all_of(xapi, "VIF", {"VM": vm})).items():
        bridge = bridges.get(vif["MAC"].lower(), "")
        if bridge not in there.networks:
            raise Conflict(f"The other host has no network on bridge {bridge}.")
        found[ref] = there.networks[bridge]
    return found


async def set_off(xapi: XenApi, vm: str, way: Route) -> str:
    """Begin; the task. A lost answer is looked up at the VM."""
    if way.keeps_disks:
        begun = xapi.call("Async.VM.pool_migrate", vm, way.landing.host, {"live": "true"})
    else:
        begun = xapi.call("Async.VM.migrate_send", vm, way.landing.ticket, True, way.vdi_map, way.vif_map, {})
    return await certain(begun, lambda: task_of(xapi, vm))


async def task_of(xapi: XenApi, vm: str) -> str | None:
    """The task that takes a VM elsewhere, when one does."""
    try:
        operations: Mapping[str, str] = await xapi.call("VM.get_current_operations", vm)
    except XenApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise
        return None
    return next((task for task, operation in operations.items() if operation in MOVES), None)


async def followed(xapi: XenApi, task: str, on_progress: OnProgress) -> bool:
    """Wait for the task to end, and forget it: True when it went through, False when it was cancelled. XenApiFailure: why it failed.

    Cancelling this cancels the task, and waits until it has ended, however.
    """
    try:
        record = await _ended(xapi, task, on_progress)
    except asyncio.CancelledError:
        await cancel(xapi, task)
        await asyncio.shield(_ended(xapi, task, _unheard))
        await destroy(xapi, "task", task)
        raise
    await destroy(xapi, "task", task)
    if record["status"] == "failure" and record["error_info"][:1] != ["TASK_CANCELLED"]:
        raise XenApiFailure(record["error_info"])
    return bool(record["status"] == "success")


async def cancel(xapi: XenApi, task: str) -> None:
    """Ask a task to end; one that has ended, or cannot be cancelled any more, goes on to its end."""
    try:
        await xapi.call("task.cancel", task)
    except XenApiFailure as failure:
        if failure.code not in {"HANDLE_INVALID", "OPERATION_NOT_ALLOWED"}:
            raise


async def _ended(xapi: XenApi, task: str, on_progress: OnProgress) -> Mapping[str, Any]:
    token, told = "", -1
    while True:
        batch = await xapi.call("event.from", [f"task/{task}"], token, EVENT_WAIT_S)
        token = batch["token"]
        records: list[Mapping[str, Any]] = [event["snapshot"] for event in batch["events"] if event["ref"] == task and "snapshot" in event]
        if not records:
            if any(event["operation"] == "del" for event in batch["events"]):
                raise TransferFailed("the task of the migration is gone")
            continue
        record = records[-1]
        if record["status"] not in {"pending", "cancelling"}:
            return record
        percent = int(record["progress"] * 100)
        if percent != told:
            told = percent
            await on_progress(percent)
        await asyncio.sleep(GATHER_S)


async def _unheard(_: int) -> None: ...


async def settled(xapi: XenApi, vm: str, host: str) -> None:
    """The VM is at home on the host, also while it does not run there. Not worth a failure: it is there already."""
    try:
        await xapi.call("VM.set_affinity", vm, host)
    except (XenApiFailure, Unanswered):
        return
