"""Aggregates in the database: numbered, found by name while they are there, and copied never backwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from compute_core.model.aggregates import Aggregate
from compute_core.model.errors import NotFound
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
