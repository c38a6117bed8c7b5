"""The work that a cell does by itself: loops that outlive every failure of one round, and end with the cell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class Loops:
    """Named loops of one cell."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, name: str, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` now and then again ``interval_s`` after it has ended, whatever became of it."""
        self._tasks.append(asyncio.get_running_loop().create_task(_repeat(name, interval_s, work), name=name))

    async def close(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def _repeat(name: str, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:  # the border of this process: logged whole; a cell that stops healing would be worse
            log.exception("%s broke and goes on", name)
        await asyncio.sleep(interval_s)
