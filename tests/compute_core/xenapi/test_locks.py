"""Locks by key, which exist only while somebody holds or wants them."""

from __future__ import annotations

import asyncio

from compute_core.xenapi.locks import KeyedLocks


def test_a_key_is_held_by_one_at_a_time_and_then_forgotten() -> None:
    async def run() -> list[str]:
        locks, log = KeyedLocks(), list[str]()

        async def work(key: str, name: str) -> None:
            async with locks.held(key):
                log.append(f"{name} begins")
                await asyncio.sleep(0)
                log.append(f"{name} ends")

        await asyncio.gather(work("a", "1"), work("a", "2"), work("b", "3"))
        assert not locks.is_held("a")
        assert not locks.is_held("b")
        return log

    assert asyncio.run(run()) == ["1 begins", "3 begins", "1 ends", "3 ends", "2 begins", "2 ends"]


def test_who_gives_up_waiting_leaves_the_key_to_the_others() -> None:
    async def run() -> bool:
        locks, hold = KeyedLocks(), asyncio.Event()

        async def work() -> None:
            async with locks.held("a"):
                await hold.wait()

        first, second = asyncio.create_task(work()), asyncio.create_task(work())
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait({second})
        assert locks.is_held("a")
        hold.set()
        await first
        return locks.is_held("a")

    assert asyncio.run(run()) is False
