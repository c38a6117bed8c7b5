"""Handing instances over to the cells below: which cell, again when it does not answer, and another one when it has no room.

What the top has promised is in its database before a cell is told; whatever is lost on the way is sent again from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from sqlalchemy import Connection

from compute_core.cells.capacity import CellCapacity, KnownCell, by_room
from compute_core.cells.outcomes import SCHEDULING
from compute_core.cells.routing import Router
from compute_core.cells.settings import ApiCellSettings
from compute_core.model.clock import Clock
from compute_core.model.errors import HostUnreachable
from compute_core.model.instances import Instance
from compute_core.model.json import to_json
from compute_core.scheduler.capacity import Ask
from compute_core.store import instances, mappings
from compute_core.store.mappings import CellMapping
from compute_core.store.port import Store

log = logging.getLogger(__name__)


class HandOver:
    """The top's hand on the cells below."""

    def __init__(self, settings: ApiCellSettings, store: Store, router: Router, clock: Clock, chance: Random) -> None:
        self._settings = settings
        self._store = store
        self._router = router
        self._clock = clock
        self._chance = chance
        self.cells = {path: KnownCell(path) for path in settings.child_paths}

    def heard_capacity(self, cell: str, capacity: CellCapacity) -> None:
        """A cell says how much room it has. Who is no cell of this tree is not listened to."""
        if cell in self.cells:
            self.cells[cell] = KnownCell(cell, capacity, asyncio.get_running_loop().time())

    def choose(self, ask: Ask, count: int, zone: str | None, tried: Sequence[str] = ()) -> str:
        """The cell that is asked for room; "" when there is none left."""
        heard_since_s = asyncio.get_running_loop().time() - self._settings.mute_cell_after_s
        candidates = [cell for path, cell in self.cells.items() if path not in tried]
        order = by_room(candidates, ask, zone, heard_since_s, self._chance)
        if not order:
            return ""
        self._expect_less(order[0], ask.memory_mb * count)
        return order[0]

    async def build(self, cell: str, built: Sequence[Instance], request: Mapping[str, Any], password: str = "") -> None:
        """Tell a cell to build; a broker that is away is no reason to fail: it is sent again."""
        arguments = {"instances": [to_json(instance) for instance in built], "admin_password": password, **request}
        await self._cast(cell, "build_instances", arguments)

    async def delete(self, cell: str, instance: Instance, context: Any) -> None:
        """Tell a cell to delete; as above."""
        await self._cast(cell, "delete_instance", {"context": context, "instance": to_json(instance)})

    async def send_again(self) -> None:
        """Whatever a cell has not answered in time."""
        now_s = self._clock.now().timestamp()
        before_s = now_s - self._settings.hand_over_retry_s
        late = await self._store.run(_late, before_s, now_s, self._settings.hand_over_batch)
        if late:
            log.warning("%d hand-overs are sent again", len(late))
        for instance, mapping in late:
            if mapping.is_deleting:
                await self.delete(mapping.cell, instance, mapping.request["context"])
            else:
                await self.build(mapping.cell, [instance], mapping.request)

    async def try_elsewhere(self, refused: Instance) -> None:
        """A cell had no room: the next one is asked, if there is one; else the server stays in error."""
        mapping = await self._store.run(mappings.find, refused.uuid)
        if mapping is None or len(mapping.tried_cells) + 1 >= self._settings.cell_attempts:
            return
        tried = (*mapping.tried_cells, mapping.cell)
        hints = mapping.request["hints"]
        cell = self.choose(Ask.of(refused.flavor), 1, hints["availability_zone"], tried)
        if not cell:
            return
        moved = replace(mapping, cell=cell, tried_cells=tried, is_settled=False, sent_at_s=self._clock.now().timestamp())
        instance = await self._store.run(_move, moved, refused, self._clock.iso())
        await self.delete(mapping.cell, refused, mapping.request["context"])
        await self.build(cell, [instance], mapping.request)

    async def _cast(self, cell: str, method: str, arguments: Mapping[str, Any]) -> None:
        """Tell a cell, if the broker takes it soon: nobody is to wait for one that is away, since what was not heard is sent again."""
        try:
            async with asyncio.timeout(self._settings.hand_over_wait_s):
                await self._router.cast(cell, method, arguments)
        except (HostUnreachable, TimeoutError) as absence:
            log.warning("%s is not told to %s yet: %s", cell, method, str(absence) or "the broker does not take it")

    def _expect_less(self, cell: str, memory_mb: int) -> None:
        """Until the cell speaks again, what is handed over to it is assumed to be gone."""
        known = self.cells[cell]
        if known.capacity is not None:
            left = replace(known.capacity, free_memory_mb=known.capacity.free_memory_mb - memory_mb)
            self.cells[cell] = replace(known, capacity=left)


def _late(connection: Connection, before_s: float, now_s: float, count: int) -> list[tuple[Instance, CellMapping]]:
    late = mappings.unsettled(connection, before_s, count)
    uuids = [mapping.instance_uuid for mapping in late]
    mappings.touch(connection, uuids, now_s)
    known = instances.among(connection, uuids)
    return [(known[mapping.instance_uuid], mapping) for mapping in late if mapping.cell]


def _move(connection: Connection, mapping: CellMapping, refused: Instance, now: str) -> Instance:
    instance = replace(
        refused,
        cell=mapping.cell,
        vm_state="building",
        task_state=SCHEDULING,
        fault=None,
        vifs=(),
        updated_at=now,
        update_seq=refused.update_seq + 1,
    )
    mappings.put(connection, mapping)
    instances.put(connection, instance)
    return instance
