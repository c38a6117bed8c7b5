"""The same cells as separate parties: databases in a real PostgreSQL, messages through a real RabbitMQ."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from compute_core.bus.amqp import AmqpBus
from compute_core.cells.settings import ApiCellSettings, ComputeCellSettings
from compute_core.model.errors import ComputeError
from compute_core.model.limits import QuotaLimits
from compute_core.model.requests import ServerFilters
from compute_core.store import hosts, instances
from tests.compute_core.cells.books import check_books
from tests.compute_core.cells.cloud import USER, Cloud, cloud, is_at_rest
from tests.compute_core.store.conftest import postgresql_database

pytestmark = [pytest.mark.postgresql, pytest.mark.rabbitmq]


def test_a_storm_over_postgresql_and_rabbitmq_leaves_the_books_right(tmp_path: Path, postgresql_url: str, amqp_url: str) -> None:
    databases = postgresql_database(postgresql_url), postgresql_database(postgresql_url)
    name = f"cell-{uuid4().hex[:8]}"

    async def storm(it: Cloud, number: int) -> str:
        chance = Random(number)
        server = await it.create(name=f"s{number}")
        if chance.random() < 0.3:
            await it.api.delete_server(USER, server.uuid)
            return server.uuid
        await it.until(server.uuid, is_at_rest)
        for action in ("stop", "start"):
            try:
                await it.api.act(USER, server.uuid, action)
            except ComputeError:
                break
            await it.until(server.uuid, is_at_rest)
        if chance.random() < 0.5:
            await it.api.delete_server(USER, server.uuid)
        return server.uuid

    async def main() -> None:
        bus = await AmqpBus.connect(amqp_url)
        api = ApiCellSettings(name=f"api-{name}", children=(name,), quotas=QuotaLimits(instances=100))
        cell = ComputeCellSettings(path=f"api-{name}!{name}", watchdog_interval_s=1.0, outbox_gather_s=0.02)
        async with cloud(tmp_path, databases=databases, bus=bus, api_settings=api, cell_settings=cell) as it:
            for number in range(3):
                await it.add_host(f"{name}-host{number}", cell=name, build_s=0.05, heartbeat_s=0.5, memory_mb=32768)
            uuids = await asyncio.gather(*(storm(it, number) for number in range(25)))
            ends = [await it.until(uuid, is_at_rest) for uuid in uuids]
            assert {server.vm_state for server in ends} <= {"active", "deleted"}
            left = await it.api.list_servers(USER, ServerFilters())
            assert sorted(server.uuid for server in left) == sorted(server.uuid for server in ends if not server.is_deleted)
            assert await it.leaf.run(instances.among, list(uuids)) == {server.uuid: server for server in ends}
            assert sorted(await it.leaf.run(hosts.claimed)) == sorted(server.uuid for server in left)
            await check_books(it)

    asyncio.run(main())
