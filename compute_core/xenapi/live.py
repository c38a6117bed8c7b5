"""A running VM goes to another host: its own pool's with its disks left where they are, or any other with its disks.

Checks come first. The move itself is one long call; its task is found by the VM, tells the progress, and may be cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from compute_core.model.errors import Conflict
from compute_core.model.instances import Instance
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.place import NULL, Place
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.targets import sr_uuid

log = logging.getLogger(__name__)

MOVES = frozenset({"pool_migrate", "migrate_send"})
"""Operations of a VM that take it to another host."""
EVENT_WAIT_S = 300.0
FIRST_LOOK_S = 2.0
MOST_LOOKS = 4
"""So often it is looked how far a move is, however long it takes."""

OnProgress = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a VM may go, as the other host says: its pool and ref, its SR, its networks by bridge, and XAPI's ticket.

    ``volumes`` are the SRs there that hold the server's volumes, by their uuids, which they have here as well.
    """

    pool: str
    host: str
    sr: str
    networks: Mapping[str, str]
    ticket: Mapping[str, str]
    volumes: Mapping[str, str] = field(default_factory=dict)


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
    srs = {device.volume_id: there.volumes.get(sr_uuid(device.target), "") for device in instance.block_devices if device.target}
    disks = [vbd for vbd in vbds.values() if vbd["type"] == "Disk" and not vbd["empty"]]
    vdis = {vbd["VDI"]: srs.get(marks.volume_of(vbd)) or there.sr for vbd in disks}
    vifs = {} if is_within else await _vif_map(xapi, vm, instance, there)
    way = Route(there, vdis, vifs, is_within, keeps_disks)
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


async def carried(xapi: XenApi, vm: str, way: Route, on_progress: OnProgress) -> bool:
    """Let the VM go: True when it is there, False when that was cancelled. XenApiFailure: why it stays; ReplyLost: nobody knows yet.

    Cancelling this asks XAPI to cancel the move, and waits until that has ended, however.
    """
    moving = asyncio.ensure_future(_begun(xapi, vm, way))
    watching = asyncio.ensure_future(_told(xapi, vm, on_progress))
    try:
        await asyncio.shield(moving)
    except asyncio.CancelledError:
        await cancel(xapi, vm)
        await asyncio.gather(moving, return_exceptions=True)
        raise
    except XenApiFailure as failure:
        if failure.code != "TASK_CANCELLED":
            raise
        return False
    finally:
        watching.cancel()
        await asyncio.wait({watching})
    return True


async def _begun(xapi: XenApi, vm: str, way: Route) -> None:
    if way.keeps_disks:
        await xapi.call("VM.pool_migrate", vm, way.landing.host, {"live": "true"})
    else:
        await xapi.call("VM.migrate_send", vm, way.landing.ticket, True, way.vdi_map, way.vif_map, {})


async def _told(xapi: XenApi, vm: str, on_progress: OnProgress) -> None:
    """Tell the progress MOST_LOOKS times; what cannot be seen is not told."""
    await asyncio.sleep(FIRST_LOOK_S)
    try:
        task = await task_of(xapi, vm)
        if task is not None:
            await _looked_at(xapi, task, on_progress)
    except (XenApiFailure, Unanswered) as problem:
        log.info("no progress of %s is seen: %s", vm, problem)


async def _looked_at(xapi: XenApi, task: str, on_progress: OnProgress) -> None:
    """The looks are as far apart as the task's pace so far makes them come evenly until its end."""
    began_s = asyncio.get_running_loop().time() - FIRST_LOOK_S
    for left in reversed(range(MOST_LOOKS)):
        record = await xapi.call("task.get_record", task)
        if record["status"] != "pending":
            return
        await on_progress(int(record["progress"] * 100))
        if left:
            await asyncio.sleep(pause_s(record["progress"], asyncio.get_running_loop().time() - began_s, left))


def pause_s(progress: float, elapsed_s: float, left: int) -> float:
    """Until the next look, when ``left`` are left; nobody knows the pace of what has not moved: twice as long as so far, then."""
    rest_s = elapsed_s * (1 - progress) / progress if progress else elapsed_s * (left + 1)
    return max(FIRST_LOOK_S, rest_s / (left + 1))


async def waited(xapi: XenApi, vm: str, on_progress: OnProgress) -> None:
    """Wait until nothing takes the VM elsewhere any more, and tell how far it is.

    Its own record says so, and changes but a few times on its way; its task goes with the call that made it.
    """
    watching, token = asyncio.ensure_future(_told(xapi, vm, on_progress)), ""
    try:
        while True:
            batch = await xapi.call("event.from", [f"VM/{vm}"], token, EVENT_WAIT_S)
            records = [event.get("snapshot", {}) for event in batch["events"] if event["ref"] == vm]
            if (records or not token) and not (records and MOVES.intersection(records[-1].get("current_operations", {}).values())):
                return
            token = batch["token"]
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def task_of(xapi: XenApi, vm: str) -> str | None:
    """The task that takes a VM elsewhere, when one does."""
    try:
        operations: Mapping[str, str] = await xapi.call("VM.get_current_operations", vm)
    except XenApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise
        return None
    return next((task for task, operation in operations.items() if operation in MOVES), None)


async def cancel(xapi: XenApi, vm: str) -> bool:
    """Ask the move of a VM to end; whether there is one. One that cannot be cancelled any more goes on to its end."""
    task = await task_of(xapi, vm)
    if task is None:
        return False
    try:
        await xapi.call("task.cancel", task)
    except XenApiFailure as failure:
        if failure.code not in {"HANDLE_INVALID", "OPERATION_NOT_ALLOWED"}:
            raise
    return True


async def state_here(xapi: XenApi, place: Place, vm: str) -> str:
    """The power state of a VM that has not left this host; "" for one that has."""
    try:
        record = await xapi.call("VM.get_record", vm)
    except XenApiFailure as failure:
        if failure.code != "HANDLE_INVALID":
            raise
        return ""
    home = record["affinity"] if record["resident_on"] == NULL else record["resident_on"]
    return str(record["power_state"]) if place.is_alone or home == place.host else ""


async def settled(xapi: XenApi, vm: str, host: str) -> None:
    """The VM is at home on the host, also while it does not run there. Not worth a failure: it is there already."""
    try:
        await xapi.call("VM.set_affinity", vm, host)
    except (XenApiFailure, Unanswered):
        return
