"""Migrations in the database: one open one of a server, found again by whoever asks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from compute_core.model.errors import NotFound
from compute_core.model.flavors import DEFAULT_FLAVORS
from compute_core.model.hosts import ComputeNode, HostReport
from compute_core.model.migrations import OVER, Migration
from compute_core.scheduler.capacity import Ask
from compute_core.store import hosts
from compute_core.store import migrations_of_servers as migrations
from compute_core.store.adapters import open_store
from compute_core.store.port import Store

DATE = "2012-08-01T00:00:00Z"


def a_migration(**changes: Any) -> Migration:
    usual = Migration(
        uuid="m-1",
        instance_uuid="i-1",
        project_id="p",
        user_id="u",
        kind="resize",
        status="migrating",
        source="a",
        destination="b",
        source_node="a.example",
        destination_node="b.example",
        destination_address="10.0.0.2",
        old_flavor=DEFAULT_FLAVORS[0],
        new_flavor=DEFAULT_FLAVORS[1],
        created_at=DATE,
        updated_at=DATE,
    )
    return replace(usual, **changes)


def test_an_open_migration_is_found_by_its_server_until_it_is_over(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        first = await store.run(migrations.add, a_migration())
        other = await store.run(migrations.add, a_migration(uuid="m-2", instance_uuid="i-2", status="finished"))
        assert (first.id, other.id) == (1, 2)
        assert await store.run(migrations.open_of, "i-1") == first
        assert await store.run(migrations.open_among, ["i-1", "i-2", "i-3"]) == {"i-1": first, "i-2": other}
        assert await store.run(migrations.open_among, []) == {}
        assert await store.run(migrations.get, 2) == other
        assert await store.run(migrations.listed) == (other, first)
        assert await store.run(migrations.listed, "i-1") == (first,)
        assert await store.run(migrations.finished_before, DATE) == (other,)
        assert await store.run(migrations.finished_before, "2012-07-31T00:00:00Z") == ()

        over = replace(first, status="confirmed")
        await store.run(migrations.put, over)
        assert await store.run(migrations.open_of, "i-1") is None
        assert await store.run(migrations.get, 1) == over
        with pytest.raises(NotFound, match=r"Migration 3 could not be found\."):
            await store.run(migrations.get, 3)
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("status", sorted(OVER))
def test_what_is_over_is_never_open(status: str, database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await store.run(migrations.add, a_migration(status=status))
        assert await store.run(migrations.open_of, "i-1") is None
        await store.close()

    asyncio.run(main())


async def _claims(store: Store) -> dict[str, str]:
    return {name: host for name, (host, _) in (await store.run(hosts.claimed)).items()}


def test_calling_off_ends_a_migration_and_gives_back_the_room_that_it_held_once(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        node = ComputeNode(HostReport("b", "b", "uuid-b", "6.1", "10.0.0.1", 4, 9000, 9000, 100, 100, 0), "service-b")
        await store.run(hosts.report, node, Ask(4, 9000, 100), 0.0)
        assert await store.run(hosts.claim, "b", 0, {"m-1": Ask(1, 100, 1)})
        await store.run(migrations.add, a_migration())

        over = await store.run(migrations.call_off, "i-1", DATE)

        assert over == a_migration(id=1, status="error")
        assert await store.run(migrations.call_off, "i-1", DATE) is None
        assert await _claims(store) == {}
        await store.close()

    asyncio.run(main())


def test_two_claims_swap_their_owners_and_nothing_else(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        for name in ("a", "b"):
            node = ComputeNode(HostReport(name, name, f"uuid-{name}", "6.1", "10.0.0.1", 4, 9000, 9000, 100, 100, 0), f"service-{name}")
            await store.run(hosts.report, node, Ask(4, 9000, 100), 0.0)
        assert await store.run(hosts.claim, "a", 0, {"i-1": Ask(1, 100, 1)})
        assert await store.run(hosts.claim, "b", 0, {"m-1": Ask(2, 200, 2)})

        await store.run(hosts.swap_claims, "i-1", "m-1")

        assert await store.run(hosts.claimed) == {"i-1": ("b", Ask(2, 200, 2)), "m-1": ("a", Ask(1, 100, 1))}
        await store.close()

    asyncio.run(main())
