"""Build a server: nine calls when its image is cached, sixteen when it is not, one per further interface, and six per further disk."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.xenapi import records
from compute_core.xenapi.boot import boot_members, kernels_of, release_of
from compute_core.xenapi.certainty import certain, named_vm, one_of
from compute_core.xenapi.grants import give_vgpus, granted, has_wishes
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.interfaces import give
from compute_core.xenapi.kernels import keep_kernels
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import start
from compute_core.xenapi.quotas import io_priority
from compute_core.xenapi.records import Drive
from compute_core.xenapi.removal import remove_vm
from compute_core.xenapi.server_disks import Drives, blanks_of, made, root_drives
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.targets import Targets
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vifs import network_of, vif_record
from compute_core.xenapi.volumes import Outfit

NO_VOLUMES = Outfit(Targets(""))


async def spawn(
    xapi: XenApi, place: Place, cache: ImageCache, instance: Instance, image: Image, admin_password: str = "", outfit: Outfit = NO_VOLUMES
) -> str:  # fmt: skip
    """The ref of the running VM. Whatever fails on the way, nothing of it is left on the host.

    ``admin_password`` goes onto the config drive, ``outfit`` are its volumes: no image is fetched where it boots from one.
    Raises BuildFailed, XenApiFailure, NotSent, ReplyLost, TransferFailed, BadImage.
    """
    boot_members(image, release_of(place.version))  # an image that cannot boot here is not even fetched
    vifs = [vif_record(place, network_of(place, vif), vif, instance.flavor) for vif in instance.vifs]
    async with cache.holding(image.id, *kernels_of(image)), Undo(f"spawn {instance.domain_name}") as undo:
        await keep_kernels(xapi, place, cache, instance, image)
        roots = Drives(()) if outfit.has_root else await root_drives(xapi, place, cache, instance, image, undo)
        blanks = [await made(xapi, place, instance, blank, undo) for blank in blanks_of(instance, admin_password)]
        undo.add("forget the volumes' targets", lambda: outfit.part(xapi))
        async with cache.turn(place.host) if has_wishes(instance.flavor) else nullcontext():
            vm = await _create_vm(xapi, place, instance, image, roots.note)
        undo.add("remove the VM", lambda: remove_vm(xapi, vm))
        for drive in (*roots.drives, *blanks):
            await _attach(xapi, vm, drive, instance)
        await outfit.join(xapi, vm)
        for vif in vifs:
            await give(xapi, vm, vif)
        await give_vgpus(xapi, place, vm, instance.uuid, instance.flavor)
        await start(xapi, place, vm)
    return vm


async def _create_vm(xapi: XenApi, place: Place, instance: Instance, image: Image, note: str) -> str:
    grants = replace(await granted(xapi, place, instance.flavor), note=note)
    record = records.vm_record(instance, image, place.host, grants)
    return await certain(xapi.call("VM.create", record), lambda: named_vm(xapi, instance.domain_name))


async def _attach(xapi: XenApi, vm: str, drive: Drive, instance: Instance) -> None:
    record = records.drive_record(vm, drive, io_priority(instance.flavor))
    await certain(xapi.call("VBD.create", record), lambda: one_of(xapi, "VBD", {"VM": vm, "userdevice": drive.device}))
