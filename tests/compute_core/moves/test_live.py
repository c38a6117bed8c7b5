"""Servers that move while they run, over simulated hosts that take their time: the whole core, from API to XenAPI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import Conflict, Invalid
from compute_core.model.instances import RUNNING
from compute_core.model.migrations import Migration, MigrationFilters
from compute_core.xenapi import live
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.faults.digest import discord
from tests.compute_core.faults.scene import ADMIN, Scene, scene
from tests.compute_core.moves.disks import root_vdi
from tests.compute_core.moves.hosts import web

Body = Callable[[Scene], Awaitable[None]]


def on_slow_hosts(folder: Path, body: Body, durations: str = "realistic", **options: Any) -> None:
    """Run a test's body over hosts that take their time, one server being there."""

    async def main() -> None:
        async with scene(folder, 2, durations=durations, **options) as there:
            await there.order()
            await there.quiet()
            there.tape.rewind()
            await body(there)
            await there.quiet()
            assert await discord(there) == ()

    run_virtual(main(), limit_s=100_000)


async def the_move(there: Scene) -> Migration:
    (found,) = await there.cloud.api_cell.list_migrations(ADMIN, MigrationFilters())
    return found


async def begun(there: Scene) -> Migration:
    """A live migration that is under way."""
    await there.cloud.api_cell.live_migrate_server(ADMIN, await there.uuid(), None, moves_disks=None)
    async with asyncio.timeout(600):
        while True:
            await asyncio.sleep(0.5)
            found = await the_move(there)
            if found.status == "running":
                return found


async def steer(there: Scene, control: str) -> None:
    await there.cloud.api_cell.steer_migration(ADMIN, await there.uuid(), (await the_move(there)).id, control)


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_live_migration_tells_how_far_it_is_and_ends_on_the_other_host(tmp_path: Path, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        record = await begun(there)
        seen = [record.progress]
        while (now := await web(there)).task_state is not None:
            assert now.host == before.host
            seen.append((await the_move(there)).progress)
            await asyncio.sleep(0.5)
        assert seen == sorted(seen)
        assert len(set(seen)) > 3
        assert (now.host, now.vm_state, now.power_state) == (record.destination, "active", RUNNING)
        assert (await the_move(there)).status == "completed"

    on_slow_hosts(tmp_path, body, pool_size=pool_size)


SLOW_COPY = {"extends": "realistic", "operations": {"VM.migrate.copy": {"seconds": 7200.0}}}


@pytest.mark.parametrize("options", [{}, {"pool_size": 2}, {"pool_size": 2, "shares_sr": True}])
def test_a_live_migration_of_hours_needs_no_more_calls_than_a_short_one(tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "slow.json").write_text(json.dumps(SLOW_COPY), encoding="utf-8")

    async def body(there: Scene) -> None:
        began_s = asyncio.get_running_loop().time()
        record = await begun(there)
        await there.quiet()
        now = await web(there)
        assert (now.host, now.vm_state, now.power_state) == (record.destination, "active", RUNNING)
        assert asyncio.get_running_loop().time() - began_s > 2000
        assert len(there.tape.requests) <= 12

    on_slow_hosts(tmp_path, body, str(tmp_path / "slow.json"), **options)


@pytest.mark.parametrize(
    ("progress", "elapsed_s", "left", "wanted_s"), [(0.5, 60.0, 2, 20.0), (0.0, 2.0, 3, 2.0), (0.0, 60.0, 3, 60.0), (0.99, 10.0, 1, 2.0)]
)
def test_looks_are_put_evenly_over_the_rest_of_the_way(progress: float, elapsed_s: float, left: int, wanted_s: float) -> None:
    assert live.pause_s(progress, elapsed_s, left) == pytest.approx(wanted_s)


def test_a_server_on_storage_that_its_pool_shares_moves_without_its_disks(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        xapi, vdi = root_vdi(there, await web(there))
        uuid = xapi.world.uuid(vdi)
        record = await begun(there)
        await there.quiet()
        now = await web(there)
        assert (now.host, now.vm_state, now.power_state, now.fault) == (record.destination, "active", RUNNING, None)
        xapi, vdi = root_vdi(there, now)
        assert xapi.world.uuid(vdi) == uuid
        assert "VM.pool_migrate" in there.tape.requests
        assert "VM.migrate_send" not in there.tape.requests
        (vm,) = xapi.world.named("VM", now.domain_name)
        assert xapi.world[xapi.world[vm]["affinity"]]["name_label"] == now.host

    on_slow_hosts(tmp_path, body, pool_size=2, shares_sr=True)


@pytest.mark.parametrize("control", ["abort_live_migration", "complete_live_migration"])
def test_a_move_on_shared_storage_is_bent_at_once(tmp_path: Path, control: str) -> None:
    (tmp_path / "slow.json").write_text(json.dumps(SLOW_COPY), encoding="utf-8")

    async def body(there: Scene) -> None:
        record = await begun(there)
        began_s = asyncio.get_running_loop().time()
        await steer(there, control)
        await there.quiet()
        now = await web(there)
        assert asyncio.get_running_loop().time() - began_s < 300
        ends = {"abort_live_migration": (record.source, "cancelled"), "complete_live_migration": (record.destination, "completed")}
        assert (now.host, (await the_move(there)).status) == ends[control]
        assert (now.vm_state, now.power_state) == ("active", RUNNING)

    on_slow_hosts(tmp_path, body, str(tmp_path / "slow.json"), pool_size=2, shares_sr=True)


def test_moving_the_disks_of_a_server_on_shared_storage_is_refused(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await there.cloud.api_cell.live_migrate_server(ADMIN, await there.uuid(), None, moves_disks=True)
        await there.quiet()
        now = await web(there)
        assert now.fault is not None
        assert now.fault.message == "live_migrate failed: The hosts share their storage: the disks stay there."

    on_slow_hosts(tmp_path, body, pool_size=2, shares_sr=True)


@pytest.mark.parametrize("pool_size", [1, 2])
def test_an_aborted_live_migration_leaves_the_server_running_where_it_was(tmp_path: Path, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        before = await web(there)
        await begun(there)
        await steer(there, "abort_live_migration")
        await there.quiet()
        now = await web(there)
        assert (now.host, now.vm_state, now.power_state, now.fault) == (before.host, "active", RUNNING, None)
        assert (await the_move(there)).status == "cancelled"
        with pytest.raises(Invalid):
            await steer(there, "abort_live_migration")

    on_slow_hosts(tmp_path, body, pool_size=pool_size)


@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_hurried_live_migration_goes_suspended_and_runs_there(tmp_path: Path, pool_size: int) -> None:
    async def body(there: Scene) -> None:
        record = await begun(there)
        there.tape.rewind()
        await steer(there, "complete_live_migration")
        await there.quiet()
        now = await web(there)
        assert (now.host, now.vm_state, now.power_state) == (record.destination, "active", RUNNING)
        assert (await the_move(there)).status == "completed"
        assert [name for name in there.tape.requests if name in {"VM.suspend", "VM.migrate_send", "VM.resume_on"}] == [
            "VM.suspend",
            "VM.migrate_send",
            "VM.resume_on",
        ]

    on_slow_hosts(tmp_path, body, pool_size=pool_size)


def test_what_is_on_no_way_cannot_be_bent(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        for control in ("abort_live_migration", "complete_live_migration"):
            with pytest.raises(Conflict, match="is not on its way to another host"):
                await there.cloud.api_cell.query(ADMIN, await there.uuid(), control)

    on_slow_hosts(tmp_path, body)


def test_a_killed_agent_finds_its_move_again_and_waits_for_it(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        record = await begun(there)
        there.tape.rewind()
        await there.agents[record.source].kill(with_its_messages=True)
        await there.quiet()
        assert there.tape.requests.count("event.from") <= 12
        now = await web(there)
        assert (now.host, now.vm_state, now.power_state) == (record.destination, "active", RUNNING)
        assert (await the_move(there)).status == "completed"

    on_slow_hosts(tmp_path, body)


def test_a_server_that_is_deleted_on_its_way_is_nowhere(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await begun(there)
        await there.delete()
        await there.quiet()
        assert [server.is_deleted for server in await there.servers()] == [True]

    on_slow_hosts(tmp_path, body)


def test_a_move_that_is_to_take_the_disks_along_or_not_is_refused_where_it_cannot(tmp_path: Path) -> None:
    async def body(there: Scene) -> None:
        await there.cloud.api_cell.live_migrate_server(ADMIN, await there.uuid(), None, moves_disks=False)
        await there.quiet()
        now = await web(there)
        assert now.fault is not None
        assert now.fault.message == "live_migrate failed: The hosts share no storage."
        assert (now.vm_state, (await the_move(there)).status) == ("active", "error")

    on_slow_hosts(tmp_path, body)
