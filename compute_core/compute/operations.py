"""What is under way on each server: one operation at a time, and those that may interrupt it do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from compute_core.xenapi.locks import KeyedLocks


class Operations:
    """One queue per server. An operation that is interrupted is cancelled, takes back what it did, and is heard of no more."""

    __slots__ = ("_locks", "_running", "is_untidy")

    def __init__(self) -> None:
        self._locks = KeyedLocks()
        self._running: dict[str, set[asyncio.Task[None]]] = {}
        self.is_untidy = True
        """Whether something failed since somebody last looked for what it may have left behind; a former life may have as well."""

    def is_busy(self, uuid: str) -> bool:
        """Whether an operation is under way, or waits for its turn."""
        return uuid in self._running

    async def run(self, uuid: str, operation: Coroutine[Any, Any, None], *, interrupts: bool = False) -> None:
        """Run it in its turn, to its end or until something interrupts it. Cancelling this cancels it."""
        if interrupts:
            await self._interrupt(uuid)
        task = asyncio.get_running_loop().create_task(self._in_turn(uuid, operation))
        running = self._running.setdefault(uuid, set())
        running.add(task)
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                await _cancelled(task)
            running.discard(task)
            if not running:
                self._running.pop(uuid, None)
        if not task.cancelled():
            task.result()

    async def _in_turn(self, uuid: str, operation: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._locks.held(uuid):
                await operation
        finally:
            operation.close()

    async def _interrupt(self, uuid: str) -> None:
        tasks = self._running.get(uuid)
        if tasks:
            self.is_untidy = True
            await _cancelled(*tasks)


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    """All at once, so that none begins when the one before it ends; then wait for what they take back."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
