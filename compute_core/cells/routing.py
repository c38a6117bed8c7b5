"""How a message finds its cell in the tree. Cells talk to their neighbours only; a message for farther away is forwarded.

A path is written from the top, parts separated by ``!``: ``api!region1!cell7``. The same rule leads up and down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compute_core.bus.port import Bus, Endpoint
from compute_core.model.errors import ComputeError, NotFound

SEPARATOR = "!"
MAX_HOPS = 10


def name_of(path: str) -> str:
    """A cell's own name, the last part of its path."""
    return path.rpartition(SEPARATOR)[2]


def parent_of(path: str) -> str:
    """The path of the cell above; "" at the top."""
    return path.rpartition(SEPARATOR)[0]


def top_of(path: str) -> str:
    """The path of the tree's top."""
    return path.partition(SEPARATOR)[0]


def topic_of(path: str) -> str:
    """The bus topic of a cell."""
    return f"cell.{name_of(path)}"


def next_hop(target: str, here: str) -> str:
    """The neighbour of ``here`` that is nearer to ``target``, as a path. NotFound when the tree ends before it."""
    if target.startswith(here + SEPARATOR):
        return here + SEPARATOR + target[len(here) + 1 :].partition(SEPARATOR)[0]
    if target == here or not parent_of(here):
        raise NotFound(f"No way from cell {here} to {target}.")
    return parent_of(here)


class Router:
    """Sends to other cells from the cell at ``path``, and passes on what comes through it."""

    def __init__(self, bus: Bus, path: str) -> None:
        self._bus = bus
        self._path = path
        self._local: Mapping[str, Endpoint] = {}

    async def cast(self, target: str, method: str, arguments: Mapping[str, Any]) -> None:
        """Send to a cell, however far; see the bus."""
        await self._cast(target, method, arguments, 0)

    async def call(self, target: str, method: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """Ask a cell, however far; see the bus."""
        return await self._call(target, method, arguments, 0, timeout_s)

    def endpoints(self, local: Mapping[str, Endpoint]) -> Mapping[str, Endpoint]:
        """What this cell serves: its own endpoints, and the passing on."""
        self._local = local
        return {**local, "forward_cast": self._forward_cast, "forward_call": self._forward_call}

    async def _forward_cast(self, target: str, method: str, arguments: Mapping[str, Any], hops: int) -> None:
        if target == self._path:
            await self._own(method)(**arguments)
        else:
            await self._cast(target, method, arguments, hops)

    async def _forward_call(self, target: str, method: str, arguments: Mapping[str, Any], hops: int, timeout_s: float) -> Any:
        if target == self._path:
            return await self._own(method)(**arguments)
        return await self._call(target, method, arguments, hops, timeout_s)

    async def _cast(self, target: str, method: str, arguments: Mapping[str, Any], hops: int) -> None:
        hop = self._hop(target, hops)
        if hop == target:
            await self._bus.cast(topic_of(hop), method, arguments)
        else:
            onward = {"target": target, "method": method, "arguments": arguments, "hops": hops + 1}
            await self._bus.cast(topic_of(hop), "forward_cast", onward)

    async def _call(self, target: str, method: str, arguments: Mapping[str, Any], hops: int, timeout_s: float) -> Any:
        hop = self._hop(target, hops)
        if hop == target:
            return await self._bus.call(topic_of(hop), method, arguments, timeout_s)
        onward = {"target": target, "method": method, "arguments": arguments, "hops": hops + 1, "timeout_s": timeout_s}
        return await self._bus.call(topic_of(hop), "forward_call", onward, timeout_s)

    def _hop(self, target: str, hops: int) -> str:
        if hops >= MAX_HOPS:
            raise ComputeError(f"A message for cell {target} has gone through {hops} cells and is dropped.")
        return next_hop(target, self._path)

    def _own(self, method: str) -> Endpoint:
        if method not in self._local:
            raise ComputeError(f"Cell {self._path} does not serve {method}.")
        return self._local[method]
