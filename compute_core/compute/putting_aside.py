"""Operations that put servers aside and bring them back: soft deletion, shelving; and the rebuild, which makes one anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compute_core.compute.snapshots import SNAPSHOTS
from compute_core.compute.work import Ending, LeftUnusable, Operation, Work
from compute_core.model.errors import BuildFailed
from compute_core.model.instances import NO_STATE, RUNNING, SHUTDOWN
from compute_core.xenapi import power, soft_deletion
from compute_core.xenapi.removal import remove
from compute_core.xenapi.rescue import remove_rescue
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.verdicts import as_build_failure


async def _soft_delete(work: Work) -> Ending:
    host = work.host
    if work.instance.vm_state == "rescued":
        await remove_rescue(host.xapi, work.instance.uuid)
        host.vms.unrescued(work.instance.uuid)
    await soft_deletion.soft_delete(host.xapi, work.vm)
    return Ending(SHUTDOWN)


async def _restore(work: Work) -> Ending:
    await soft_deletion.restore(work.host.xapi, work.host.place, work.vm)
    return Ending(RUNNING)


async def _shelve(work: Work) -> Ending:
    """Stop the guest and fill the queued image ``shelved_image_ref`` of the instance; one that is filled already is left as it is."""
    host, instance = work.host, work.instance
    async with Undo(f"shelve {instance.domain_name}") as undo:
        if instance.power_state == RUNNING:
            undo.add("start the server", lambda: power.start(host.xapi, host.place, work.vm))
        await power.stop(host.xapi, work.vm, host.settings.patience)
        image = await host.images.get(instance.shelved_image_ref or "")
        if image.status != "active":
            await SNAPSHOTS["snapshot"](replace(work, arguments={"image_id": image.id}))
    return Ending(SHUTDOWN)


async def _shelve_offload(work: Work) -> Ending:
    """Forget it here: its disk is an image."""
    host, instance = work.host, work.instance
    await remove(host.xapi, instance.uuid, instance.domain_name, host.vms.uuid_of(instance.uuid))
    vm = host.vms.get(instance.uuid)
    if vm is not None:
        host.vms.forget(vm.ref)
    return Ending(NO_STATE)


async def _unshelve(work: Work) -> Ending:
    """One that is still here is started."""
    await power.start(work.host.xapi, work.host.place, work.vm)
    return Ending(RUNNING)


async def _rebuild(work: Work) -> Ending:
    """Its VM and disks anew from its image, under the same uuid and with the same interfaces. The image is fetched before anything goes."""
    host, instance = work.host, work.instance
    image = await host.images.get(instance.image_ref)
    with as_build_failure(host.settings.host):
        await host.cache.prepare(host.xapi, instance, image)
    await remove(host.xapi, instance.uuid, instance.domain_name, host.vms.uuid_of(instance.uuid))
    try:
        with as_build_failure(host.settings.host):
            vm = await spawn(host.xapi, host.place, host.cache, instance, image)
    except BuildFailed as failure:
        raise LeftUnusable(failure.message) from failure
    host.vms.built(instance, vm)
    if instance.vm_state != "stopped":
        return Ending(RUNNING, {"vm_state": "active"})
    await power.reach(host.xapi, "Halted", "VM.hard_shutdown", vm)
    return Ending(SHUTDOWN, {"vm_state": "stopped"})


PUTTING_ASIDE: Mapping[str, Operation] = {
    "soft_delete": _soft_delete,
    "restore": _restore,
    "shelve": _shelve,
    "shelve_offload": _shelve_offload,
    "unshelve": _unshelve,
    "rebuild": _rebuild,
}
"""Each comes to the same when it is begun again."""
