"""Servers that move while they run, over simulated hosts that take their time: the whole core, from API to XenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from compute_core.model.errors import Conflict, Invalid
from compute_core.model.instances import RUNNING, Instance
from compute_core.model.migrations import Migration, MigrationFilters
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.faults.digest import discord
from tests.compute_core.faults.scene import ADMIN, Scene, scene

Body = Callable[[Scene], Awaitable[None]]


def on_slow_hosts(folder: Path, body: Body, **options: Any) -> None:
    """Run a test's body over hosts that take their time, one server being there."""

    async def main() -> None:
        async with scene(folder, 2, durations="realistic", **options) as there:
            await there.order()
            await there.quiet()
            there.tape.rewind()
            await body(there)
            await there.quiet()
            assert await discord(there) == ()

    run_virtual(main(), limit_s=100_000)


async def web(there: Scene) -> Instance:
    return await there.cloud.api_cell.get_server(ADMIN, await there.uuid())


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
        await there.agents[record.source].kill(with_its_messages=True)
        await there.quiet()
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
