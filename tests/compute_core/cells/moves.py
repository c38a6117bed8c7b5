"""What the tests of moving servers share: a cloud to move them in, and what is asked of it afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

from compute_core.model.instances import Instance
from compute_core.model.migrations import Migration, MigrationFilters
from tests.compute_core.cells.cloud import ADMIN, USER, Cloud, is_at_rest


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
