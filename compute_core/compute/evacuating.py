"""Evacuation, as the new host does it: the server is built once more from its image, since nobody answers where it was."""

from __future__ import annotations

from collections.abc import Mapping

from compute_core.compute.guest_agents import UNTOLD, first_told
from compute_core.compute.volumes import built_with, outfit
from compute_core.compute.volumes_moving import left_alone
from compute_core.compute.work import Ending, Operation, Work
from compute_core.model.errors import BuildFailed
from compute_core.model.images import Image
from compute_core.model.instances import RUNNING
from compute_core.model.json import from_json
from compute_core.xenapi.removal import remove
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.verdicts import as_build_failure


async def _evacuate(work: Work) -> Ending:
    """Build it here, from ``image``. One that a former attempt has built is the end as well. Its volumes come along."""
    host = work.host
    there = host.vms.get(work.instance.uuid)
    if there is None or there.power_state != RUNNING:
        async with Undo(f"evacuation of {work.instance.domain_name}") as undo:
            undo.add("let go of its volumes", lambda: left_alone(host, work.instance))
            await _build(work, has_left=there is not None)
    vm = host.vms.get(work.instance.uuid)
    image = from_json(work.arguments["image"], Image)
    told = UNTOLD if vm is None else await first_told(host, vm.ref, work.instance, image, work.admin_password)
    return Ending(RUNNING, {**await built_with(host, work.instance), **told.changes}, told.note)


async def _build(work: Work, *, has_left: bool) -> None:
    host, volumes = work.host, await outfit(work.host, work.instance)
    with as_build_failure(host.settings.host):
        if has_left:
            await remove(host.xapi, work.instance.uuid, work.instance.domain_name)
        image = from_json(work.arguments["image"], Image)
        vm = await spawn(host.xapi, host.place, host.cache, work.instance, image, work.admin_password, volumes)
    host.vms.built(work.instance, vm)


async def _settle(work: Work) -> Ending:
    """An agent was killed during it: what runs is there, anything less goes."""
    host = work.host
    there = host.vms.get(work.instance.uuid)
    if there is not None and there.power_state == RUNNING:
        return Ending(RUNNING, await built_with(host, work.instance))
    await remove(host.xapi, work.instance.uuid, work.instance.domain_name)
    await left_alone(host, work.instance)
    if there is not None:
        host.vms.forget(there.ref)
    raise BuildFailed(f"the agent of {host.settings.host} was interrupted during it")


EVACUATING: Mapping[str, Operation] = {
    "evacuate": _evacuate,
}

EVACUATING_RECOVERIES: Mapping[str, Operation] = {
    "evacuate": _settle,
}
"""Whether it is there, or never will be."""
