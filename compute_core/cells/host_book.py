"""What a compute cell says of its hosts to the cell above, and what an operator says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compute_core.cells.healing import Healing
from compute_core.cells.host_table import HostTable
from compute_core.model.errors import NotFound
from compute_core.model.json import to_json
from compute_core.store import hosts
from compute_core.store.port import Store


@dataclass(frozen=True, slots=True)
class HostBook:
    """The hosts of one cell."""

    store: Store
    table: HostTable
    healing: Healing

    async def list(self, names: Sequence[str] | None = None) -> Any:
        """Every host, or those of these names."""
        nodes = self.table.nodes() if names is None else map(self.table.get, names)
        return [to_json(node) for node in nodes if node is not None]

    async def has_zone(self, name: str) -> bool:
        """Whether a host in use is in a zone."""
        return any(node.availability_zone == name and node.is_in_use for node in self.table.nodes())

    async def set_service(self, uuid: str, *, is_enabled: bool | None, disabled_reason: str | None, is_forced_down: bool | None) -> Any:
        """Take an agent in or out of use; its host. NotFound when it is none of this cell's."""
        node = self.table.by_service(uuid)
        if node is None:
            raise NotFound.of("Service", uuid)
        enabled = node.is_enabled if is_enabled is None else is_enabled
        forced_down = node.is_forced_down if is_forced_down is None else is_forced_down
        reason = None if enabled else disabled_reason or node.disabled_reason
        host = node.report.host
        await self.store.run(hosts.set_use, host, is_enabled=enabled, disabled_reason=reason, is_forced_down=forced_down)
        await self.healing.refresh(host)
        if forced_down and not node.is_forced_down:
            await self.healing.leave(host)
        return to_json(self.table.get(host))
