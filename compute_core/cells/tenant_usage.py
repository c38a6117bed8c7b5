"""What projects have used over a time, as the top of the tree knows it: its copies of servers that lived then."""

from __future__ import annotations

from compute_core.cells.catalogue import must_be_admin
from compute_core.model.errors import Forbidden
from compute_core.model.instances import Instance
from compute_core.model.requests import RequestContext
from compute_core.store.lives import lived
from compute_core.store.port import Store


class TenantUsage:
    """See the port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def servers_of_time(
        self, context: RequestContext, start: str, end: str, project_id: str | None, after: str | None, limit: int | None
    ) -> tuple[Instance, ...]:
        """See the port."""
        if project_id is None:
            must_be_admin(context)
        elif project_id != context.project_id and not context.is_admin:
            raise Forbidden("Policy doesn't allow os_compute_api:os-simple-tenant-usage:show to be performed.")
        return await self._store.run(lived, start, end, project_id, after, limit)
