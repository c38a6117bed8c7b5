"""The upkeep of hosts at the top of the tree: whichever cell has a host is asked."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from compute_core.cells.catalogue import must_be_admin
from compute_core.cells.routing import Router
from compute_core.cells.settings import ApiCellSettings
from compute_core.model.errors import HostUnreachable, NotFound
from compute_core.model.json import from_json
from compute_core.model.requests import RequestContext
from compute_core.model.upkeep import Upkeep

log = logging.getLogger(__name__)


class CellUpkeep:
    """See the port for each."""

    def __init__(self, router: Router, settings: ApiCellSettings) -> None:
        self._router = router
        self._settings = settings

    async def list_upkeep(self, context: RequestContext) -> tuple[Upkeep, ...]:
        """See the port."""
        must_be_admin(context)
        answers = await asyncio.gather(*(self._listed(path) for path in self._settings.child_paths))
        return tuple(from_json(job, Upkeep) for answer in answers for job in answer)

    async def tend_host(self, context: RequestContext, host: str, request: str, **arguments: Any) -> Upkeep | None:
        """See the port."""
        must_be_admin(context)
        asked = {"host": host, "request": request, "arguments": arguments}
        for path in self._settings.child_paths:
            try:
                answer = await self._router.call(path, "tend_host", asked, self._settings.call_timeout_s)
            except NotFound:
                continue
            return None if answer is None else from_json(answer, Upkeep)
        raise NotFound(f"Compute host {host} could not be found.")

    async def _listed(self, path: str) -> Any:
        try:
            return await self._router.call(path, "list_upkeep", {}, self._settings.overview_timeout_s)
        except HostUnreachable as absence:
            log.warning("the upkeep of %s's hosts is left out: %s", path, absence.message)
            return ()
