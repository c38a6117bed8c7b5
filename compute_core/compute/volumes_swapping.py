"""A server gets a volume in another's place, with what was on that; the volume service is told what has come of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from compute_core.compute.volumes import BROKEN_OFF, PLUGGED, PROBLEMS, connection_of, of_state, service
from compute_core.compute.work import Ending, LeftAs, Operation, Work
from compute_core.model.errors import ComputeError
from compute_core.model.json import to_json
from compute_core.model.volumes import BlockDevice
from compute_core.xenapi import swap_volume as recipe
from compute_core.xenapi import volumes
from compute_core.xenapi.volumes import Disk

log = logging.getLogger(__name__)


async def _swap(work: Work) -> Ending:
    """The volume that is ``replacing`` takes the place of the one that is ``detaching``; what fails leaves that one. Again is fine."""
    host, instance = work.host, work.instance
    old, new = of_state(instance, "detaching"), of_state(instance, "replacing")
    try:
        disk = Disk(new, await connection_of(host, new))
        step = recipe.finish if await recipe.is_copied(host.xapi, work.vm, old) else recipe.swap
        await step(host.xapi, host.targets, work.vm, old, disk, plugs=instance.power_state in PLUGGED)
    except PROBLEMS as problem:
        if not await _is_done(work, new):
            await _not_swapped(work, old, new)
            raise LeftAs(str(problem), _changed(work, old, new, replace(old, state="attached"))) from problem
        log.warning("%s: %s: %s", host.settings.host, instance.uuid, problem)
    return await _settled(work, old, new)


async def _is_done(work: Work, new: BlockDevice) -> bool:
    """Whether the new one has its place all the same; who cannot be asked leaves it as it is to be."""
    with suppress(*PROBLEMS):
        return await recipe.is_in_place(work.host.xapi, work.vm, new)
    return False


async def _settled(work: Work, old: BlockDevice, new: BlockDevice) -> Ending:
    """There is no way back: the guest writes on the new one. What the service does not take is logged."""
    host, known = work.host, new.volume_id
    target = (await connection_of(host, new)).target
    try:
        await service(host).complete(new.attachment_id)
        known = await service(host).swapped(old.volume_id, new.volume_id)
        await service(host).disconnect(old.attachment_id)
    except ComputeError as problem:
        log.warning("%s: the volume service has not taken %s for %s: %s", host.settings.host, new.volume_id, old.volume_id, problem.message)
    if known != new.volume_id:
        await recipe.renamed(host.xapi, work.vm, new, known)
    done = replace(new, volume_id=known, state="attached", target=target)
    return Ending(host.vm(work.instance.uuid).power_state, _changed(work, old, new, done))


async def _not_swapped(work: Work, old: BlockDevice, new: BlockDevice) -> None:
    with suppress(ComputeError):
        await service(work.host).disconnect(new.attachment_id)
    with suppress(ComputeError):
        await service(work.host).not_swapped(old.volume_id, new.volume_id)


async def _resumed(work: Work) -> Ending:
    """An agent was killed during it: the new one gets the place when all is on it; else the old one has it again."""
    host, instance = work.host, work.instance
    old, new = of_state(instance, "detaching"), of_state(instance, "replacing")
    plugs = instance.power_state in PLUGGED
    if await recipe.is_copied(host.xapi, work.vm, old):
        return await _swap(work)
    with suppress(*PROBLEMS):
        await volumes.attach(host.xapi, host.targets, work.vm, Disk(old, await connection_of(host, old)), plugs=False)
        if plugs:
            await recipe.plugged(host.xapi, work.vm, old)
        await volumes.forget(host.xapi, host.targets, [(await connection_of(host, new)).target])
    await _not_swapped(work, old, new)
    raise LeftAs(BROKEN_OFF.format(host=host.settings.host), _changed(work, old, new, replace(old, state="attached")))


def _changed(work: Work, old: BlockDevice, new: BlockDevice, left: BlockDevice) -> Mapping[str, Any]:
    """One of them is left, in the place of the old one."""
    kept = [left if device is old else device for device in work.instance.block_devices if device is not new]
    return {"block_devices": to_json(kept)}


SWAPPING: Mapping[str, Operation] = {
    "swap_volume": _swap,
}

SWAPPING_RESUMES: Mapping[str, Operation] = {
    "swap_volume": _resumed,
}
