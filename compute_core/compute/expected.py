"""The servers that are on their way to this host: one request about each at a time, and nothing of theirs is taken for lost."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from compute_core.xenapi.locks import KeyedLocks


class Expected:
    """By uuid of the server, from the first request of the other host until the server is here, or is not coming any more."""

    __slots__ = ("_locks", "_uuids")

    def __init__(self) -> None:
        self._locks = KeyedLocks()
        self._uuids: set[str] = set()

    def __contains__(self, uuid: object) -> bool:
        return uuid in self._uuids

    @contextlib.asynccontextmanager
    async def turn(self, uuid: str) -> AsyncIterator[None]:
        """Hold a server; first come, first served."""
        async with self._locks.held(uuid):
            yield

    def add(self, uuid: str) -> None:
        """It is coming."""
        self._uuids.add(uuid)

    def discard(self, uuid: str) -> None:
        """It is here, or not coming."""
        self._uuids.discard(uuid)
