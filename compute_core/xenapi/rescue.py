"""Rescue: another VM in a server's place, from an image of its own, with the server's root disk beside it. And back again.

The rescue VM is called as the server's with ``-rescue`` behind it, and bears a mark of its own. It is made while the server still runs;
only then is the server shut down and locked against being started by anybody. Again is fine in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compute_core.model.images import Image
from compute_core.model.instances import RUNNING, Instance
from compute_core.xenapi import marks, records
from compute_core.xenapi.boot import release_of
from compute_core.xenapi.boot_lock import lock, unlock
from compute_core.xenapi.certainty import all_of, certain, destroy, named_vm, one_of
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.guest_agent_rules import mark_of
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.interfaces import give
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import reach, start
from compute_core.xenapi.removal import remove_vm
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vifs import network_of, vif_record

WHY_LOCKED = "the server is being rescued"
ROOT, RESCUED_DISK = "0", "1"
"""The devices of the rescue VM: its own disk, and the server's."""


async def rescue(xapi: XenApi, place: Place, cache: ImageCache, vm: str, instance: Instance, image: Image) -> str:
    """The ref of the running rescue VM: 19 calls when the image is not cached and there is one interface, 12 when it is.

    Whatever fails on the way, nothing of it is left, and the server runs if it ran. Raises BuildFailed, XenApiFailure, NotSent, ReplyLost,
    TransferFailed, BadImage.
    """
    vifs = [vif_record(place, network_of(place, vif), vif, instance.flavor) for vif in instance.vifs]
    label = marks.rescue_label(instance.uuid)
    as_large_as_the_image = replace(instance, flavor=replace(instance.flavor, root_gb=0))
    async with Undo(f"rescue {instance.domain_name}") as undo:
        own = await cache.copy(xapi, as_large_as_the_image, image, undo, label, "rescue")
        root = await _root_of(xapi, vm)
        helper = await _create(xapi, _vm_record(instance, image, place), label)
        undo.add("remove the rescue VM", lambda: remove_vm(xapi, helper))
        await _attach(xapi, helper, own.vdi, ROOT)
        for vif in vifs:
            await give(xapi, helper, vif)
        undo.add("bring the server back", lambda: _bring_back(xapi, place, vm, helper, starts=instance.power_state == RUNNING))
        await reach(xapi, "Halted", "VM.hard_shutdown", vm)
        await lock(xapi, vm, WHY_LOCKED)
        await _attach(xapi, helper, root, RESCUED_DISK)
        await start(xapi, place, helper)
    return helper


async def unrescue(xapi: XenApi, place: Place, vm: str, instance: Instance) -> None:
    """The server runs in place of its rescue VM, which is off; ``remove_rescue`` is what follows. Four calls.

    What fails leaves the rescue as it was.
    """
    found = await rescue_vm(xapi, instance.uuid)
    async with Undo(f"unrescue {instance.domain_name}") as undo:
        if found is not None:
            helper, _ = found
            undo.add("start the rescue VM", lambda: start(xapi, place, helper))
            await reach(xapi, "Halted", "VM.hard_shutdown", helper)
        undo.add("lock the server", lambda: lock(xapi, vm, WHY_LOCKED))
        await unlock(xapi, vm)
        await start(xapi, place, vm)


async def give_up_rescue(xapi: XenApi, place: Place, vm: str, instance: Instance) -> None:
    """Take back what is there of a rescue; the server runs if it ran."""
    await remove_rescue(xapi, instance.uuid)
    await unlock(xapi, vm)
    if instance.power_state == RUNNING:
        await start(xapi, place, vm)


async def remove_rescue(xapi: XenApi, uuid: str) -> None:
    """The rescue VM of a server, and its own disk; the server's stays."""
    label = marks.rescue_label(uuid)
    vms = {ref: record for ref, record in (await all_of(xapi, "VM", {"name__label": label})).items() if marks.rescue_of(record) == uuid}
    for helper, record in vms.items():
        if record["power_state"] != "Halted" or record["current_operations"]:
            await reach(xapi, "Halted", "VM.hard_shutdown", helper)
    vdis = await all_of(xapi, "VDI", {"name__label": label})
    for vdi in [ref for ref, record in vdis.items() if marks.instance_of(record) == uuid]:
        await destroy(xapi, "VDI", vdi)
    for helper in vms:
        await destroy(xapi, "VM", helper)


async def rescue_vm(xapi: XenApi, uuid: str) -> tuple[str, Mapping[str, Any]] | None:
    """The rescue VM of a server and its record, when it has one."""
    vms = await all_of(xapi, "VM", {"name__label": marks.rescue_label(uuid)})
    return next(((ref, record) for ref, record in vms.items() if marks.rescue_of(record) == uuid), None)


async def _bring_back(xapi: XenApi, place: Place, vm: str, helper: str, *, starts: bool) -> None:
    """The disk first: a VM that holds it would keep the server from being started."""
    await remove_vm(xapi, helper)
    await unlock(xapi, vm)
    if starts:
        await start(xapi, place, vm)


def _vm_record(instance: Instance, image: Image, place: Place) -> dict[str, Any]:
    """As the server's, under another name, hostname and mark."""
    there = replace(instance, hostname=f"RESCUE-{instance.hostname or instance.name}")
    marked = {marks.RESCUE: instance.uuid, marks.IMAGE: image.id, marks.CELL: instance.cell or "", **mark_of(image)}
    return {
        **records.vm_record(there, image, place.host, records.Grants(release_of(place.version))),
        "name_label": marks.rescue_label(instance.uuid),
        "name_description": f"rescue of {instance.name}",
        "other_config": marked,
    }


async def _root_of(xapi: XenApi, vm: str) -> str:
    vbds = await all_of(xapi, "VBD", {"VM": vm, "userdevice": ROOT})
    root: str | None = next((vbd["VDI"] for vbd in vbds.values() if not vbd["empty"]), None)
    if root is None:
        raise TransferFailed("the server has no root disk that could be rescued")
    return root


async def _create(xapi: XenApi, record: Mapping[str, Any], label: str) -> str:
    return await certain(xapi.call("VM.create", record), lambda: named_vm(xapi, label))


async def _attach(xapi: XenApi, vm: str, vdi: str, device: str) -> None:
    record = {**records.vbd_record(vm, vdi), "userdevice": device, "bootable": device == ROOT}
    await certain(xapi.call("VBD.create", record), lambda: one_of(xapi, "VBD", {"VM": vm, "VDI": vdi}))
