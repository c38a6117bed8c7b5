"""Aggregates at the top of the tree: made and changed here, and told to the compute cells, which keep copies for their schedulers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from uuid import UUID

from sqlalchemy import Connection

from compute_core.cells.aggregate_rules import check_hosts_zone, check_is_idle, check_keeps_pool, check_name, check_zone
from compute_core.cells.catalogue import must_be_admin
from compute_core.cells.cell_upkeep import CellUpkeep
from compute_core.cells.overview import Overview
from compute_core.cells.pool_aggregates import PoolAggregates
from compute_core.cells.routing import Router
from compute_core.cells.settings import ApiCellSettings
from compute_core.model.aggregates import ZONE, Aggregate
from compute_core.model.clock import Clock
from compute_core.model.errors import Conflict, HostUnreachable, Invalid, NotFound
from compute_core.model.json import to_json
from compute_core.model.requests import RequestContext
from compute_core.store import aggregates
from compute_core.store.port import Store

log = logging.getLogger(__name__)

Decide = Callable[[Connection, Aggregate], Aggregate]
"""The aggregate as it is to be; raises where it may not. In the transaction that writes it."""


class CellAggregates:
    """See the port for each. ``chance`` makes uuids."""

    def __init__(
        self, settings: ApiCellSettings, store: Store, router: Router, overview: Overview, clock: Clock, chance: Random
    ) -> None:  # fmt: skip
        self._store = store
        self._router = router
        self._overview = overview
        self._clock = clock
        self._chance = chance
        self._pools = PoolAggregates(store, overview, CellUpkeep(router, settings))
        self._timeout_s = settings.overview_timeout_s
        self._paths = settings.child_paths
        self._behind = set(settings.child_paths)

    async def list_aggregates(self, context: RequestContext) -> tuple[Aggregate, ...]:
        """See the port."""
        must_be_admin(context)
        return await self._store.run(aggregates.listed)

    async def get_aggregate(self, context: RequestContext, number: int) -> Aggregate:
        """See the port."""
        must_be_admin(context)
        return await self._store.run(aggregates.get, number)

    async def create_aggregate(self, context: RequestContext, name: str, zone: str | None) -> Aggregate:
        """See the port."""
        must_be_admin(context)
        uuid = str(UUID(int=self._chance.getrandbits(128), version=4))
        new = Aggregate(name, uuid, self._clock.iso(), metadata={} if zone is None else {ZONE: zone})
        return await self._told(await self._store.run(_add, new))

    async def update_aggregate(self, context: RequestContext, number: int, changes: Mapping[str, str | None]) -> Aggregate:
        """See the port."""
        must_be_admin(context)

        def decide(connection: Connection, before: Aggregate) -> Aggregate:
            named = replace(before, name=changes.get("name") or before.name)
            check_name(connection, named)
            zone = {ZONE: changes[ZONE]} if ZONE in changes else {}
            after = replace(named, metadata=_with(before.metadata, zone))
            check_zone(connection, before, after)
            return after

        return await self.change(number, decide)

    async def delete_aggregate(self, context: RequestContext, number: int) -> None:
        """See the port."""
        must_be_admin(context)

        def decide(_: Connection, before: Aggregate) -> Aggregate:
            if before.hosts:
                reason = "Host aggregate is not empty"
                raise Invalid(f"Unable to perform action 'delete' on aggregate {before.id}. Reason: {reason}.")
            return replace(before, deleted_at=self._clock.iso())

        await self.change(number, decide)

    async def set_aggregate_metadata(self, context: RequestContext, number: int, metadata: Mapping[str, str | None]) -> Aggregate:
        """See the port."""
        must_be_admin(context)

        def decide(connection: Connection, before: Aggregate) -> Aggregate:
            after = replace(before, metadata=_with(before.metadata, metadata))
            check_zone(connection, before, after)
            check_keeps_pool(before, after)
            return after

        return await self.change(number, decide)

    async def add_aggregate_host(self, context: RequestContext, number: int, host: str) -> Aggregate:
        """See the port."""
        must_be_admin(context)
        await self._check_known(context, host)
        before = await self._idle(number)
        if host in before.hosts:
            raise Conflict(f"Aggregate {number} already has host {host}.")
        if before.pool_name:
            return await self._written(await self._pools.add(context, before, host))

        def decide(connection: Connection, before: Aggregate) -> Aggregate:
            check_hosts_zone(connection, before, host)
            return replace(before, hosts=(*before.hosts, host))

        return await self.change(number, decide)

    async def remove_aggregate_host(self, context: RequestContext, number: int, host: str) -> Aggregate:
        """See the port."""
        must_be_admin(context)
        before = await self._idle(number)
        if host not in before.hosts:
            raise NotFound(f"Aggregate {number} has no host {host}.")
        if before.pool_name:
            return await self._written(await self._pools.remove(context, before, host))
        return await self.change(number, lambda _, now: replace(now, hosts=tuple(name for name in now.hosts if name != host)))

    async def change(self, number: int, decide: Decide) -> Aggregate:
        """Change one, and tell the cells. NotFound, and what ``decide`` raises."""
        return await self._told(await self._store.run(_change, number, decide, self._clock.iso()))

    async def settle(self) -> None:
        """Finish what hosts have done about their pools, or take back what they have not."""
        for aggregate in await self._store.run(aggregates.listed):
            settled = await self._pools.settled(aggregate) if aggregate.changing else None
            if settled is not None:
                with suppress(Conflict):  # who asked has heard of the end, and written it
                    await self._written(settled)

    async def _idle(self, number: int) -> Aggregate:
        found = await self._store.run(aggregates.get, number)
        check_is_idle(found)
        return found

    async def _written(self, aggregate: Aggregate) -> Aggregate:
        """As it was decided, unless somebody has changed it meanwhile: Conflict. What was written down already is only told."""
        now = await self._store.run(aggregates.get, aggregate.id)
        if now == aggregate:
            return await self._told(now)
        return await self._told(await self._store.run(aggregates.put, replace(aggregate, updated_at=self._clock.iso())))

    async def tell_again(self) -> None:
        """Tell everything to the cells that may not know it: all of them after a start, then those that did not answer."""
        for path in sorted(self._behind):
            await self._tell(path, await self._store.run(aggregates.every))

    async def _told(self, aggregate: Aggregate) -> Aggregate:
        for path in self._paths:
            await self._tell(path, (aggregate,))
        return aggregate

    async def _tell(self, path: str, news: Sequence[Aggregate]) -> None:
        is_whole = path in self._behind
        self._behind.add(path)
        every = await self._store.run(aggregates.every) if is_whole else news
        try:
            await self._router.call(path, "take_aggregates", {"aggregates": [to_json(each) for each in every]}, self._timeout_s)
        except HostUnreachable as absence:
            log.warning("%s is not told of aggregates yet: %s", path, absence.message)
        else:
            self._behind.discard(path)

    async def _check_known(self, context: RequestContext, host: str) -> None:
        if not await self._overview.list_hosts(context, (host,)):
            raise NotFound(f"Compute host {host} could not be found.")


def _add(connection: Connection, new: Aggregate) -> Aggregate:
    check_name(connection, new)
    return aggregates.add(connection, new)


def _change(connection: Connection, number: int, decide: Decide, now: str) -> Aggregate:
    before = aggregates.get_to_change(connection, number)
    check_is_idle(before)
    return aggregates.put(connection, replace(decide(connection, before), updated_at=now))


def _with(metadata: Mapping[str, str], changes: Mapping[str, str | None]) -> Mapping[str, str]:
    return {key: value for key, value in {**metadata, **changes}.items() if value is not None}
