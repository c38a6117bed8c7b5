"""Simulated hosts with the whole core over them and one server on them, and what its user and its operator do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from compute_core.model.instances import Instance
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.faults.case import Deed
from tests.compute_core.faults.digest import discord
from tests.compute_core.faults.scene import ADMIN, Scene, scene
from tests.compute_core.moves.disks import root_vdi
from tests.compute_core.rig import CONTENT

Body = Callable[[Scene], Awaitable[None]]
GIB = 1 << 30


def on_hosts(folder: Path, body: Body, hosts: int = 2, *, ordered: Deed = Scene.order, **options: Any) -> None:
    """Run a test's body, one server being there. ``options`` are the scene's."""

    async def main() -> None:
        async with scene(folder, hosts, **options) as there:
            await ordered(there)
            await there.quiet()
            there.tape.rewind()
            await body(there)
            await there.quiet()
            assert await discord(there) == ()

    run_virtual(main(), limit_s=100_000)


async def web(there: Scene) -> Instance:
    return await there.cloud.api_cell.get_server(ADMIN, await there.uuid())


async def resize(there: Scene, flavor: str = "2") -> Instance:
    await there.cloud.api_cell.resize_server(ADMIN, await there.uuid(), flavor)
    await there.quiet()
    return await web(there)


async def migrate(there: Scene) -> Instance:
    await there.cloud.api_cell.migrate_server(ADMIN, await there.uuid(), None)
    await there.quiet()
    return await web(there)


async def word(there: Scene, action: str) -> Instance:
    await there.act(action)
    await there.quiet()
    return await web(there)


def root_disk(there: Scene, server: Instance) -> tuple[int, bytes]:
    """The size of the root disk of the server's VM, and the beginning of what it holds."""
    xapi, vdi = root_vdi(there, server)
    return xapi.world[vdi]["virtual_size"], xapi.disks.read(vdi, 0, len(CONTENT))
