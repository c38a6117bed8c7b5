"""What an operation may ask of others while it is under way: another host's agent, and the cell to take note. Knows no recipe."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from compute_core.bus.port import Bus
from compute_core.compute.cell import Cell
from compute_core.model.errors import HostUnreachable
from compute_core.model.instances import Instance
from compute_core.model.json import to_json
from compute_core.model.migrations import Migration, MigrationFilters

ASK_S = 60.0
AGAIN_S = 10.0
LONG_ASKS_S: Mapping[str, float] = {"moor": 1600.0, "unload": 600.0, "receive": 600.0, "expect": 300.0, "wake": 600.0}
"""So long another agent may take for its part: for some of them the host is at work meanwhile."""


class Peers(Protocol):
    """The way to the other agents of the cell."""

    async def ask(self, host: str, request: str, instance: Instance, **arguments: Any) -> Any:
        """One of the requests of `registry.PEER_REQUESTS`. HostUnreachable without an answer, else what the other one raises."""

    async def status_of(self, migration: Migration) -> str:
        """What has become of a migration, as the cell knows it: "" when it knows none. Asks until there is an answer."""

    async def tell_progress(self, instance: Instance, percent: int) -> None:
        """Let the cell know how far a move is."""

    async def tell_image_progress(self, instance: Instance, percent: int) -> None:
        """Let the cell know how much of an image of a server has been sent."""


class BusPeers:
    """The ``Peers`` over the cell's bus."""

    __slots__ = ("_bus", "_cell")

    def __init__(self, bus: Bus, cell: Cell) -> None:
        self._bus = bus
        self._cell = cell

    async def ask(self, host: str, request: str, instance: Instance, **arguments: Any) -> Any:
        """See Peers."""
        asked = {"instance": to_json(instance), "request": request, "arguments": arguments}
        return await self._bus.call(f"compute.{host}", "peer", asked, LONG_ASKS_S.get(request, ASK_S))

    async def status_of(self, migration: Migration) -> str:
        """See Peers."""
        asked = {"uuid": migration.instance_uuid, "filters": to_json(MigrationFilters())}
        while True:
            try:
                found = await self._cell.ask("list_migrations", ASK_S, **asked)
            except HostUnreachable:
                await asyncio.sleep(AGAIN_S)
            else:
                return next((str(each["status"]) for each in found if each["uuid"] == migration.uuid), "")

    async def tell_progress(self, instance: Instance, percent: int) -> None:
        """See Peers."""
        await self._cell.tell("migration_progress", instance.uuid, progress=percent)

    async def tell_image_progress(self, instance: Instance, percent: int) -> None:
        """See Peers."""
        await self._cell.tell("image_progress", instance.uuid, progress=percent)
