"""Finding hosts for instances: whatever asks while a batch is being placed makes the next batch.

The scheduler works on the table in memory; the claim in the database decides. One that is lost to another cell manager, or to a host
that has changed, brings the host's newest state with it, and the instance is placed again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from sqlalchemy import Connection

from compute_core.bus.port import Bus
from compute_core.cells import action_log
from compute_core.cells import ledger as ledger_module
from compute_core.cells.host_table import HostTable
from compute_core.cells.ledger import Ledger
from compute_core.cells.outcomes import failed, is_deleting, is_waiting_for_host
from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.errors import BuildFailed, HostUnreachable, NoValidHost
from compute_core.model.hosts import ComputeNode
from compute_core.model.instances import Instance
from compute_core.model.json import to_json
from compute_core.scheduler.aggregate_specs import specs_of
from compute_core.scheduler.capacity import Ask
from compute_core.scheduler.placement import place
from compute_core.scheduler.requests import Placement, PlacementRequest, Refusal
from compute_core.store import builds, hosts, instances, outbox
from compute_core.store.builds import Build
from compute_core.store.hosts import StoredHost

BATCH = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Commitment:
    """What became of a batch in the database: instances that have their hosts, those to be placed again, hosts as they are now."""

    placed: tuple[tuple[Instance, Build], ...]
    lost: tuple[str, ...]
    hosts: tuple[StoredHost, ...]


class Placing:
    """The scheduler's queue of one compute cell. ``passwords`` are kept in memory alone, until the server stands."""

    def __init__(self, settings: ComputeCellSettings, ledger: Ledger, table: HostTable, bus: Bus, chance: Random) -> None:
        self._settings = settings
        self._ledger = ledger
        self._table = table
        self._bus = bus
        self._chance = chance
        self._waiting: dict[str, None] = {}
        self._has_work = asyncio.Event()
        self.passwords: dict[str, str] = {}

    def ask(self, uuids: Sequence[str]) -> None:
        """These instances need a host."""
        self._waiting.update(dict.fromkeys(uuids))
        if uuids:
            self._has_work.set()

    async def work(self) -> None:
        """Place whatever waits; returns when a batch is done."""
        await self._has_work.wait()
        batch = list(self._waiting)[:BATCH]
        for uuid in batch:
            del self._waiting[uuid]
        if not self._waiting:
            self._has_work.clear()
        try:
            await self._place(batch)
        except HostUnreachable:
            self.ask(batch)
            raise

    async def _place(self, uuids: Sequence[str]) -> None:
        wanted, requests = await self._ledger.store.run(_wanted, uuids)
        answers = place(self._table.ranking, requests, self._chance)
        refusals = [answer for answer in answers if isinstance(answer, Refusal)]
        by_host: dict[str, list[Placement]] = defaultdict(list)
        for answer in answers:
            if isinstance(answer, Placement):
                by_host[answer.host].append(answer)
        await self._claim(wanted, by_host)
        for refusal in refusals:
            await self._refuse(refusal)

    async def _claim(self, wanted: Mapping[str, Build], by_host: Mapping[str, Sequence[Placement]]) -> None:
        nodes = {host: node for host in by_host if (node := self._table.get(host)) is not None}
        now, now_s = self._ledger.clock.iso(), self._ledger.clock.now().timestamp()
        deadline_s = now_s + self._settings.build_timeout_s
        done = await self._ledger.store.run(_commit, wanted, by_host, nodes, now, deadline_s)
        for stored in done.hosts:
            self._table.put(stored, now_s)
        self._ledger.has_news.set()
        self.ask(done.lost)
        for instance, build in done.placed:
            await self._send(instance, build)

    async def _send(self, instance: Instance, build: Build) -> None:
        """Tell the agent, unless the instance is on its way out or away already."""
        async with self._ledger.turn(instance.uuid):
            now = await self._ledger.store.run(instances.find, instance.uuid)
            if now is None or now.is_deleted or is_deleting(now) or now.host != instance.host:
                return
            arguments = {
                "context": build.request["context"],
                "instance": to_json(now),
                "image": build.request["image"],
                "admin_password": self.passwords.get(instance.uuid, ""),
                "attempt": build.attempt,
            }
            await self._cast(f"compute.{now.host}", arguments)

    async def _cast(self, topic: str, arguments: Mapping[str, Any]) -> None:
        try:
            await self._bus.cast(topic, "build", arguments)
        except HostUnreachable as absence:  # the build's deadline brings it back
            log.warning("%s was not told to build: %s", topic, absence.message)

    async def _refuse(self, refusal: Refusal) -> None:
        def also(connection: Connection, before: Instance) -> None:
            builds.end(connection, before.uuid)
            words = _reason(before, refusal)
            action_log.end(connection, before, action_log.building(before), words, "", self._ledger.clock.exact())

        def outcome(now: Instance) -> Instance | None:
            error = failed(NoValidHost(_reason(now, refusal)), self._ledger.clock.iso())
            return error(now) if is_waiting_for_host(now) else None

        await self._ledger.change(refusal.uuid, outcome, also)
        self.passwords.pop(refusal.uuid, None)


def _reason(instance: Instance, refusal: Refusal) -> str:
    """Why there is no host; where one was tried, what it said is not hidden."""
    before = instance.fault
    if before is None or before.kind != BuildFailed.__name__:
        return str(refusal)
    return f"{refusal} The last one said: {before.message}"


def _wanted(connection: Connection, uuids: Sequence[str]) -> tuple[dict[str, Build], tuple[PlacementRequest, ...]]:
    """The builds of those that still need a host, and what they ask for."""
    found, under_way = instances.among(connection, uuids), builds.among(connection, uuids)
    waiting = [uuid for uuid in uuids if uuid in found and uuid in under_way and is_waiting_for_host(found[uuid])]
    return {uuid: under_way[uuid] for uuid in waiting}, tuple(_request(found[uuid], under_way[uuid]) for uuid in waiting)


def _request(instance: Instance, build: Build) -> PlacementRequest:
    hints = build.request["hints"]
    return PlacementRequest(
        instance.uuid,
        Ask.of(instance.flavor),
        build.request["image"]["properties"],
        hints.get("availability_zone"),
        hints.get("target_host"),
        frozenset(build.tried_hosts),
        instance.project_id,
        specs_of(instance.flavor.extra_specs),
    )


def _commit(
    connection: Connection,
    wanted: Mapping[str, Build],
    by_host: Mapping[str, Sequence[Placement]],
    nodes: Mapping[str, ComputeNode],
    now: str,
    deadline_s: float,
) -> Commitment:
    """Claim, host by host (in one order everywhere: no two transactions wait for each other), and write down who got one."""
    placed: list[tuple[Instance, Build]] = []
    lost: list[str] = []
    for host in sorted(by_host):
        locked = {each.uuid: instances.find_to_change(connection, each.uuid) for each in sorted(by_host[host], key=lambda each: each.uuid)}
        asks = {each.uuid: each.ask for each in by_host[host] if _still_waits(locked[each.uuid])}
        if asks and not hosts.claim(connection, host, nodes[host].generation, asks):
            lost.extend(asks)
            continue
        settled = [_settled(instance, nodes[host], now) for uuid in asks if (instance := locked[uuid]) is not None]
        for instance in settled:
            instances.put(connection, instance)
        placed.extend((instance, _tried(wanted[instance.uuid], deadline_s)) for instance in settled)
    outbox.note(connection, [instance for instance, _ in placed])
    builds.put(connection, [build for _, build in placed])
    fresh = [stored for host in sorted(by_host) if (stored := hosts.find(connection, host)) is not None]
    return Commitment(tuple(placed), tuple(lost), tuple(fresh))


def _still_waits(instance: Instance | None) -> bool:
    return instance is not None and is_waiting_for_host(instance)


def _settled(instance: Instance, node: ComputeNode, now: str) -> Instance:
    report = node.report
    moved = replace(instance, host=report.host, hypervisor_hostname=report.hypervisor_hostname, availability_zone=node.availability_zone)
    return ledger_module.next_of(instance, moved, now)


def _tried(build: Build, deadline_s: float) -> Build:
    return replace(build, attempt=build.attempt + 1, deadline_s=deadline_s)
