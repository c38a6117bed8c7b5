"""Callers who wait until what they begin with a server has come to its end, told by the news of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from compute_core.model.instances import Instance


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What is heard of one server while its caller waits, up to ``limit_s``."""

    limit_s: float
    _heard: asyncio.Queue[Instance] = field(default_factory=asyncio.Queue)

    def hear(self, ended: Instance) -> None:
        """The server is at rest now."""
        self._heard.put_nowait(ended)

    async def at_rest(self, begun: Instance) -> Instance | None:
        """The server when nothing is under way with it any more; None when that takes too long.

        ``begun`` is the server as it was when something had just begun: news of before that do not count.
        """
        try:
            async with asyncio.timeout(self.limit_s):
                ended = await self._heard.get()
                while ended.update_seq <= begun.update_seq:
                    ended = await self._heard.get()
                return ended
        except TimeoutError:
            return None


class Waiting:
    """Whoever waits, by the uuid of the server."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = {}

    def tell(self, news: Iterable[Instance]) -> None:
        """News have come in: those who watch a server that is at rest now are told."""
        for instance in news:
            if instance.task_state is None or instance.is_deleted:
                for watch in self._watches.get(instance.uuid, ()):
                    watch.hear(instance)

    @contextmanager
    def watch(self, uuid: str, limit_s: float) -> Iterator[Watch]:
        """A server is watched from before something begins with it, since news may come before whoever begins it knows of it."""
        watch = Watch(limit_s)
        watches = self._watches.setdefault(uuid, set())
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches:
                del self._watches[uuid]
