"""Build a server from a VHD image: nine calls when the image is cached, sixteen when it is not, and one per further interface."""

from __future__ import annotations

from compute_core.model.errors import BuildFailed
from compute_core.model.images import Image
from compute_core.model.instances import Instance, Vif
from compute_core.xenapi import records
from compute_core.xenapi.certainty import certain, one_of
from compute_core.xenapi.image_cache import Disk, ImageCache
from compute_core.xenapi.image_stream import sizes
from compute_core.xenapi.place import Place
from compute_core.xenapi.power import start
from compute_core.xenapi.removal import remove_vm
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo


async def spawn(xapi: XenApi, place: Place, cache: ImageCache, instance: Instance, image: Image) -> str:
    """The ref of the running VM. Whatever fails on the way, nothing of it is left on the host.

    Raises BuildFailed, XenApiFailure, NotSent, ReplyLost, TransferFailed, BadImage.
    """
    _, _, root_bytes = sizes(image, instance.flavor.root_gb)
    networks = [network_of(place, vif) for vif in instance.vifs]
    async with Undo(f"spawn {instance.domain_name}") as undo:
        root = await cache.root_disk(xapi, instance, image, undo)
        await _resize(xapi, root, root_bytes)
        vm = await _create_vm(xapi, place, instance, image)
        undo.add("remove the VM", lambda: remove_vm(xapi, vm))
        await _attach(xapi, vm, root.vdi)
        for vif, network in zip(instance.vifs, networks, strict=True):
            await plug(xapi, vm, network, vif)
        await start(xapi, place, vm)
    return vm


def network_of(place: Place, vif: Vif) -> str:
    """The network of an interface on this host. BuildFailed: there is none."""
    if vif.bridge not in place.networks:
        raise BuildFailed(f"{place.hostname} has no network on bridge {vif.bridge}.", is_retryable=True)
    return place.networks[vif.bridge]


async def _resize(xapi: XenApi, disk: Disk, wanted_bytes: int) -> None:
    """Up to the flavor's size. A lost answer is answered by the size itself."""
    if disk.size_bytes >= wanted_bytes:
        return

    async def is_resized() -> str | None:
        return "" if await xapi.call("VDI.get_virtual_size", disk.vdi) >= wanted_bytes else None

    await certain(xapi.call("VDI.resize", disk.vdi, wanted_bytes), is_resized)


async def _create_vm(xapi: XenApi, place: Place, instance: Instance, image: Image) -> str:
    record = records.vm_record(instance, image, place.host)
    return await certain(xapi.call("VM.create", record), lambda: one_of(xapi, "VM", {"name__label": instance.domain_name}))


async def _attach(xapi: XenApi, vm: str, vdi: str) -> None:
    await certain(xapi.call("VBD.create", records.vbd_record(vm, vdi)), lambda: one_of(xapi, "VBD", {"VM": vm, "VDI": vdi}))


async def plug(xapi: XenApi, vm: str, network: str, vif: Vif) -> None:
    """Give a VM that does not run yet an interface."""
    record = records.vif_record(vm, network, vif)
    await certain(xapi.call("VIF.create", record), lambda: one_of(xapi, "VIF", {"VM": vm, "device": str(vif.device)}))
