"""The way from an agent to its cell."""

from __future__ import annotations

from typing import Any

from compute_core.bus.port import Bus


class Cell:
    """The topic of the cell ``name``, to which ``host`` reports."""

    __slots__ = ("_bus", "_host", "_topic")

    def __init__(self, bus: Bus, name: str, host: str) -> None:
        self._bus = bus
        self._host = host
        self._topic = f"cell.{name}"

    async def tell(self, method: str, uuid: str, **arguments: Any) -> None:
        """Cast a report on a server; it waits for the cell when that is away."""
        await self._bus.cast(self._topic, method, {"uuid": uuid, "host": self._host, **arguments})

    async def report(self, method: str, **arguments: Any) -> None:
        """Cast a report on the host; as ``tell``."""
        await self._bus.cast(self._topic, method, {"host": self._host, **arguments})

    async def ask(self, method: str, timeout_s: float, **arguments: Any) -> Any:
        """Call; HostUnreachable when the cell does not answer in time."""
        return await self._bus.call(self._topic, method, arguments, timeout_s)
