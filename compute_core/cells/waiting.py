"""Callers who wait until what was begun with a server has come to its end, told by the news of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from compute_core.model.instances import Instance


class Waiting:
    """Whoever waits, by the uuid of the server."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[Instance]]] = {}

    def tell(self, news: Iterable[Instance]) -> None:
        """News have come in: those who wait for a server that is at rest now need wait no longer."""
        for instance in news:
            if instance.task_state is None or instance.is_deleted:
                for waiter in self._waiters.pop(instance.uuid, ()):
                    if not waiter.done():
                        waiter.set_result(instance)

    async def at_rest(self, uuid: str, limit_s: float) -> Instance | None:
        """The server when nothing is under way with it any more; None when that takes longer than ``limit_s``.

        Who waits must have begun something just now: news that came before are not looked at.
        """
        waiter: asyncio.Future[Instance] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(uuid, set())
        waiters.add(waiter)
        try:
            async with asyncio.timeout(limit_s):
                return await waiter
        except TimeoutError:
            return None
        finally:
            waiters.discard(waiter)
            if not waiters and self._waiters.get(uuid) is waiters:
                del self._waiters[uuid]
