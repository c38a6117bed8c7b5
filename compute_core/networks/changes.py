"""Of which servers something else may pass their ports than before: noted by who changes it, taken by who tells their hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Changes:
    """Servers wait here until somebody takes them. ``is_watched`` False: nobody will, and nothing is kept."""

    def __init__(self, *, is_watched: bool) -> None:
        self.is_watched = is_watched
        self._servers: set[str] = set()
        self._is_there = asyncio.Event()

    def note(self, device_ids: Iterable[str]) -> None:
        """Something else may pass the ports of these."""
        if self.is_watched:
            self._servers.update(filter(None, device_ids))
            if self._servers:
                self._is_there.set()

    async def take(self) -> frozenset[str]:
        """Wait for some; they are the taker's then."""
        await self._is_there.wait()
        taken = frozenset(self._servers)
        self._servers.clear()
        self._is_there.clear()
        return taken
