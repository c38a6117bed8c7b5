"""Volumes of servers that are gone: given back beside everything else, so that no news waits for a volume service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable

from compute_core.model.errors import ComputeError, HostUnreachable
from compute_core.model.instances import Instance
from compute_core.volumes.port import Attachments

log = logging.getLogger(__name__)

PAUSES_S = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Between attempts while the volume service is away; the last one repeats."""


class LeftVolumes:
    """What is still to be given back. To be closed."""

    def __init__(self, volumes: Attachments | None) -> None:
        self._volumes = volumes
        self._tasks: set[asyncio.Task[None]] = set()

    def leave(self, servers: Iterable[Instance]) -> None:
        """These servers are gone: so are those of their volumes that are to go with them, and the others are free."""
        for server in servers:
            if server.block_devices:
                self.give_back(server.uuid, [device.volume_id for device in server.block_devices if device.deletes_volume])

    def give_back(self, uuid: str, deleted: Collection[str]) -> None:
        """A server's volumes are its no more; these of them nobody needs."""
        if self._volumes is not None:
            task = asyncio.create_task(self._released(self._volumes, uuid, deleted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give nothing back any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _released(self, volumes: Attachments, uuid: str, deleted: Collection[str]) -> None:
        pauses, pause_s = iter(PAUSES_S), PAUSES_S[-1]
        while not await _is_over(volumes, uuid, deleted):
            pause_s = next(pauses, pause_s)
            await asyncio.sleep(pause_s)


async def _is_over(volumes: Attachments, uuid: str, deleted: Collection[str]) -> bool:
    """Whether it need not be tried again."""
    try:
        await volumes.release(uuid, deleted)
    except HostUnreachable as absence:
        log.warning("the volumes of server %s are not given back yet: %s", uuid, absence.message)
        return False
    except ComputeError as problem:
        log.warning("the volumes of server %s are not given back: %s", uuid, problem.message)
    return True
