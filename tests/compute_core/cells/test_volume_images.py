"""Images of servers that boot from volumes, over simulated hosts: snapshots of the volumes, and servers that are built of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.cells.volume_images import unfolded
from compute_core.model.errors import Conflict, Invalid
from compute_core.model.images import Image
from compute_core.model.instances import RUNNING, Instance
from compute_core.model.requests import ServerRequest
from compute_core.model.volumes import NewDisk
from compute_core.volumes.embedded import NoRoom
from compute_core.xenapi import marks
from fake_xapi.dom0.arrays import GIB
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.faults.digest import discord
from tests.compute_core.faults.scene import ADMIN, USER, Scene, scene

TEXT = b"what the guest wrote"
DATE = "2012-08-01T00:00:00Z"


def booted(folder: Path, body: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a test's body: a server runs that boots from a volume."""

    async def main() -> None:
        async with scene(folder) as there:
            volume = await there.cloud.volumes.create("p", "u", 5, name="root")
            await there.order(image_ref="", disks=(NewDisk(volume.id, boot_index=0, deletes_volume=True),))
            await there.quiet()
            await body(there)
            await there.quiet()
            assert await discord(there) == ()

    run_virtual(main(), limit_s=100_000)


async def server(there: Scene, name: str) -> Instance:
    return await there.cloud.api_cell.get_server(ADMIN, await there.uuid(name))


def root_of(there: Scene, volume_id: str) -> tuple[Any, Any]:
    """The simulated host, and the LUN of a volume that a server has."""
    (xapi,) = there.fleet.hosts.values()
    (vdi,) = [row["VDI"] for _, row in xapi.world.rows("VBD") if row["other_config"].get(marks.VOLUME) == volume_id]
    return xapi, vdi


async def image_of(there: Scene) -> Image:
    await there.act("stop")
    await there.quiet()
    image_id = await there.cloud.api_cell.create_image(USER, await there.uuid(), "golden", {"purpose": "test"})
    return await there.cloud.images.get(image_id)


def test_a_server_is_built_of_the_snapshots_that_an_image_names(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        web = await server(there, "web")
        xapi, lun = root_of(there, web.block_devices[0].volume_id)
        xapi.disks.create(lun, 500 * GIB)
        xapi.disks.write(lun, 8192, TEXT)
        image = await image_of(there)
        (snapshot,) = await there.cloud.volumes.list_snapshots()
        (told,) = json.loads(image.properties["block_device_mapping"])
        assert (image.status, image.size_bytes, image.properties["bdm_v2"], image.properties["purpose"]) == ("active", 0, "True", "test")
        assert (told["snapshot_id"], told["volume_size"], told["boot_index"], told["delete_on_termination"]) == (snapshot.id, 5, 0, True)
        with pytest.raises(Invalid, match=f"Invalid snapshot: {snapshot.id} is creating, not available."):
            await there.order("second", image_ref=image.id)
        await there.quiet()
        await there.order("second", image_ref=image.id)
        await there.quiet()
        second = await server(there, "second")
        assert (second.vm_state, second.power_state, second.image_ref, second.fault) == ("active", RUNNING, "", None)
        (device,) = second.block_devices
        xapi, lun = root_of(there, device.volume_id)
        assert xapi.disks.read(lun, 8192, len(TEXT)) == TEXT
        await there.delete("second")
        await there.quiet()
        assert [volume.id for volume in await there.cloud.volumes.list()] == [web.block_devices[0].volume_id]

    booted(tmp_path, body)


def test_a_server_is_not_started_while_its_volume_is_copied(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await image_of(there)
        with pytest.raises(Conflict, match="Cure: wait until it is not"):
            await there.act("start")
        await there.quiet()
        await there.act("start")
        await there.quiet()
        assert (await server(there, "web")).power_state == RUNNING

    booted(tmp_path, body)


def test_a_server_is_built_from_a_snapshot_that_its_request_names(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await image_of(there)
        await there.quiet()
        (snapshot,) = await there.cloud.volumes.list_snapshots()
        await there.order("second", image_ref="", disks=(NewDisk(None, boot_index=0, snapshot_id=snapshot.id),))
        await there.quiet()
        assert ((await server(there, "second")).vm_state, (await server(there, "second")).fault) == ("active", None)

    booted(tmp_path, body)


def test_no_image_is_made_of_a_server_that_runs_and_none_of_what_has_no_room(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        with pytest.raises(Conflict, match="Cure: stop it first"):
            await there.cloud.api_cell.create_image(USER, await there.uuid(), "golden", {})
        before = [image.id for image in await there.cloud.images.list()]
        for _ in range(4):
            await there.cloud.volumes.create("p", "u", 5)
        await there.act("stop")
        await there.quiet()
        with pytest.raises(NoRoom, match="no free LUN"):
            await there.cloud.api_cell.create_image(USER, await there.uuid(), "golden", {})
        assert [image.id for image in await there.cloud.images.list()] == before

    booted(tmp_path, body)


def test_an_image_that_names_no_snapshots_is_taken_as_it_is_and_one_that_cannot_be_read_is_refused() -> None:
    request = ServerRequest("web", "1", "image-1")
    plain = Image("image-1", "debian", "active", "p", DATE, DATE, properties={"a": "b"})
    assert unfolded(request, plain) == (request, plain)
    for text in ("{", "[1]", "7"):
        broken = Image("image-1", "debian", "active", "p", DATE, DATE, properties={"block_device_mapping": text})
        with pytest.raises(Invalid, match="Block Device Mapping is Invalid: the image says"):
            unfolded(request, broken)
