"""A compute cell's copies of the aggregates: which host is in which, for the scheduler and for whoever asks after zones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compute_core.cells.announcing import Announcing
from compute_core.cells.host_table import HostTable
from compute_core.model.aggregates import Aggregate, memberships
from compute_core.model.json import from_json
from compute_core.store import aggregates as rows
from compute_core.store.port import Store


@dataclass(frozen=True, slots=True)
class AggregateCopies:
    """Kept in the cell's database, and seen in its table of hosts."""

    store: Store
    table: HostTable
    announcing: Announcing

    async def open(self) -> None:
        """See what is known from before."""
        self.table.set_memberships(memberships(await self.store.run(rows.listed)))

    async def take(self, aggregates: Sequence[Any]) -> None:
        """Keep those that are newer than what is known; the hosts are in other ones, and so in other zones, at once."""
        news = [from_json(aggregate, Aggregate) for aggregate in aggregates]
        self.table.set_memberships(memberships(await self.store.run(rows.take, news)))
        await self.announcing.announce_capacity()
