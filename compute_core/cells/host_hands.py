"""What the upkeep of hosts does with its own hands: asks agents, takes hosts in and out of use, finds a neighbour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from compute_core.cells.healing import Healing
from compute_core.cells.host_table import HostTable
from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.errors import Conflict, HostUnreachable, NotFound
from compute_core.model.hosts import ComputeNode
from compute_core.store import hosts
from compute_core.store.port import Store

Act = Callable[..., Awaitable[Any]]

LONG_S: Mapping[str, float] = {"power_on": 900.0, "join": 300.0, "eject": 300.0}
"""So long a host may be at work for some requests; the others are answered at once, or by nobody."""


@dataclass(frozen=True, slots=True)
class Hands:
    """``act`` begins an action with a server of the cell."""

    settings: ComputeCellSettings
    store: Store
    table: HostTable
    healing: Healing
    act: Act

    async def ask(self, host: str, request: str, **arguments: Any) -> Any:
        """One of the agents' HOST_REQUESTS. HostUnreachable, Conflict."""
        asked = {"request": request, "arguments": arguments}
        timeout_s = LONG_S.get(request, self.settings.call_timeout_s)
        said = await self.healing.bus.call(f"compute.{host}", "tend", asked, timeout_s)
        if said is None:
            raise HostUnreachable(f"The agent of {host} ended before it had done {request}.")
        return said["answer"]

    async def use(self, host: str, *, is_enabled: bool, reason: str | None) -> None:
        """Have servers come to a host, or not."""
        node = self.node(host)
        said = None if is_enabled else reason
        word = partial(hosts.set_use, is_enabled=is_enabled, disabled_reason=said, is_forced_down=node.is_forced_down)
        await self.store.run(word, host)
        await self.healing.refresh(host)

    async def has_booted(self, host: str, since: str | None) -> bool:
        """Whether it runs, and its boot time is another one than it was. One whose agent is not heard of has not."""
        if not self.table.is_up(host):
            return False
        state = await self.ask(host, "state")
        return bool(state["is_live"] and state["boot_time"] != since)

    async def is_off(self, host: str) -> bool:
        """By the word of its pool, where it still has a voice there, or by its silence."""
        try:
            return not self.table.is_up(host) or not (await self.ask(host, "state"))["is_live"]
        except HostUnreachable:
            return not self.table.is_up(host)

    def node(self, host: str) -> ComputeNode:
        """One host. NotFound."""
        node = self.table.get(host)
        if node is None:
            raise NotFound(f"Compute host {host} could not be found.")
        return node

    def neighbour(self, host: str) -> str:
        """Another host of the pool, its master first. Conflict when there is none that answers."""
        mine = self.node(host).report
        others = [node.report for node in self.table.nodes() if mine.pool and node.report.pool == mine.pool and node.report.host != host]
        up = sorted((not other.is_master, other.host) for other in others if self.table.is_up(other.host))
        if not up:
            raise Conflict(f"Host {host} has no neighbour in a pool that could switch it on. Cure: switch it on at the machine.")
        return up[0][1]
