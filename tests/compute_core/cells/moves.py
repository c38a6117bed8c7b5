"""What the tests of moving servers share: a cloud to move them in, and what is asked of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compute_core.model.instances import Instance
from compute_core.model.migrations import Migration, MigrationFilters
from fake_xapi.engine.virtual_time import run_virtual
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud, cloud, is_at_rest
from tests.compute_core.cells.movers import Body

Within = Callable[..., None]


def runner(folder: Path) -> Within:
    """Runs a test's body in a cloud on virtual time."""

    def run(body: Body, **options: Any) -> None:
        async def main() -> None:
            async with cloud(folder, **options) as whole:
                await body(whole)

        run_virtual(main(), limit_s=20000)

    return run


def seen(instance: Instance) -> tuple[Any, ...]:
    old = None if instance.old_flavor is None else instance.old_flavor.id
    return instance.vm_state, instance.task_state, instance.power_state, instance.host, instance.flavor.id, old


async def rest(it: Cloud, server: Instance) -> Instance:
    """The server once nothing is under way."""
    await asyncio.sleep(0.5)
    return await it.until(server.uuid, is_at_rest)


async def records(it: Cloud, **filters: Any) -> list[Migration]:
    return list(await it.api.list_migrations(ADMIN, MigrationFilters(**filters)))


async def statuses(it: Cloud) -> list[str]:
    return [record.status for record in await records(it)]


async def resized(it: Cloud, server: Instance, flavor: str = "3") -> Instance:
    await it.api.resize_server(USER, server.uuid, flavor)
    return await rest(it, server)
