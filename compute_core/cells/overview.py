"""What an operator sees of all cells at once: each cell below is asked at the same time, and one that is mute does not hide the others."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from compute_core.cells.catalogue import must_be_admin
from compute_core.cells.routing import Router
from compute_core.model.errors import HostUnreachable, NotFound
from compute_core.model.hosts import AvailabilityZone, ComputeNode, Service
from compute_core.model.json import from_json
from compute_core.model.requests import RequestContext

log = logging.getLogger(__name__)

BINARY = "nova-compute"
"""The name under which clients know an agent."""


class Overview:
    """Hosts, agents and zones of the cells at ``paths``."""

    def __init__(self, router: Router, paths: Sequence[str], timeout_s: float) -> None:
        self._router = router
        self._paths = paths
        self._timeout_s = timeout_s

    async def list_hosts(self, context: RequestContext, names: Collection[str] | None = None) -> tuple[ComputeNode, ...]:
        """See the port."""
        must_be_admin(context)
        return await self._nodes(names)

    async def list_services(self, context: RequestContext) -> tuple[Service, ...]:
        """See the port."""
        must_be_admin(context)
        return tuple(service_of(node) for node in await self._nodes())

    async def set_service(
        self,
        context: RequestContext,
        uuid: str,
        *,
        is_enabled: bool | None = None,
        disabled_reason: str | None = None,
        is_forced_down: bool | None = None,
    ) -> Service:
        """See the port."""
        must_be_admin(context)
        wish = {"uuid": uuid, "is_enabled": is_enabled, "disabled_reason": disabled_reason, "is_forced_down": is_forced_down}
        for path in self._paths:
            try:
                node = await self._router.call(path, "set_service", wish, self._timeout_s)
            except NotFound:
                continue
            return service_of(from_json(node, ComputeNode))
        raise NotFound.of("Service", uuid)

    async def availability_zones(self, context: RequestContext) -> tuple[AvailabilityZone, ...]:
        """See the port."""
        by_zone: dict[str, list[ComputeNode]] = defaultdict(list)
        for node in await self._nodes():
            by_zone[node.availability_zone].append(node)
        return tuple(_zone(name, nodes, shows_hosts=context.is_admin) for name, nodes in sorted(by_zone.items()))

    async def has_zone(self, name: str) -> bool:
        """See the port."""
        return any(await asyncio.gather(*(self._of_cell(path, "has_zone", {"name": name}, otherwise=False) for path in self._paths)))

    async def _nodes(self, names: Collection[str] | None = None) -> tuple[ComputeNode, ...]:
        wanted = {"names": None if names is None else sorted(names)}
        answers = await asyncio.gather(*(self._of_cell(path, "list_hosts", wanted, otherwise=()) for path in self._paths))
        return tuple(from_json(node, ComputeNode) for nodes in answers for node in nodes)

    async def _of_cell(self, path: str, method: str, arguments: Mapping[str, Any], otherwise: Any) -> Any:
        try:
            return await self._router.call(path, method, arguments, self._timeout_s)
        except HostUnreachable as absence:
            log.warning("the hosts of %s are left out: %s", path, absence.message)
            return otherwise


def service_of(node: ComputeNode) -> Service:
    """A host's agent as the API lists it."""
    return Service(
        uuid=node.service_uuid,
        binary=BINARY,
        host=node.report.host,
        availability_zone=node.availability_zone,
        is_enabled=node.is_enabled,
        is_up=node.is_up and not node.is_forced_down,
        updated_at=node.updated_at,
        disabled_reason=node.disabled_reason,
        is_forced_down=node.is_forced_down,
    )


def _zone(name: str, nodes: Sequence[ComputeNode], *, shows_hosts: bool) -> AvailabilityZone:
    is_available = any(node.is_in_use for node in nodes)
    return AvailabilityZone(name, is_available, tuple(node.report.host for node in nodes) if shows_hosts else ())
