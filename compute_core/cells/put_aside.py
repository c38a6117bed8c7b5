"""Servers that a compute cell puts aside: shelved, then taken off their host after a while; deleted softly, then reclaimed after a while.

Both come back when they are asked to: a shelved server is built once more from the image of its disk, wherever there is room.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from compute_core.cells import action_log, outcomes
from compute_core.cells.healing import CONTEXT, Healing
from compute_core.cells.ledger import Ledger
from compute_core.cells.placing import Placing
from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.clock import iso
from compute_core.model.errors import Conflict
from compute_core.model.instances import Instance
from compute_core.model.json import to_json
from compute_core.store import builds, instances
from compute_core.store.builds import Build

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PutAside:
    """What becomes of them, by asking and by waiting."""

    settings: ComputeCellSettings
    ledger: Ledger
    placing: Placing
    healing: Healing

    async def watch(self) -> None:
        """Take off their hosts what has been shelved for long enough, and delete what has been deleted softly for long enough."""
        for instance in await self.ledger.store.run(instances.put_aside):
            if instance.task_state is not None:
                continue
            if self._is_over(instance.shelved_at, self.settings.shelved_offload_s) and instance.vm_state == "shelved":
                await self.offload(instance.uuid)
            elif self._is_over(instance.soft_deleted_at, self.settings.reclaim_s) and instance.vm_state == "soft-delete":
                await self.reclaim(instance.uuid)

    async def offload(self, uuid: str) -> None:
        """Have the host forget a shelved server."""
        begun = await self.ledger.change(
            uuid, outcomes.began_if("shelve_offload"), action_log.noted(CONTEXT, "shelve_offload", self._now())
        )
        if begun is not None and begun.host is not None:
            asked = {"context": CONTEXT, "instance": to_json(begun), "action": "shelve_offload", "arguments": {}}
            await self.healing.cast(begun.host, "act", **asked)

    async def reclaim(self, uuid: str) -> None:
        """Delete for good what was deleted softly."""
        begun = await self.ledger.change(uuid, outcomes.began_if("delete"), action_log.noted(CONTEXT, "delete", self._now()))
        if begun is not None:
            log.info("%s is reclaimed", uuid)
            await self.healing.push_removal(begun)

    async def unshelve(self, context: Any, uuid: str, image: Mapping[str, Any], zone: str | None) -> Instance | None:
        """Build a server that has no host from the image of its disk. Conflict where it may not be."""

        def outcome(now: Instance) -> Instance | None:
            if now.host is not None:
                raise Conflict(f"Instance {uuid} is on a host: it is started there.")
            return None if now.is_deleted else outcomes.began("unshelve")(now)

        def also(connection: Connection, before: Instance) -> None:
            request = {"context": context, "image": image, "hints": {"availability_zone": zone or before.availability_zone}}
            builds.put(connection, [Build(uuid, request, self.ledger.clock.now().timestamp() + self.settings.build_timeout_s)])
            action_log.note(connection, before, context, "unshelve", self._now())

        begun = await self.ledger.change(uuid, outcome, also)
        if begun is not None:
            self.placing.ask([uuid])
        return begun

    async def shelved(self, uuid: str) -> None:
        """A server has just been shelved: off its host at once, when that is how the cell is set, or its root disk is a volume."""
        instance = await self.ledger.store.run(instances.find, uuid)
        if self.settings.shelved_offload_s == 0 or (instance is not None and instance.boots_from_volume):
            await self.offload(uuid)

    def _is_over(self, since: str | None, wait_s: float) -> bool:
        """Whether the wait has ended; one below 0 never does."""
        return since is not None and wait_s >= 0 and since <= iso(self.ledger.clock.now() - timedelta(seconds=wait_s))

    def _now(self) -> str:
        return self.ledger.clock.exact()
