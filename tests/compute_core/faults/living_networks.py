"""The network service, as far as a process is alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compute_core.model.networks import PortFilter
from compute_core.networks.port import PortFilters

if TYPE_CHECKING:
    from tests.compute_core.faults.life import Life


@dataclass
class LivingNetworks:
    """What an agent asks of it."""

    networks: PortFilters
    life: Life

    async def filters(self, device_ids: Sequence[str]) -> tuple[PortFilter, ...]:
        return await self.life.over(self.networks.filters, device_ids)

    async def unbind(self, port_id: str) -> None:
        await self.life.over(self.networks.unbind, port_id)
