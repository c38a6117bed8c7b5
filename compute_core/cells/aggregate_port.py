"""What the REST API asks of aggregates at the top of the cell tree. Only an admin may: Forbidden to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from compute_core.model.aggregates import Aggregate
from compute_core.model.requests import RequestContext


class Aggregates(Protocol):
    """Sets of hosts, and through them zones and pools."""

    async def list_aggregates(self, context: RequestContext) -> tuple[Aggregate, ...]:
        """Every aggregate, the oldest first."""

    async def get_aggregate(self, context: RequestContext, number: int) -> Aggregate:
        """One aggregate. NotFound."""

    async def create_aggregate(self, context: RequestContext, name: str, zone: str | None) -> Aggregate:
        """A new one without hosts. Conflict: the name is taken."""

    async def update_aggregate(self, context: RequestContext, number: int, changes: Mapping[str, str | None]) -> Aggregate:
        """Another ``name``, another ``availability_zone``. NotFound, Conflict (name), Invalid (hosts that cannot change their zone)."""

    async def delete_aggregate(self, context: RequestContext, number: int) -> None:
        """Forget one that has no hosts any more. NotFound, Invalid."""

    async def set_aggregate_metadata(self, context: RequestContext, number: int, metadata: Mapping[str, str | None]) -> Aggregate:
        """Put items into the metadata; None takes one away. NotFound, Invalid."""

    async def add_aggregate_host(self, context: RequestContext, number: int, host: str) -> Aggregate:
        """Add a host, which joins the pool that it is, if it is one. NotFound (host too), Conflict with the reason why it cannot."""

    async def remove_aggregate_host(self, context: RequestContext, number: int, host: str) -> Aggregate:
        """Take a host out, which leaves the pool. NotFound, Conflict."""
