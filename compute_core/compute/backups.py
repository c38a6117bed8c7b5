"""Operations that back servers up, whole or as what has changed, and let go of what rotation leaves over.

Nothing goes before what replaces it is whole: a backup that fails leaves those that there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from compute_core.compute.snapshots import SNAPSHOTS, broken_off, forget, forget_queued, images_of, is_filled, teller
from compute_core.compute.work import Ending, Operation, Work
from compute_core.model import backups
from compute_core.model.errors import Forbidden, NotFound
from compute_core.model.images import Image
from compute_core.xenapi import increment
from compute_core.xenapi.increment import Base, Disk, Moved
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vhd_archive import Tally


async def _backup(work: Work) -> Ending:
    """Fill the queued image ``image_id``, then forget the oldest of its series."""
    await SNAPSHOTS["snapshot"](work)
    await _rotate(work, await work.host.images.get(work.arguments["image_id"]))
    return Ending()


async def _rotate(work: Work, image: Image) -> None:
    kind, rotation = image.properties.get(backups.KIND, ""), image.properties.get(backups.ROTATION, "")
    series = await images_of(work, backups.BACKUP, "active", **{backups.KIND: kind})
    if rotation.isdecimal():
        await _delete(work, backups.expired_backups(series, int(rotation)))


async def _resumed_backup(work: Work) -> Ending:
    """One that is whole is rotated in, one that is not is given up."""
    if await images_of(work, backups.BACKUP, "queued"):
        await forget_queued(work, backups.BACKUP)
        raise broken_off(work)
    newest = max(await images_of(work, backups.BACKUP, "active"), key=lambda image: image.created_at, default=None)
    if newest is None:
        raise broken_off(work)
    await _rotate(work, newest)
    return Ending()


async def _delete(work: Work, images: Iterable[Image]) -> None:
    """Those that are gone are gone; those that somebody protects stay."""
    for image in images:
        with suppress(NotFound, Forbidden):
            await work.host.images.delete(image.id)


async def _incremental(work: Work) -> Ending:
    """Fill the queued image ``image_id`` with what has changed since the server's last point, or with everything where that is gone."""
    image_id = work.arguments["image_id"]
    async with Undo(f"make image {image_id}") as undo:
        undo.add("forget the image", lambda: forget(work.host.images, image_id))
        disk = await _without_broken(work, await increment.found(work.host.xapi, work.vm, work.instance.uuid))
        if not await is_filled(work, image_id):
            await _fill(work, disk, image_id)
        await _settle(work, disk, image_id)
    return Ending()


async def _without_broken(work: Work, disk: Disk) -> Disk:
    """Points that never came to be have left no snapshots, once this has seen to them."""
    there = {point.id for point in await images_of(work, backups.POINT, "active")}
    await increment.let_go(work.host.xapi, disk, there)
    return Disk(disk.vdi, disk.instance_uuid, tuple(base for base in disk.bases if base.image_id in there))


async def _fill(work: Work, disk: Disk, image_id: str) -> None:
    images = work.host.images
    points = backups.in_order(await images_of(work, backups.POINT, "active"))
    base = None if work.arguments.get("is_full") else _base_of(disk, points)
    told = {
        **(await images.get(image_id)).properties,
        backups.PARENT: base.image_id if base else "",
        backups.SEQUENCE: str(max(map(backups.sequence_of, points), default=0) + 1),
    }
    await images.update(image_id, properties=told)
    moved = await increment.increment(work.host.xapi, disk, base, image_id, images, Tally(teller(work)))
    await images.update(image_id, properties={**told, **_figures(moved, told[backups.PARENT])})


def _figures(moved: Moved, parent: str) -> Mapping[str, str]:
    return {
        backups.PARENT: parent if moved.is_delta else "",
        backups.MOVED: str(moved.sent_bytes),
        backups.WHOLE: str(moved.whole_bytes),
        backups.HOW: "delta" if moved.is_delta else "full",
    }


def _base_of(disk: Disk, points: Sequence[Image]) -> Base | None:
    """The newest point whose snapshot is there; None when there is none, or when it needs too many others already."""
    by_id = {point.id: point for point in points}
    for point in reversed(points):
        base = disk.base(point.id)
        if base is not None and backups.is_complete(point, by_id):
            return base if len([*backups.ancestry(point, by_id)]) < backups.MOST_IN_CHAIN else None
    return None


async def _settle(work: Work, disk: Disk, image_id: str) -> None:
    """The new point is whole: its snapshot alone stays, and the oldest points go."""
    await increment.let_go(work.host.xapi, disk, {image_id})
    rotation = (await work.host.images.get(image_id)).properties.get(backups.ROTATION, "")
    if rotation.isdecimal() and int(rotation):
        await _delete(work, backups.expired_points(await images_of(work, backups.POINT, "active"), int(rotation)))


async def _resumed_incremental(work: Work) -> Ending:
    disk = await increment.found(work.host.xapi, work.vm, work.instance.uuid)
    await forget_queued(work, backups.POINT)
    disk = await _without_broken(work, disk)
    points = backups.in_order(await images_of(work, backups.POINT, "active"))
    if not points or disk.base(points[-1].id) is None or len(disk.bases) < 2:
        raise broken_off(work)
    await _settle(work, disk, points[-1].id)
    return Ending()


BACKUPS: Mapping[str, Operation] = {
    "backup": _backup,
    "incremental_backup": _incremental,
}

BACKUPS_RESUMES: Mapping[str, Operation] = {
    "backup": _resumed_backup,
    "incremental_backup": _resumed_incremental,
}
