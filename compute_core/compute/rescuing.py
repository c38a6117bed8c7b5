"""Operations that put a rescue VM in a server's place, and take it away again."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from compute_core.compute.guest_agents import rescuer_told
from compute_core.compute.work import Ending, Operation, Work
from compute_core.model.errors import ComputeError
from compute_core.model.images import Image
from compute_core.model.instances import RUNNING
from compute_core.xenapi import rescue as recipe
from compute_core.xenapi.errors import Unanswered, XenApiFailure

log = logging.getLogger(__name__)

BROKEN_OFF = "the rescue was broken off when the agent of {host} ended"


async def _rescue(work: Work) -> Ending:
    """From the image ``rescue_image_ref`` of the instance. What a former life has left of it is finished, or made anew."""
    host, instance = work.host, work.instance
    image = await host.images.get(instance.rescue_image_ref or instance.image_ref)
    helper = await _rescue_vm(work, image)
    told = await rescuer_told(host, helper, instance, image, work.admin_password)
    return Ending(RUNNING, note=told.note)


async def _rescue_vm(work: Work, image: Image) -> str:
    host, instance = work.host, work.instance
    left = host.vms.rescues.get(instance.uuid)
    if left is not None and left.power_state == RUNNING:
        return left.ref
    if left is not None:
        await recipe.remove_rescue(host.xapi, instance.uuid)
        host.vms.unrescued(instance.uuid)
    helper = await recipe.rescue(host.xapi, host.place, host.cache, work.vm, instance, image)
    host.vms.rescued(instance.uuid, helper)
    return helper


async def _unrescue(work: Work) -> Ending:
    """Once the server runs, that is how it ends; what is then not removed of its rescue VM is found again."""
    host, uuid = work.host, work.instance.uuid
    await recipe.unrescue(host.xapi, host.place, work.vm, work.instance)
    try:
        await recipe.remove_rescue(host.xapi, uuid)
        host.vms.unrescued(uuid)
    except (XenApiFailure, Unanswered) as problem:
        log.warning("%s: the rescue VM of %s is not removed yet: %s", host.settings.host, uuid, problem)
    return Ending(RUNNING)


async def _resume_rescue(work: Work) -> Ending:
    """The start of the rescue VM is the last step of all: when it runs, all is done; otherwise all is taken back."""
    host, instance = work.host, work.instance
    found = await recipe.rescue_vm(host.xapi, instance.uuid)
    if found is not None and found[1]["power_state"] == "Running":
        host.vms.rescued(instance.uuid, found[0])
        return Ending(RUNNING)
    await recipe.give_up_rescue(host.xapi, host.place, work.vm, instance)
    host.vms.unrescued(instance.uuid)
    raise ComputeError(BROKEN_OFF.format(host=host.settings.host))


RESCUING: Mapping[str, Operation] = {
    "rescue": _rescue,
    "unrescue": _unrescue,
}

RESCUING_RESUMES: Mapping[str, Operation] = {
    "rescue": _resume_rescue,
    "unrescue": _unrescue,
}
