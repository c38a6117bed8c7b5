"""Aggregates in the database: numbered, found by name while they are there, and copied never backwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from compute_core.model.aggregates import Aggregate
from compute_core.model.errors import Conflict, NotFound
from compute_core.store import aggregates
from compute_core.store.adapters import open_store

DATE = "2012-08-01T00:00:00Z"


def test_aggregates_are_kept_until_they_are_deleted_and_known_then_still(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        fast = await store.run(aggregates.add, Aggregate("fast", "u-1", DATE))
        slow = await store.run(aggregates.add, Aggregate("slow", "u-2", DATE, hosts=("a",), metadata={"disk": "hdd"}))
        assert (fast.id, slow.id) == (1, 2)
        assert await store.run(aggregates.listed) == (fast, slow)
        assert await store.run(aggregates.get, 2) == slow
        assert await store.run(aggregates.named, "fast") == fast
        changed = await store.run(aggregates.put, replace(fast, name="faster"))
        assert (changed.generation, await store.run(aggregates.named, "fast")) == (2, None)
        gone = await store.run(aggregates.put, replace(slow, deleted_at=DATE))
        assert await store.run(aggregates.listed) == (changed,)
        assert await store.run(aggregates.every) == (changed, gone)
        with pytest.raises(NotFound, match="Aggregate 2 could not be found"):
            await store.run(aggregates.get, 2)
        await store.close()

    asyncio.run(main())


def test_a_copy_is_never_replaced_by_an_older_one(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        first = Aggregate("fast", "u-1", DATE, id=7)
        newer = replace(first, hosts=("a", "b"), generation=3)
        assert await store.run(aggregates.take, [first]) == (first,)
        assert await store.run(aggregates.take, [newer]) == (newer,)
        assert await store.run(aggregates.take, [replace(first, hosts=("c",), generation=2), first]) == (newer,)
        heir = Aggregate("fast", "u-2", DATE, id=8)
        gone = replace(newer, deleted_at=DATE, generation=4)
        assert await store.run(aggregates.take, [heir, gone]) == (heir,)
        await store.close()

    asyncio.run(main())


def test_what_was_decided_from_an_older_state_is_not_written(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        first = await store.run(aggregates.add, Aggregate("fast", "u-1", DATE))
        changed = await store.run(aggregates.put, replace(first, hosts=("a",)))
        with pytest.raises(Conflict) as refusal:
            await store.run(aggregates.put, replace(first, hosts=("b",)))
        assert refusal.value.message == "Aggregate 1 has been changed meanwhile. Cure: look, and ask again."
        assert await store.run(aggregates.get, 1) == changed
        await store.close()

    asyncio.run(main())


def test_changes_of_one_aggregate_at_the_same_time_follow_each_other(database_url: str) -> None:
    def joined(connection: Connection, number: int, host: str) -> Aggregate:
        now = aggregates.get_to_change(connection, number)
        return aggregates.put(connection, replace(now, hosts=(*now.hosts, host)))

    async def main() -> None:
        store = await open_store(database_url)
        made = await store.run(aggregates.add, Aggregate("fast", "u-1", DATE))
        names = [f"host{number}" for number in range(8)]
        await asyncio.gather(*(store.run(joined, made.id, name) for name in names))
        after = await store.run(aggregates.get, made.id)
        assert (sorted(after.hosts), after.generation) == (names, 9)
        await store.close()

    asyncio.run(main())
