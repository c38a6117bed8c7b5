"""Aggregates that are pools of XenServer: a host that is added joins the pool of those that are in, one that is removed is ejected.

What is asked for is written down with the aggregate before a host is asked: whoever is killed meanwhile finishes it, or takes it back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from compute_core.cells.aggregate_rules import check_hosts_zone
from compute_core.cells.cell_upkeep import CellUpkeep
from compute_core.cells.overview import Overview
from compute_core.model.aggregates import Aggregate, Change
from compute_core.model.errors import Conflict, HostUnreachable, NotFound
from compute_core.model.hosts import ComputeNode
from compute_core.model.requests import RequestContext
from compute_core.store import aggregates
from compute_core.store.port import Store

log = logging.getLogger(__name__)

OPERATOR = RequestContext("", "", ("admin",), "")
"""Who asks when the cell itself does."""


@dataclass(frozen=True, slots=True)
class PoolAggregates:
    """Each gives the aggregate as it is to be; who asks tells the cells."""

    store: Store
    overview: Overview
    upkeep: CellUpkeep

    async def add(self, context: RequestContext, before: Aggregate, host: str) -> Aggregate:
        """A host is in, and joins unless it is the first, or there already. Conflict: it was refused, and is not in."""
        await self.store.run(check_hosts_zone, before, host)
        if not before.hosts:
            await self._ask(context, before, "add", host, "name_pool", name=before.pool_name)
            return replace(before, hosts=(host,))
        pool = (await self._node(context, before.hosts[0])).report.pool
        noted = await self._noted(replace(before, hosts=(*before.hosts, host), changing={host: "join"}))
        return await self._asked(context, noted, host, "join", pool)

    async def remove(self, context: RequestContext, before: Aggregate, host: str) -> Aggregate:
        """A host is out, and is ejected unless it is the last. Conflict: it was refused, and is in."""
        if before.hosts == (host,):
            return replace(before, hosts=())
        report = (await self._node(context, host)).report
        if report.is_master:
            raise Conflict(f"Cannot remove host from aggregate {before.id}. Reason: {host} is the master, and the pool is not empty.")
        noted = await self._noted(replace(before, changing={host: "eject"}))
        return await self._asked(context, noted, host, "eject", report.pool)

    async def settled(self, aggregate: Aggregate) -> Aggregate | None:
        """What has become of what is under way; None while it still is, or the host's cell does not say."""
        (host,) = aggregate.changing
        others = [name for name in aggregate.hosts if name != host]
        try:
            if await self.upkeep.tend_host(OPERATOR, host, "look") is not None:
                return None
            pools = [(await self._node(OPERATOR, name)).report.pool for name in (host, others[0])]
        except (NotFound, HostUnreachable):
            return None
        return _over(aggregate, host, is_in=pools[0] == pools[1])

    async def _asked(self, context: RequestContext, noted: Aggregate, host: str, change: Change, pool: str) -> Aggregate:
        try:
            job = await self._ask(context, noted, "add" if change == "join" else "remove", host, change, pool=pool)
        except Conflict:
            await self._noted(_over(noted, host, is_in=change == "eject"))
            raise
        except HostUnreachable as absence:
            log.warning("%s: the %s of %s is not heard of yet: %s", noted.name, change, host, absence.message)
            return noted
        return _over(noted, host, is_in=change == "join") if job is None else noted

    async def _ask(self, context: RequestContext, aggregate: Aggregate, what: str, host: str, request: str, **arguments: str) -> object:
        """Conflict in the words of Nova."""
        try:
            return await self.upkeep.tend_host(context, host, request, **arguments)
        except Conflict as refusal:
            which = "to" if what == "add" else "from"
            raise Conflict(f"Cannot {what} host {which} aggregate {aggregate.id}. Reason: {refusal.message}") from refusal

    async def _noted(self, aggregate: Aggregate) -> Aggregate:
        return await self.store.run(aggregates.put, aggregate)

    async def _node(self, context: RequestContext, host: str) -> ComputeNode:
        for node in await self.overview.list_hosts(context, (host,)):
            return node
        raise NotFound(f"Compute host {host} could not be found.")


def _over(aggregate: Aggregate, host: str, *, is_in: bool) -> Aggregate:
    """Nothing is under way any more, and the host is in or out."""
    hosts = tuple(name for name in aggregate.hosts if is_in or name != host)
    return replace(aggregate, hosts=hosts, changing={})
