"""Heartbeats of agents: the first one registers the host, every one says what the host has and hears what it should have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection

from compute_core.cells.host_table import HostTable
from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.clock import Clock, iso
from compute_core.model.hosts import ComputeNode, HostReport
from compute_core.model.instances import PAUSED, RUNNING, Instance
from compute_core.model.json import from_json, to_json
from compute_core.model.migrations import Migration
from compute_core.scheduler.capacity import Ask, limits
from compute_core.store import hosts, instances
from compute_core.store import migrations_of_servers as migrations
from compute_core.store.hosts import StoredHost
from compute_core.store.port import Store

WRITE_AFTER_S = 600.0
"""A heartbeat that says what the one before said is written down only so often: most of them are."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the cell believes to be on a host, which of the VMs there it does not want, and which servers are on their way."""

    present: tuple[Instance, ...]
    unwanted: list[str]
    unwanted_formers: list[str]
    migrations: Mapping[str, Migration]


class Heartbeats:
    """Takes the heartbeats of one cell's agents."""

    def __init__(self, settings: ComputeCellSettings, store: Store, clock: Clock, table: HostTable) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._table = table
        self._written_at_s: dict[str, float] = {}

    async def take(self, report: Any, instances_known: Sequence[str], formers_known: Sequence[str] = ()) -> Any:
        """A heartbeat. ``instances``: what belongs on the host; ``unwanted``: which of those it has belong elsewhere or nowhere.

        ``migrations`` are the records of servers that come or go; ``unwanted_formers`` those of the VMs set aside that nobody will
        want back.
        """
        said, now = from_json(report, HostReport), self._clock.now()
        now_s = now.timestamp()
        taken = await self._store.run(_look, said.host, instances_known, formers_known)
        before = self._table.get(said.host)
        node = _with_others(self._node(said, iso(now)), before, taken.present)
        if before is not None and _says_nothing_new(node, before) and now_s - self._written_at_s.get(said.host, 0.0) < WRITE_AFTER_S:
            self._table.heard(said.host, now_s, iso(now))
        else:
            self._table.put(await self._store.run(_write, node, limits(node, self._settings.ratios), now_s), now_s)
            self._written_at_s[said.host] = now_s
        return {
            "instances": [to_json(instance) for instance in taken.present],
            "unwanted": taken.unwanted,
            "unwanted_formers": taken.unwanted_formers,
            "migrations": {uuid: to_json(migration) for uuid, migration in taken.migrations.items()},
        }

    def _node(self, said: HostReport, now: str) -> ComputeNode:
        service = str(uuid5(NAMESPACE_URL, f"inova:service:{self._settings.path}:{said.host}"))
        return ComputeNode(said, service, availability_zone=self._settings.availability_zone, updated_at=now)


def _look(connection: Connection, host: str, known: Sequence[str], formers: Sequence[str]) -> Taken:
    present = instances.on_host(connection, host)
    strange = sorted(set(known) - {instance.uuid for instance in present})
    under_way = migrations.open_among(connection, [*strange, *formers, *(instance.uuid for instance in present if instance.task_state)])
    at_work = {instance.uuid for instance in present if instance.task_state}
    at_rest = [uuid for uuid in formers if uuid not in at_work]
    return Taken(present, _unwanted(connection, host, strange, under_way), _unwanted_formers(connection, at_rest, under_way), under_way)


def _write(connection: Connection, node: ComputeNode, most: Ask, now_s: float) -> StoredHost:
    hosts.report(connection, node, most, now_s)
    return hosts.find(connection, node.report.host) or StoredHost(node, now_s)


def _says_nothing_new(node: ComputeNode, before: ComputeNode) -> bool:
    others = before.other_memory_mb, before.other_disk_gb
    return node.report == before.report and (node.other_memory_mb, node.other_disk_gb) == others


def _with_others(node: ComputeNode, before: ComputeNode | None, present: Iterable[Instance]) -> ComputeNode:
    """What is used by others than the cell's instances; while one of these is being changed, as it was before.

    Of the disk it is what was seen; before anybody has looked, what is left of the used when the instances have all that they may have.
    """
    mine = tuple(present)
    if before is not None and any(instance.task_state is not None for instance in mine):
        return replace(node, other_memory_mb=before.other_memory_mb, other_disk_gb=before.other_disk_gb)
    report, asks = node.report, [Ask.of(instance.flavor) for instance in mine]
    running = [ask for ask, instance in zip(asks, mine, strict=True) if instance.power_state in (RUNNING, PAUSED)]
    memory = report.memory_mb_total - report.memory_mb_free - sum(ask.memory_mb for ask in running)
    disk = report.disk_gb_total - report.disk_gb_free - sum(ask.disk_gb for ask in asks)
    seen = report.others_disk_gb
    return replace(node, other_memory_mb=max(memory, 0), other_disk_gb=max(disk, 0) if seen < 0 else seen)


def _unwanted_formers(connection: Connection, formers: Sequence[str], under_way: Mapping[str, Migration]) -> list[str]:
    """A former VM is wanted while its server may come back to it."""
    return [uuid for uuid in instances.among(connection, formers) if uuid not in under_way]


def _unwanted(connection: Connection, host: str, strange: Sequence[str], under_way: Mapping[str, Migration]) -> list[str]:
    """A VM of an instance that the cell has never heard of is left alone, as it may be somebody else's; and one that comes or goes."""
    rows = instances.among(connection, strange)
    moving = {uuid for uuid, journey in under_way.items() if host in {journey.source, journey.destination}}
    return [uuid for uuid in strange if uuid in rows and uuid not in moving and (rows[uuid].is_deleted or rows[uuid].host != host)]
