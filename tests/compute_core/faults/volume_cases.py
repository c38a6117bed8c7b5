"""Volumes that are put through faults: attached, detached, and there while their servers start and go."""

from __future__ import annotations

from compute_core.model.volumes import NewDisk
from compute_core.volumes.port import Connector
from tests.compute_core.faults.case import Case, Deed
from tests.compute_core.faults.scene import ADMIN, USER, Scene


async def _with_volume(scene: Scene, size_gb: int = 5) -> None:
    """A server runs, and a volume is there."""
    await scene.cloud.volumes.create(USER.project_id, USER.user_id, size_gb, name="data")
    await scene.order()


async def _attach(scene: Scene) -> None:
    (volume,) = await scene.cloud.volumes.list()
    await scene.cloud.api_cell.attach_volume(USER, await scene.uuid(), volume.id, device=None, tag=None, deletes_volume=False)


async def _detach(scene: Scene) -> None:
    (volume,) = await scene.cloud.volumes.list()
    await scene.cloud.api_cell.detach_volume(USER, await scene.uuid(), volume.id)


def _after(*deeds: Deed) -> Deed:
    """The volume is there, and what was done with it has come to its end."""

    async def prepare(scene: Scene) -> None:
        await _with_volume(scene)
        for deed in deeds:
            await scene.quiet()
            await deed(scene)

    return prepare


async def _stop(scene: Scene) -> None:
    await scene.act("stop")


async def _start(scene: Scene) -> None:
    await scene.act("start")


async def _delete(scene: Scene) -> None:
    await scene.delete()


async def _with_bootable(scene: Scene) -> None:
    """A volume to boot from is there, and the host has had no server."""
    await scene.cloud.volumes.create(USER.project_id, USER.user_id, 5, name="root")


async def _order_from_volume(scene: Scene) -> None:
    (volume,) = await scene.cloud.volumes.list()
    await scene.order(image_ref="", disks=(NewDisk(volume.id, boot_index=0),))


async def _held(scene: Scene) -> None:
    """A server that could not be built has its volume until it is deleted."""
    await _with_bootable(scene)
    (volume,) = await scene.cloud.volumes.list()
    attachment = await scene.cloud.volumes.reserve(volume.id, "a server in error")
    await scene.cloud.volumes.connect(attachment.id, Connector("nowhere", "192.0.2.1"), "/dev/xvda")


async def _migrate(scene: Scene) -> None:
    await scene.cloud.api_cell.migrate_server(ADMIN, await scene.uuid(), None)


async def _live_migrate(scene: Scene) -> None:
    await scene.cloud.api_cell.live_migrate_server(ADMIN, await scene.uuid(), None, moves_disks=None)


async def _revert(scene: Scene) -> None:
    await scene.act("revert_resize")


async def _swap(scene: Scene) -> None:
    (new,) = [volume.id for volume in await scene.cloud.volumes.list() if volume.name == "new"]
    (old,) = (await scene.cloud.api_cell.get_server(ADMIN, await scene.uuid())).block_devices
    await scene.cloud.api_cell.swap_volume(ADMIN, await scene.uuid(), old.volume_id, new)


async def _with_two(scene: Scene) -> None:
    """A server runs with a volume, and another one is there."""
    await _with_volume(scene)
    await scene.quiet()
    await _attach(scene)
    await scene.quiet()
    await scene.cloud.volumes.create(USER.project_id, USER.user_id, 5, name="new")


VOLUMES = (
    Case("spawn-from-volume", _order_from_volume, _with_bootable, at_most=15, earlier="66", also=(_held,)),
    Case("attach-volume", _attach, _with_volume, at_most=6, earlier="13"),
    Case("attach-volume-stopped", _attach, _after(_stop), at_most=6),
    Case("detach-volume", _detach, _after(_attach), at_most=8, earlier="14"),
    Case("start-with-volume", _start, _after(_attach, _stop), at_most=2),
    Case("destroy-with-volume", _delete, _after(_attach), at_most=12),
    Case("migrate-with-volume", _migrate, _after(_attach), at_most=36, hosts=2),
    Case(
        "revert-with-volume",
        _revert,
        _after(_attach, _migrate),
        at_most=24,
        hosts=2,
        also=(_after(_attach, _migrate, _revert, _stop),),
    ),
    Case("swap-volume", _swap, _with_two, at_most=16),
    Case("live-migrate-with-volume", _live_migrate, _after(_attach), at_most=20, hosts=2),
)
