"""The volumes that a server is to be built with: reserved before any cell hears of it, given back when it comes to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from compute_core.cells.disk_names import free_device
from compute_core.cells.left_volumes import LeftVolumes
from compute_core.model.errors import ComputeError, Conflict, Invalid, NotFound
from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.model.requests import RequestContext, ServerRequest
from compute_core.model.volumes import BlockDevice, NewDisk, Snapshot, Volume, device_name
from compute_core.volumes.port import Volumes


async def with_volumes(
    volumes: Volumes | None, left: LeftVolumes, context: RequestContext, request: ServerRequest, drafts: Sequence[Instance]
) -> tuple[Instance, ...]:  # fmt: skip
    """The servers with their volumes. Invalid: a volume is not there, is taken, or would be several servers'. What fails leaves none."""
    if not request.disks:
        return tuple(drafts)
    if volumes is None:
        raise Invalid("Block Device Mapping is Invalid: this installation has no volume service.")
    if len(drafts) > 1:
        raise Invalid("Cannot attach one or more volumes to multiple instances")
    server = drafts[0]
    try:
        for disk in request.disks:
            server = replace(server, block_devices=(*server.block_devices, await _reserved(volumes, context, server, disk)))
    except ComputeError:
        await give_back(volumes, left, request, server)
        raise
    return (server,)


async def give_back(volumes: Volumes | None, left: LeftVolumes, request: ServerRequest, server: Instance) -> None:
    """The server comes to nothing: its volumes are free, and those that were made for it are deleted, once they are filled."""
    made = [device.volume_id for disk, device in zip(request.disks, server.block_devices, strict=False) if disk.volume_id is None]
    if volumes is not None and server.block_devices:
        await volumes.release(server.uuid)
    if made:
        left.give_back(server.uuid, made)


async def _reserved(volumes: Volumes, context: RequestContext, server: Instance, disk: NewDisk) -> BlockDevice:
    device = device_name(0) if disk.boot_index == 0 else free_device(server, disk.device)
    volume = await _volume(volumes, context, disk)
    try:
        attachment = await volumes.reserve(volume.id, server.uuid)
    except Conflict as taken:
        raise Invalid(f"Block Device Mapping is Invalid: {taken.message}") from taken
    return BlockDevice(volume.id, attachment.id, device, disk.boot_index, disk.deletes_volume, disk.tag, "attaching")


async def _volume(volumes: Volumes, context: RequestContext, disk: NewDisk) -> Volume:
    if disk.snapshot_id is not None:
        snapshot = await visible_snapshot(volumes, context, disk.snapshot_id)
        size_gb = disk.size_gb or snapshot.size_gb
        return await volumes.create(context.project_id, context.user_id, size_gb, snapshot_id=snapshot.id, metadata=dict(snapshot.metadata))
    if disk.volume_id is None:
        return await volumes.create(context.project_id, context.user_id, disk.size_gb)
    volume = await visible(volumes, context, disk.volume_id)
    if volume is None:
        raise Invalid(f"Block Device Mapping is Invalid: failed to get volume {disk.volume_id}.")
    return volume


async def visible_snapshot(volumes: Volumes, context: RequestContext, snapshot_id: str) -> Snapshot:
    """A snapshot that the caller may see. Invalid: it is none."""
    with suppress(NotFound):
        snapshot = await volumes.get_snapshot(snapshot_id)
        if context.is_admin or snapshot.project_id == context.project_id:
            return snapshot
    raise Invalid(f"Block Device Mapping is Invalid: failed to get snapshot {snapshot_id}.")


async def visible(volumes: Volumes, context: RequestContext, volume_id: str) -> Volume | None:
    """A volume that the caller may see, if it is one."""
    try:
        volume = await volumes.get(volume_id)
    except NotFound:
        return None
    return volume if context.is_admin or volume.project_id == context.project_id else None


async def image_on_disks(volumes: Volumes | None, context: RequestContext, disks: Sequence[NewDisk], now: str) -> Image:
    """As ``image_on_volume``, of disks that are to be; a snapshot says of the guest what its volume's metadata did."""
    root = next((disk for disk in disks if disk.boot_index == 0), None)
    if volumes is None or root is None or root.snapshot_id is None:
        return await image_on_volume(volumes, context, None if root is None else root.volume_id, now)
    snapshot = await visible_snapshot(volumes, context, root.snapshot_id)
    return Image("", "", "active", context.project_id, now, now, properties=dict(snapshot.metadata))


async def image_on_volume(volumes: Volumes | None, context: RequestContext, root: str | None, now: str) -> Image:
    """What a server is built from that boots from the volume ``root``: no image, but what its metadata say of its guest. Invalid."""
    volume = None if volumes is None or root is None else await visible(volumes, context, root)
    if volume is None:
        raise Invalid("Block Device Mapping is Invalid: the volume to boot from is not there.")
    return Image("", "", "active", context.project_id, now, now, properties=dict(volume.metadata))
