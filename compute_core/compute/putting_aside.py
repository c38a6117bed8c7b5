"""Operations that put servers aside and bring them back: soft deletion, shelving; and the rebuild, which makes one anew."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from compute_core.compute.guest_agents import UNTOLD, first_told
from compute_core.compute.snapshots import SNAPSHOTS
from compute_core.compute.volumes import forget_targets
from compute_core.compute.volumes_moving import changed, parked
from compute_core.compute.work import Ending, Operation, Work
from compute_core.model.instances import NO_STATE, RUNNING, SHUTDOWN, Instance
from compute_core.model.json import from_json, to_json
from compute_core.xenapi import power, soft_deletion
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.former import bring_back, remove_former
from compute_core.xenapi.rebuild import rebuild
from compute_core.xenapi.removal import remove
from compute_core.xenapi.rescue import remove_rescue
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.verdicts import as_build_failure

log = logging.getLogger(__name__)


async def _soft_delete(work: Work) -> Ending:
    host = work.host
    if work.instance.vm_state == "rescued":
        await remove_rescue(host.xapi, work.instance.uuid)
        host.vms.unrescued(work.instance.uuid)
    was_running = work.instance.power_state == RUNNING and work.instance.vm_state != "rescued"
    await soft_deletion.soft_delete(host.xapi, host.place, work.vm, was_running=was_running)
    return Ending(SHUTDOWN)


async def _restore(work: Work) -> Ending:
    await soft_deletion.restore(work.host.xapi, work.host.place, work.vm)
    return Ending(RUNNING)


async def _shelve(work: Work) -> Ending:
    """Stop the guest and fill the queued image ``shelved_image_ref`` of the instance; one that is filled already is left as it is.

    A server that boots from a volume has none: what it holds is there.
    """
    host, instance = work.host, work.instance
    async with Undo(f"shelve {instance.domain_name}") as undo:
        if instance.power_state == RUNNING:
            undo.add("start the server", lambda: power.start(host.xapi, host.place, work.vm))
        await power.stop(host.xapi, work.vm, host.settings.patience)
        if instance.shelved_image_ref is not None:
            await _filled(work, instance.shelved_image_ref)
    return Ending(SHUTDOWN)


async def _filled(work: Work, image_id: str) -> None:
    image = await work.host.images.get(image_id)
    if image.status != "active":
        await SNAPSHOTS["snapshot"](replace(work, arguments={"image_id": image.id}))


async def _shelve_offload(work: Work) -> Ending:
    """Forget it here: its disk is an image, or a volume."""
    host, instance = work.host, work.instance
    await remove(host.xapi, instance.uuid, instance.domain_name, host.vms.uuid_of(instance.uuid))
    await forget_targets(host, instance)
    vm = host.vms.get(instance.uuid)
    if vm is not None:
        host.vms.forget(vm.ref)
    return Ending(NO_STATE, changed(await parked(host, instance)))


async def _unshelve(work: Work) -> Ending:
    """One that is still here is started."""
    await power.start(work.host.xapi, work.host.place, work.vm)
    return Ending(RUNNING)


async def _rebuild(work: Work) -> Ending:
    """From the image of the instance as ``pending`` makes it. What a former life has left of it is finished, or made anew."""
    host, wanted = work.host, from_json({**to_json(work.instance), **work.instance.pending}, Instance)
    state = SHUTDOWN if wanted.vm_state == "stopped" else RUNNING
    here = host.vms.get(wanted.uuid)
    if wanted.uuid not in host.vms.formers or here is None or here.power_state != state:
        await _build_anew(work, wanted)
    try:
        await remove_former(host.xapi, wanted.uuid, wanted.domain_name)
        host.vms.formers.pop(wanted.uuid, None)
    except (XenApiFailure, Unanswered) as problem:  # nobody wants it back: it is found again, and removed then
        log.warning("%s: the former VM of %s is not removed yet: %s", host.settings.host, wanted.uuid, problem)
    vm_state, vm = "stopped" if state == SHUTDOWN else "active", host.vms.get(wanted.uuid)
    if vm is None or state == SHUTDOWN:
        told = UNTOLD
    else:
        told = await first_told(host, vm.ref, wanted, await host.images.get(wanted.image_ref), work.admin_password)
    return Ending(state, {"vm_state": vm_state, **told.changes}, told.note)


async def _build_anew(work: Work, wanted: Instance) -> None:
    host = work.host
    with as_build_failure(host.settings.host):
        vm = await _own_vm(work, wanted)
        image = await host.images.get(wanted.image_ref)
        built = await rebuild(host.xapi, host.place, host.cache, vm, wanted, image, work.admin_password)
    host.vms.set_aside(wanted.uuid)
    host.vms.built(wanted, built)


async def _own_vm(work: Work, wanted: Instance) -> str | None:
    """The server's VM; one that was set aside already is the server's again, and what was to follow it goes."""
    host = work.host
    if wanted.uuid in host.vms.formers:
        await remove(host.xapi, wanted.uuid, wanted.domain_name, host.vms.uuid_of(wanted.uuid))
        return await bring_back(host.xapi, wanted.uuid, wanted.domain_name)
    vm = host.vms.get(wanted.uuid)
    return None if vm is None else vm.ref


PUTTING_ASIDE: Mapping[str, Operation] = {
    "soft_delete": _soft_delete,
    "restore": _restore,
    "shelve": _shelve,
    "shelve_offload": _shelve_offload,
    "unshelve": _unshelve,
    "rebuild": _rebuild,
}
"""Each comes to the same when it is begun again."""
