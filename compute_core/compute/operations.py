"""What is under way on each server: one operation at a time, and those that may interrupt the others do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from compute_core.xenapi.locks import KeyedLocks

Operation = Callable[[], Awaitable[None]]


class Operations:
    """One queue per server. An operation that is interrupted is cancelled, takes back what it did, and is heard of no more."""

    __slots__ = ("_locks", "_running", "is_untidy")

    def __init__(self) -> None:
        self._locks = KeyedLocks()
        self._running: dict[str, dict[asyncio.Task[None], bool]] = {}
        self.is_untidy = True
        """Whether something failed since somebody last looked for what it may have left behind; a former life may have as well."""

    def is_busy(self, uuid: str) -> bool:
        """Whether an operation is under way, or waits for its turn."""
        return uuid in self._running

    async def run(self, uuid: str, operation: Operation, *, interrupts: bool = False) -> None:
        """Run it in its turn, to its end or until something interrupts it. Cancelling this cancels it.

        One that ``interrupts`` is not interrupted itself: a second deletion waits for the first.
        """
        task = asyncio.get_running_loop().create_task(self._in_turn(uuid, operation, interrupts=interrupts))
        running = self._running.setdefault(uuid, {})
        running[task] = not interrupts
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                await _cancelled(task)
            del running[task]
            if not running:
                self._running.pop(uuid, None)
        if not task.cancelled():
            task.result()

    async def _in_turn(self, uuid: str, operation: Operation, *, interrupts: bool) -> None:
        if interrupts:
            await self._interrupt(uuid)
        async with self._locks.held(uuid):
            await operation()

    async def _interrupt(self, uuid: str) -> None:
        tasks = [task for task, may_be_interrupted in self._running[uuid].items() if may_be_interrupted]
        if tasks:
            self.is_untidy = True
            await _cancelled(*tasks)


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    """All at once, so that none begins when the one before it ends; then wait for what they take back."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
