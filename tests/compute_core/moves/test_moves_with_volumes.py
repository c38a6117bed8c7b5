"""Servers with volumes, moved, put aside and brought back over simulated hosts: the volumes come along, and are let go behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.instances import RUNNING, Instance
from compute_core.model.volumes import NewDisk
from compute_core.xenapi import marks
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.lifecycle.rules import POOL
from tests.compute_core.faults.digest import discord, pools
from tests.compute_core.faults.scene import ADMIN, USER, Scene, scene

Body = Callable[[Scene], Awaitable[None]]
BOTH = pytest.mark.parametrize("pool_size", [1, 2])


def with_volume(folder: Path, body: Body, hosts: int = 2, *, boots: bool = False, **options: Any) -> None:
    """Run a test's body, a server with a volume being there; ``boots``: from it."""

    async def main() -> None:
        async with scene(folder, hosts, **options) as there:
            volume = await there.cloud.volumes.create(USER.project_id, USER.user_id, 5, name="data")
            if boots:
                await there.order(image_ref="", disks=(NewDisk(volume.id, boot_index=0),))
            else:
                await there.order()
                await there.quiet()
                await there.cloud.api_cell.attach_volume(USER, await there.uuid(), volume.id, device=None, tag=None, deletes_volume=False)
            await there.quiet()
            await body(there)
            await there.quiet()
            assert await discord(there) == ()

    run_virtual(main(), limit_s=100_000)


async def web(there: Scene) -> Instance:
    return await there.cloud.api_cell.get_server(ADMIN, await there.uuid())


async def word(there: Scene, action: str) -> Instance:
    await there.act(action)
    await there.quiet()
    return await web(there)


def targets(there: Scene) -> dict[str, int]:
    """By host: how many targets it has plugged."""
    found: dict[str, int] = {}
    for name, xapi in there.fleet.hosts.items():
        srs = [row for _, row in xapi.world.rows("SR") if row["type"] == "iscsi"]
        links = [xapi.world[pbd] for row in srs for pbd in row["PBDs"]]
        found[name] = sum(bool(link["currently_attached"]) for link in links if link["host"] == xapi.host)
    return found


def plugged(there: Scene) -> list[tuple[str, str, bool]]:
    """The VM, its device and whether that is plugged, of every VBD of a volume."""
    worlds = [xapi.world for xapi in pools(there)]
    vbds: list[tuple[Any, Any]] = [
        (world, row) for world in worlds for _, row in world.rows("VBD") if row["other_config"].get(marks.VOLUME)
    ]
    return [(world[row["VM"]]["power_state"], row["userdevice"], row["currently_attached"]) for world, row in vbds]


async def is_whole(there: Scene, server: Instance, device: str = "1") -> None:
    """The server has its volume where it is, nobody else has, and the service knows."""
    assert (server.vm_state in {"active", "resized"}, server.power_state, server.fault) == (True, RUNNING, None)
    assert plugged(there) == [("Running", device, True)]
    assert targets(there) == {name: int(name == server.host) for name in there.fleet.hosts}
    (volume,) = await there.cloud.volumes.list()
    (attachment,) = volume.attachments
    (known,) = server.block_devices
    assert (volume.status, attachment.host, attachment.status) == ("in-use", server.host, "attached")
    assert (known.attachment_id, known.state, known.target is not None) == (attachment.id, "attached", True)


@BOTH
@pytest.mark.parametrize("boots", [False, True])
def test_a_resized_server_has_its_volume_where_it_is(tmp_path: Path, pool_size: int, *, boots: bool) -> None:
    async def body(there: Scene) -> None:
        await there.cloud.api_cell.resize_server(ADMIN, await there.uuid(), "2")
        await there.quiet()
        await is_whole(there, await web(there), "0" if boots else "1")
        await is_whole(there, await word(there, "confirm_resize"), "0" if boots else "1")

    with_volume(tmp_path, body, boots=boots, pool_size=pool_size)


@BOTH
def test_a_migration_that_is_reverted_gives_the_volume_back(tmp_path: Path, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        await there.cloud.api_cell.migrate_server(ADMIN, before.uuid, None)
        await there.quiet()
        assert (await web(there)).host != before.host
        back = await word(there, "revert_resize")
        assert back.host == before.host
        await is_whole(there, back)

    with_volume(tmp_path, body, pool_size=pool_size)


def test_a_resize_on_the_same_host_and_back_keeps_the_volume(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await there.cloud.api_cell.resize_server(ADMIN, await there.uuid(), "2")
        await there.quiet()
        await is_whole(there, await web(there))
        await is_whole(there, await word(there, "revert_resize"))

    with_volume(tmp_path, body, 1)


@BOTH
@pytest.mark.parametrize("boots", [False, True])
def test_a_live_migration_takes_the_volume_along_without_copying_it(tmp_path: Path, pool_size: int, *, boots: bool) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        await there.cloud.api_cell.live_migrate_server(ADMIN, before.uuid, None, moves_disks=None)
        await there.quiet()
        after = await web(there)
        assert after.host != before.host
        await is_whole(there, after, "0" if boots else "1")

    with_volume(tmp_path, body, boots=boots, pool_size=pool_size)


def test_hosts_of_2012_do_not_let_a_volume_move_alive_and_the_server_stays_whole(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        await there.cloud.api_cell.live_migrate_server(ADMIN, before.uuid, None, moves_disks=None)
        await there.quiet()
        after = await web(there)
        assert after.fault is not None
        assert "SR_DOES_NOT_SUPPORT_MIGRATION" in after.fault.message
        assert after.host == before.host
        assert plugged(there) == [("Running", "1", True)]
        assert targets(there) == {name: int(name == before.host) for name in there.fleet.hosts}
        assert [each.host for volume in await there.cloud.volumes.list() for each in volume.attachments] == [before.host]

    with_volume(tmp_path, body, release="tampa")


@pytest.mark.parametrize("boots", [False, True])
def test_an_evacuated_server_has_its_volume_again(tmp_path: Path, *, boots: bool) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        (uuid,) = [service.uuid for service in await there.cloud.api_cell.list_services(ADMIN) if service.host == before.host]
        await there.cloud.api_cell.set_service(ADMIN, uuid, is_forced_down=True)
        await there.cloud.api_cell.evacuate_server(ADMIN, before.uuid, None, "secret")
        await there.quiet()
        await there.cloud.api_cell.set_service(ADMIN, uuid, is_forced_down=False)
        await there.quiet()
        after = await web(there)
        assert after.host != before.host
        await is_whole(there, after, "0" if boots else "1")

    with_volume(tmp_path, body, boots=boots)


@pytest.mark.parametrize("boots", [False, True])
def test_a_shelved_server_keeps_its_volume_to_itself_and_has_it_again_when_it_is_back(tmp_path: Path, *, boots: bool) -> None:
    async def body(there: Scene) -> None:
        await there.cloud.api_cell.shelve_server(USER, await there.uuid())
        await there.quiet()
        away = await web(there)
        (volume,) = await there.cloud.volumes.list()
        assert (away.vm_state, away.host, volume.status) == ("shelved_offloaded", None, "reserved")
        assert (plugged(there), sum(targets(there).values())) == ([], 0)
        await there.cloud.api_cell.unshelve_server(USER, away.uuid, None)
        await there.quiet()
        await is_whole(there, await web(there), "0" if boots else "1")

    with_volume(tmp_path, body, boots=boots)


def test_a_resized_server_that_is_deleted_gives_its_volume_back(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await there.cloud.api_cell.resize_server(ADMIN, await there.uuid(), "2")
        await there.quiet()
        await there.delete()
        await there.quiet()
        assert [volume.status for volume in await there.cloud.volumes.list()] == ["available"]
        assert (plugged(there), sum(targets(there).values())) == ([], 0)

    with_volume(tmp_path, body)


def test_a_server_whose_volume_cannot_be_reached_where_it_comes_back_to_runs_without_it_and_says_why(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        await there.cloud.api_cell.migrate_server(ADMIN, before.uuid, None)
        await there.quiet()
        source = there.fleet.hosts[before.host or ""].world
        with source.edit() as edit:
            edit.put(POOL, "other_config", "sim.storage", "{}")
        back = await word(there, "revert_resize")
        assert (back.vm_state, back.host, back.block_devices) == ("active", before.host, ())
        assert back.fault is not None
        assert "it has come back without volumes" in back.fault.message
        assert [volume.status for volume in await there.cloud.volumes.list()] == ["available"]
        assert (plugged(there), sum(targets(there).values())) == ([], 0)

    with_volume(tmp_path, body)
