"""What the REST API asks of the top of the cell tree about what is on hosts. All of it is an admin's: Forbidden to others.

But what their own project has used, people may ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from compute_core.model.instances import Instance
from compute_core.model.requests import RequestContext
from compute_core.model.usage import HostUsage


class HostCare(Protocol):
    """Care for hosts, besides putting them in and out of use."""

    async def list_usages(self, context: RequestContext, host: str | None = None) -> tuple[HostUsage, ...]:
        """What servers really use, as it was measured last, on every host of every cell that answers, or on one."""

    async def ask_host(self, context: RequestContext, host: str, question: str, **arguments: Any) -> Any:
        """What only a host can tell, or what is done there at once: one of the agents' HOST_QUERIES. NotFound, Conflict (it is down)."""

    async def servers_of_time(
        self, context: RequestContext, start: str, end: str, project_id: str | None, after: str | None, limit: int | None
    ) -> tuple[Instance, ...]:
        """Servers that lived between two dates, gone or not, by uuid: a project's own, None: all, which is an admin's. Forbidden."""

    async def cache_images(self, context: RequestContext, hosts: Sequence[str], image_ids: Sequence[str]) -> tuple[str, ...]:
        """Have hosts fetch images before these are needed; those of them that have been told. Nobody waits for it. Invalid (image)."""
