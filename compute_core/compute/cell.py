"""The way from an agent to its cell."""

from __future__ import annotations

from typing import Any

from compute_core.bus.port import Bus


class Cell:
    """The cell's topic. A cast waits for the cell when it is away; a call raises HostUnreachable."""

    __slots__ = ("_bus", "_topic")

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._topic = f"cell.{name}"

    async def tell(self, method: str, **arguments: Any) -> None:
        """Cast."""
        await self._bus.cast(self._topic, method, arguments)

    async def ask(self, method: str, timeout_s: float, **arguments: Any) -> Any:
        """Call."""
        return await self._bus.call(self._topic, method, arguments, timeout_s)
