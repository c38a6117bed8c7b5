"""What a compute cell asks its agents about their hosts, and has them do there, on behalf of an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from compute_core.bus.port import Bus
from compute_core.cells.host_table import HostTable
from compute_core.model.errors import Conflict, HostUnreachable, NotFound
from compute_core.model.migrations import Migration
from compute_core.store import instances
from compute_core.store import migrations_of_servers as migrations
from compute_core.store.port import Store

LONG_S: Mapping[str, float] = {"clean_orphans": 900.0, "evict_images": 900.0}
"""So long a host may be at work for some questions, which remove many things one by one; the others are answered at once."""


class HostQuestions:
    """``timeout_s``: so long an answer may take, but for those of LONG_S."""

    def __init__(self, table: HostTable, store: Store, bus: Bus, timeout_s: float) -> None:
        self._table = table
        self._store = store
        self._bus = bus
        self._timeout_s = timeout_s

    async def ask(self, context: Any, host: str, question: str, arguments: Mapping[str, Any]) -> Any:
        """One of the agents' HOST_QUERIES. NotFound: a host of another cell; Conflict: nobody answers there."""
        if self._table.get(host) is None:
            raise NotFound.of("Host", host)
        if not self._table.is_up(host):
            raise Conflict(f"Host {host} is down.")
        asked = {"context": context, "question": question, "arguments": arguments}
        return await self._bus.call(f"compute.{host}", "query_host", asked, LONG_S.get(question, self._timeout_s))

    async def cache_images(self, context: Any, hosts: Sequence[str], images: Sequence[Any]) -> list[str]:
        """Have images fetched to those of the hosts that are this cell's and in use; these. Nobody waits for it."""
        told = []
        for host in hosts:
            if self._table.is_up(host):
                try:
                    await self._bus.cast(f"compute.{host}", "cache_images", {"context": context, "images": images})
                except HostUnreachable:
                    continue
                told.append(host)
        return told

    async def known(self, host: str, uuids: Sequence[str]) -> Any:
        """What the cell knows of servers, by uuid: whether they belong on a host, and with which ports and volumes.

        ``is_here``: it is there, or comes, or goes; ``is_gone``: it was deleted. What is in no answer has never been heard of.
        """
        return await self._store.run(_known, host, uuids)


def _known(connection: Connection, host: str, uuids: Sequence[str]) -> dict[str, Any]:
    rows = instances.among(connection, uuids)
    journeys = migrations.open_among(connection, list(rows))
    return {
        uuid: {
            "is_here": not row.is_deleted and (row.host == host or (uuid in journeys and host in _ends(journeys[uuid]))),
            "is_gone": row.is_deleted,
            "ports": [vif.id for vif in row.vifs],
            "volumes": [device.volume_id for device in row.block_devices],
        }
        for uuid, row in rows.items()
    }


def _ends(journey: Migration) -> set[str]:
    return {journey.source, journey.destination}
