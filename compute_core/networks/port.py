"""What the cells ask of a network service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from compute_core.model.instances import Vif


@dataclass(frozen=True, slots=True)
class Network:
    """One network: how users name it, which bridge of the hosts carries it, which addresses it has."""

    id: str
    label: str
    bridge: str
    cidr: str
    gateway: str


class Networks(Protocol):
    """Hands out interfaces."""

    async def allocate(self, instance_uuid: str, network: str | None) -> tuple[Vif, ...]:
        """Interfaces for a server on a network (id or label; None: the default one). NotFound, Conflict when no address is left."""

    async def release(self, instance_uuid: str) -> None:
        """Take back everything that the server was given; nothing to take back is fine."""

    async def list(self) -> tuple[Network, ...]:
        """Every network that a server may be plugged into."""
