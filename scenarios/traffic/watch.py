"""Waits for servers to reach a state: one poll of what changed for all who wait, as a sensible client does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from scenarios.traffic.client import CloudClient

POLL_S = 1.0
OVERLAP = timedelta(seconds=3)
"""Dates of the API have whole seconds, and a page takes a while: each poll looks back a little further than the last one."""
Seen = Callable[[str, str], None]


class Watcher:
    """Polls ``/servers/detail?changes-since``. ``seen`` is told of every new status: id, status."""

    def __init__(self, client: CloudClient, now: Callable[[], datetime], seen: Seen) -> None:
        self._client = client
        self._now = now
        self._seen = seen
        self._statuses: dict[str, str] = {}
        self._servers: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, tuple[frozenset[str], asyncio.Future[dict[str, Any]]]] = {}
        self._poller: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._poller = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def until(self, server_id: str, *statuses: str, limit_s: float) -> dict[str, Any]:
        """The server once it has one of the statuses; TimeoutError after the limit."""
        wanted = frozenset(statuses)
        if self._statuses.get(server_id) in wanted:
            return self._servers[server_id]
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[server_id] = (wanted, future)
        try:
            async with asyncio.timeout(limit_s):
                return await future
        finally:
            self._waiting.pop(server_id, None)

    async def _poll(self) -> None:
        since = self._now() - OVERLAP
        while True:
            await asyncio.sleep(POLL_S)
            asked = self._now()
            for server in await self._client.servers(**{"changes-since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}):
                self._note(server)
            since = asked - OVERLAP

    def _note(self, server: dict[str, Any]) -> None:
        identity, status = server["id"], server["status"]
        if self._statuses.get(identity) != status:
            self._statuses[identity] = status
            self._seen(identity, status)
        self._servers[identity] = server
        wanted, future = self._waiting.get(identity, (frozenset(), None))
        if status in wanted and future is not None and not future.done():
            future.set_result(server)
