"""Evacuation, as the new host does it: the server is built once more from its image, since nobody answers where it was."""

from __future__ import annotations

from collections.abc import Mapping

from compute_core.compute.work import Ending, Operation, Work
from compute_core.model.errors import BuildFailed
from compute_core.model.images import Image
from compute_core.model.instances import RUNNING
from compute_core.model.json import from_json
from compute_core.xenapi.removal import remove
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.verdicts import as_build_failure


async def _evacuate(work: Work) -> Ending:
    """Build it here, from ``image``. One that a former attempt has built is the end as well."""
    host = work.host
    there = host.vms.get(work.instance.uuid)
    if there is None or there.power_state != RUNNING:
        with as_build_failure(host.settings.host):
            if there is not None:
                await remove(host.xapi, work.instance.uuid, work.instance.domain_name)
            vm = await spawn(host.xapi, host.place, host.cache, work.instance, from_json(work.arguments["image"], Image))
        host.vms.built(work.instance, vm)
    return Ending(RUNNING)


async def _settle(work: Work) -> Ending:
    """An agent was killed during it: what runs is there, anything less goes."""
    host = work.host
    there = host.vms.get(work.instance.uuid)
    if there is not None and there.power_state == RUNNING:
        return Ending(RUNNING)
    await remove(host.xapi, work.instance.uuid, work.instance.domain_name)
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
