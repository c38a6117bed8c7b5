"""Snapshots of the core's own volumes: LUNs that hosts copy onto LUNs; and volumes that are made of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import Conflict, Invalid, NotFound
from compute_core.model.volumes import Volume
from compute_core.volumes.copies import COPYING
from compute_core.volumes.embedded import NoRoom
from compute_core.xenapi import marks
from fake_xapi.dom0.arrays import GIB
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.faults.digest import discord
from tests.compute_core.faults.scene import ADMIN, USER, Scene, scene

TEXT = b"what the guest wrote"


def with_server(folder: Path, body: Callable[[Scene, Volume], Awaitable[None]]) -> None:
    """Run a test's body: a server runs, and a volume is there."""

    async def main() -> None:
        async with scene(folder) as there:
            await there.order()
            volume = await there.cloud.volumes.create("p", "u", 5, name="data", metadata={"a": "b"})
            await there.quiet()
            await body(there, volume)
            await there.quiet()
            assert await discord(there) == ()
            (xapi,) = there.fleet.hosts.values()
            assert not (await targets(there)) or plugged(xapi)

    run_virtual(main(), limit_s=100_000)


async def targets(there: Scene) -> list[str]:
    (xapi,) = there.fleet.hosts.values()
    return [row["name_label"] for _, row in xapi.world.rows("SR") if row["type"] == "iscsi"]


def plugged(xapi: Any) -> list[Any]:
    """The LUNs that servers have."""
    return [row["VDI"] for _, row in xapi.world.rows("VBD") if row["other_config"].get(marks.VOLUME)]


async def attached(there: Scene, volume_id: str) -> Any:
    """The LUN of a volume, which the server has now."""
    await there.cloud.api_cell.attach_volume(USER, await there.uuid(), volume_id, device=None, tag=None, deletes_volume=False)
    await there.quiet()
    (xapi,) = there.fleet.hosts.values()
    (vdi,) = plugged(xapi)
    return vdi


async def detached(there: Scene, volume_id: str) -> None:
    await there.cloud.api_cell.detach_volume(USER, await there.uuid(), volume_id)
    await there.quiet()


async def snapped(there: Scene, volume: Volume, *, forces: bool = False) -> str:
    """A snapshot, when it is over."""
    made = await there.cloud.volumes.snapshot(volume.id, "u", forces=forces, name="before")
    assert made.status == "creating"
    await there.quiet()
    return made.id


def test_a_volume_of_a_snapshot_holds_what_was_on_its_volume_then(tmp_path: Path) -> None:
    async def body(there: Scene, volume: Volume) -> None:
        (xapi,) = there.fleet.hosts.values()
        lun = await attached(there, volume.id)
        xapi.disks.create(lun, 500 * GIB)
        xapi.disks.write(lun, 4096, TEXT)
        await detached(there, volume.id)
        snapshot = await snapped(there, volume)
        assert await targets(there) == []
        known = await there.cloud.volumes.get_snapshot(snapshot)
        assert (known.status, known.volume_id, known.name, known.size_gb) == ("available", volume.id, "before", 5)
        copy = await there.cloud.volumes.create("p", "u", 6, snapshot_id=snapshot)
        assert copy.status == "creating"
        await there.quiet()
        lun = await attached(there, copy.id)
        assert xapi.disks.read(lun, 4096, len(TEXT)) == TEXT
        await detached(there, copy.id)
        assert [each.id for each in await there.cloud.volumes.list()] == [copy.id, volume.id]

    with_server(tmp_path, body)


def test_a_volume_that_a_guest_holds_is_not_copied_and_its_snapshot_is_in_error(tmp_path: Path) -> None:
    async def body(there: Scene, volume: Volume) -> None:
        await attached(there, volume.id)
        with pytest.raises(Conflict, match="status must be available, but current status is: in-use"):
            await there.cloud.volumes.snapshot(volume.id, "u", forces=False)
        snapshot = await snapped(there, volume, forces=True)
        assert (await there.cloud.volumes.get_snapshot(snapshot)).status == "error"
        with pytest.raises(Invalid, match="Invalid snapshot"):
            await there.cloud.volumes.create("p", "u", 5, snapshot_id=snapshot)
        await there.act("stop")
        await there.quiet()
        assert (await there.cloud.volumes.get_snapshot(await snapped(there, volume, forces=True))).status == "available"

    with_server(tmp_path, body)


def test_a_copy_goes_on_when_its_agent_was_killed(tmp_path: Path) -> None:
    async def body(there: Scene, volume: Volume) -> None:
        made = await there.cloud.volumes.snapshot(volume.id, "u", forces=False)
        (agent,) = there.agents.values()
        await agent.kill()
        await there.quiet()
        await asyncio.sleep(120)
        assert (await there.cloud.volumes.get_snapshot(made.id)).status == "available"

    with_server(tmp_path, body)


def test_no_second_host_begins_a_copy_when_hosts_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with scene(tmp_path, hosts=2) as there:
            api, volumes, asked = there.cloud.api_cell, there.cloud.volumes, list[str]()
            nodes = await api.list_hosts(ADMIN)

            async def hosts(_: Any) -> Any:
                return [node for node in nodes if node.report.host not in asked]

            async def copying(_: Any, host: str, __: str, **___: Any) -> str:
                asked.append(host)
                return "" if len(asked) > 2 else COPYING

            monkeypatch.setattr(api, "list_hosts", hosts)
            monkeypatch.setattr(api, "ask_host", copying)
            volume = await volumes.create("p", "u", 5)
            made = await volumes.snapshot(volume.id, "u", forces=False)
            await asyncio.sleep(120)
            assert (asked, (await volumes.get_snapshot(made.id)).status) == ([asked[0]] * 3, "available")

    run_virtual(main(), limit_s=100_000)


def test_snapshots_keep_their_volume_and_take_room(tmp_path: Path) -> None:
    async def body(there: Scene, volume: Volume) -> None:
        volumes = there.cloud.volumes
        snapshot = await snapped(there, volume)
        with pytest.raises(Conflict, match="still has 1 dependent snapshots"):
            await volumes.delete(volume.id)
        with pytest.raises(Invalid, match="cannot be smaller than the snapshot size 5GB"):
            await volumes.create("p", "u", 4, snapshot_id=snapshot)
        with pytest.raises(NotFound):
            await volumes.get(snapshot)
        for _ in range(3):
            await volumes.create("p", "u", 5, snapshot_id=snapshot)
        with pytest.raises(NoRoom, match="no free LUN of 500 GiB or more"):
            await volumes.create("p", "u", 5, snapshot_id=snapshot)
        await there.quiet()
        await volumes.delete_snapshot(snapshot)
        assert await volumes.list_snapshots("p") == ()
        await volumes.delete(volume.id)

    with_server(tmp_path, body)
