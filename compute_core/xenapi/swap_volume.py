"""A volume takes another's place in a VM, with what was on it. XAPI copies from disks that no guest has plugged alone.

So a guest that runs goes on without the disk for as long as that takes; one that does not let it go keeps it, and nothing is copied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from compute_core.model.volumes import BlockDevice
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import BUSY, destroy
from compute_core.xenapi.errors import TransferFailed, XenApiFailure
from compute_core.xenapi.place import NULL
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.targets import Targets
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.volumes import Disk, forget, place, plug, take_away, unplug, vbd_of, vbds_of

COPYING_S = (0.2, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 240.0)
"""Pauses before a disk is tried again that a copy holds whose answer was lost."""


async def swap(xapi: XenApi, targets: Targets, vm: str, old: BlockDevice, new: Disk, *, plugs: bool) -> None:
    """Fifteen calls. ``plugs``: the VM runs. Whatever fails before the new one has its place, the VM has the old one as before.

    Raises XenApiFailure, NotSent, ReplyLost, TransferFailed.
    """
    target = new.connection.target
    targets.hold(new.device.attachment_id, [target, *([old.target] if old.target else [])])
    try:
        async with Undo(f"put volume {new.device.volume_id} in the place of {old.volume_id}") as undo:
            undo.add("forget its target", lambda: _dropped(xapi, targets, new))
            async with targets.turn(target):
                vdi = await targets.disk(xapi, new.connection)
            vbd, source = await _place_of(xapi, vm, old)
            undo.add("give it the old one again", lambda: _again(xapi, vm, source, old, new.device, plugs=plugs))
            if plugs:
                await unplug(xapi, vbd)
            await xapi.call("VDI.copy", source, NULL, NULL, vdi)
            await destroy(xapi, "VBD", vbd)
            made = await place(xapi, vm, vdi, new.device)
            if plugs:
                await plug(xapi, made)
    finally:
        targets.let_go(new.device.attachment_id)
    await forget(xapi, targets, [old.target] if old.target else [])


async def is_copied(xapi: XenApi, vm: str, old: BlockDevice) -> bool:
    """Whether somebody has begun, and come so far that all is on the new volume: then the VM has the old one no more."""
    return await vbd_of(xapi, vm, old.volume_id) is None


async def finish(xapi: XenApi, targets: Targets, vm: str, old: BlockDevice, new: Disk, *, plugs: bool) -> None:
    """What is left to do then. Again is fine."""
    async with targets.turn(new.connection.target):
        made = await place(xapi, vm, await targets.disk(xapi, new.connection), new.device)
    if plugs:
        await plug(xapi, made)
    await forget(xapi, targets, [old.target] if old.target else [])


async def is_in_place(xapi: XenApi, vm: str, new: BlockDevice) -> bool:
    """Whether the new volume has its place already: then it holds all that the old one did."""
    return await vbd_of(xapi, vm, new.volume_id) is not None


async def plugged(xapi: XenApi, vm: str, device: BlockDevice) -> None:
    """Plug a volume of a running VM. Again is fine."""
    vbd = await vbd_of(xapi, vm, device.volume_id)
    if vbd is not None:
        await _patiently(lambda: plug(xapi, vbd))


async def renamed(xapi: XenApi, vm: str, device: BlockDevice, volume_id: str) -> None:
    """The volume goes by another id from now on, with what was in its place before."""
    for vbd, record in (await vbds_of(xapi, vm)).items():
        if marks.volume_of(record) == device.volume_id:
            await xapi.call("VBD.set_other_config", vbd, {**record["other_config"], marks.VOLUME: volume_id})


async def _place_of(xapi: XenApi, vm: str, device: BlockDevice) -> tuple[str, str]:
    for vbd, record in (await vbds_of(xapi, vm)).items():
        if marks.volume_of(record) == device.volume_id:
            return vbd, record["VDI"]
    raise TransferFailed(f"the VM has no disk of volume {device.volume_id}")


async def _again(xapi: XenApi, vm: str, vdi: str, old: BlockDevice, new: BlockDevice, *, plugs: bool) -> None:
    await take_away(xapi, vm, new.volume_id)
    vbd = await place(xapi, vm, vdi, old)
    if plugs:
        await _patiently(lambda: plug(xapi, vbd))


async def _dropped(xapi: XenApi, targets: Targets, new: Disk) -> None:
    targets.let_go(new.device.attachment_id)
    await forget(xapi, targets, [new.connection.target])


async def _patiently(step: Callable[[], Awaitable[None]]) -> None:
    for pause_s in COPYING_S:
        try:
            await step()
        except XenApiFailure as failure:
            if failure.code not in BUSY:
                raise
            await asyncio.sleep(pause_s)
        else:
            return
    await step()
