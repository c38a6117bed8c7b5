"""Servers that go to another host or size: the cell finds the host, holds room on both, and lets each host do its part.

Whatever a part ends with, server, record and room change in one transaction, and room is given back exactly once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from compute_core.cells import action_log
from compute_core.cells.healing import CONTEXT, Healing
from compute_core.cells.host_table import HostTable
from compute_core.cells.ledger import Ledger, next_of
from compute_core.cells.settings import ComputeCellSettings
from compute_core.cells.steps import PARTS, End, Step, confirming, decided, reverting, set_out, was_running
from compute_core.model.clock import iso
from compute_core.model.errors import Conflict, Invalid, NotFound, NoValidHost
from compute_core.model.flavors import Flavor
from compute_core.model.hosts import ComputeNode
from compute_core.model.instances import Instance
from compute_core.model.json import from_json, to_json
from compute_core.model.migrations import Kind, Migration, MigrationFilters, Status
from compute_core.model.transitions import ACTIONS, MOVES, begin
from compute_core.scheduler.aggregate_specs import specs_of
from compute_core.scheduler.capacity import Ask
from compute_core.scheduler.placement import place
from compute_core.scheduler.requests import PlacementRequest, Refusal
from compute_core.store import hosts, instances, outbox
from compute_core.store import migrations_of_servers as migrations

CLAIM_TRIES = 5
"""A claim that is lost to another one is made again on what is known then."""

FIRST: Mapping[str, tuple[Kind, Status]] = {
    "resize": ("resize", "migrating"),
    "live_migrate": ("live-migration", "preparing"),
    "evacuate": ("evacuation", "accepted"),
}
"""What a migration is called, and what it is at first, by the action that begins it."""

PART_OF: Mapping[str, str] = {ACTIONS[action].task_state: action for action in MOVES}
"""The part that is under way, by the server's task state."""

PUSHED = frozenset({"confirm_resize", "revert_resize", "finish_revert"})
"""The parts from which there is no way back: they are asked for until they are done."""

log = logging.getLogger(__name__)

AlsoStep = Callable[[Connection, Instance, Step], None]
"""What else belongs to a step, with the server as it was before."""

Begin = Callable[[Any, str, Mapping[str, Any]], Awaitable[Instance]]


@dataclass(frozen=True, slots=True)
class Moving:
    """The moves of one cell's servers. ``chance`` makes the records' uuids and breaks the scheduler's ties."""

    settings: ComputeCellSettings
    ledger: Ledger
    table: HostTable
    healing: Healing
    chance: Random
    _beginnings: dict[str, Begin] = field(default_factory=dict)

    async def begin(self, context: Any, uuid: str, action: str, arguments: Mapping[str, Any]) -> Any:
        """Begin one of ``MOVES``; the server as it is then. Conflict, NoValidHost, Invalid."""
        beginnings: Mapping[str, Begin] = {
            "resize": self._resize,
            "confirm_resize": self._confirm,
            "revert_resize": self._revert,
            "live_migrate": self._live_migrate,
            "evacuate": self._evacuate,
        }
        if action not in beginnings:
            raise Conflict(f"'{action}' is no beginning.")
        return to_json(await beginnings[action](context, uuid, arguments))

    async def finished(self, end: End, uuid: str) -> None:
        """A host has done its part, or could not."""
        exact = self.ledger.clock.exact()

        def ended(connection: Connection, server: Instance, step: Step) -> None:
            action_log.end(connection, server, end.action, end.error, end.host, exact)
            if step.then is not None and step.then[1] != end.action:
                action_log.go_on(connection, uuid, step.then[1], step.then[0], exact)

        async with self.ledger.turn(uuid):
            step = await self.ledger.store.run(_take_step, uuid, lambda server, record: decided(server, record, end), end.now, ended)
        if step is None:
            return
        await self._follow(step, CONTEXT)
        if end.action == "resize" and step.migration.is_over:
            told = {"instance": to_json(step.instance), "request": "drop", "arguments": {"migration": to_json(step.migration)}}
            await self.healing.cast(step.migration.destination, "peer", **told)

    async def progressed(self, uuid: str, progress: int, host: str = "") -> None:
        """A move goes on."""

        def also(connection: Connection, before: Instance) -> None:
            record = migrations.open_of(connection, before.uuid)
            if record is not None:
                status: Status = "running" if record.kind == "live-migration" else record.status
                migrations.put(connection, replace(record, status=status, progress=progress, updated_at=self.ledger.clock.iso()))

        def outcome(now: Instance) -> Instance | None:
            is_on_its_way = PART_OF.get(now.task_state or "") in {"live_migrate", "resize"} and host in ("", now.host)
            return replace(now, progress=progress) if is_on_its_way else None

        await self.ledger.change(uuid, outcome, also)

    async def list(self, filters: Any, uuid: str | None = None) -> Any:
        """The cell's migrations, or those of the server ``uuid``, the newest first."""
        wanted = from_json(filters, MigrationFilters)
        found = await self.ledger.store.run(migrations.listed, uuid or wanted.instance_uuid)
        return [to_json(migration) for migration in found if wanted.take(migration)]

    async def steer(self, context: Any, uuid: str, number: int, control: str) -> None:
        """Abort a live migration, or have it completed at once. NotFound, Invalid for one that is not under way."""
        record = await self.ledger.store.run(migrations.get, number)
        if record.instance_uuid != uuid:
            raise NotFound.of("Migration", number)
        if record.kind != "live-migration" or record.status not in {"preparing", "running"}:
            raise Invalid(f"Migration {number} state of instance {uuid} is {record.status}. It must be running.")
        instance = await self.ledger.store.run(instances.get, uuid)
        await self.ledger.store.run(action_log.note, instance, context, control, self.ledger.clock.exact())
        asked = {"context": context, "instance": to_json(instance), "question": control, "arguments": {}}
        await self.healing.bus.call(f"compute.{record.source}", "query", asked, self.settings.call_timeout_s)

    async def watch(self) -> None:
        """Confirm what has waited long enough; ask again for what must be done, and give up the rest when it is late."""
        if self.settings.resize_confirm_window_s:
            for record in await self.ledger.store.run(migrations.finished_before, self._before(self.settings.resize_confirm_window_s)):
                await self._word(CONTEXT, record.instance_uuid, "confirm_resize", confirming)
        for instance in await self.ledger.store.run(instances.busy, self._before(self.settings.delete_retry_s)):
            if PART_OF.get(instance.task_state or "") in PUSHED:
                await self._push(instance, PART_OF[instance.task_state or ""])
        for instance in await self.ledger.store.run(instances.busy, self._before(self.settings.action_timeout_s)):
            action = PART_OF.get(instance.task_state or "")
            if action is not None and action not in PUSHED:
                await self._end_late_part(instance, action)

    # ---- the beginnings -----------------------------------------------------------------------------------------------

    async def _resize(self, context: Any, uuid: str, arguments: Mapping[str, Any]) -> Instance:
        """With a flavor it is a resize, without one a migration, which needs another host."""
        instance = await self._at_home(uuid)
        asked = arguments.get("flavor")
        flavor = instance.flavor if asked is None else from_json(asked, Flavor)
        stays_possible = asked is not None and self.settings.allow_resize_to_same_host
        step = await self._set_out(context, "resize", instance, flavor, arguments, frozenset() if stays_possible else _here(instance))
        return await self._follow(replace(step, then=(step.migration.source, "resize")), context)

    async def _live_migrate(self, context: Any, uuid: str, arguments: Mapping[str, Any]) -> Instance:
        instance = await self._at_home(uuid)
        step = await self._set_out(context, "live_migrate", instance, instance.flavor, arguments, _here(instance))
        return await self._follow(
            replace(step, then=(step.migration.source, "live_migrate")), context, moves_disks=arguments.get("moves_disks")
        )

    async def _evacuate(self, context: Any, uuid: str, arguments: Mapping[str, Any]) -> Instance:
        instance = await self.ledger.store.run(instances.get, uuid)
        begin(instance, "evacuate")
        if instance.host is None or self.table.is_up(instance.host):
            raise Invalid(f"Compute service of {instance.host} is still in use.")
        step = await self._set_out(context, "evacuate", instance, instance.flavor, arguments, _here(instance))
        told = {"image": arguments["image"], "admin_password": arguments.get("admin_password", "")}
        return await self._follow(replace(step, then=(step.migration.destination, "evacuate")), context, **told)

    async def _confirm(self, context: Any, uuid: str, _: Mapping[str, Any]) -> Instance:
        return await self._word(context, uuid, "confirm_resize", confirming)

    async def _revert(self, context: Any, uuid: str, _: Mapping[str, Any]) -> Instance:
        return await self._word(context, uuid, "revert_resize", reverting)

    async def _word(self, context: Any, uuid: str, action: str, decide: Callable[[Instance, Migration], Step]) -> Instance:
        """The user's word on a resize."""

        def checked(instance: Instance, record: Migration) -> Step:
            begin(instance, action)
            return decide(replace(instance, fault=None), record)

        def asked(connection: Connection, server: Instance, step: Step) -> None:
            host = step.then[0] if step.then is not None else ""
            action_log.note(connection, server, context, action, self.ledger.clock.exact(), host)

        async with self.ledger.turn(uuid):
            instance = await self.ledger.store.run(instances.get, uuid)
            begin(instance, action)
            step = await self.ledger.store.run(_take_step, uuid, checked, self.ledger.clock.iso(), asked)
        if step is None:
            raise Conflict(f"Instance {uuid} has not been resized.")
        return await self._follow(step, context)

    # ---- inside -------------------------------------------------------------------------------------------------------

    async def _at_home(self, uuid: str) -> Instance:
        """A server whose host answers. Conflict, NotFound."""
        instance = await self.ledger.store.run(instances.get, uuid)
        if instance.host is None or not self.table.is_up(instance.host):
            raise Conflict(f"The host of instance {uuid} is down.")
        return instance

    async def _set_out(
        self, context: Any, action: str, instance: Instance, flavor: Flavor, arguments: Mapping[str, Any], excluded: frozenset[str]
    ) -> Step:
        """Find a host, claim room there, write the record: one transaction. NoValidHost, Conflict."""
        begin(instance, action)
        number = str(UUID(int=self.chance.getrandbits(128), version=4))
        wanted = PlacementRequest(
            number, Ask.of(flavor), arguments.get("image_properties", {}), instance.availability_zone, arguments.get("host"), excluded,
            instance.project_id, specs_of(flavor.extra_specs),
        )  # fmt: skip
        async with self.ledger.turn(instance.uuid):
            for _ in range(CLAIM_TRIES):
                record = self._record(action, instance, flavor, self._choose(wanted), number)
                node = self._node(record.destination)
                asked = _Asked(context, action, self.ledger.clock.exact(), arguments.get("disk_config"))
                step = await self.ledger.store.run(_begin, asked, record, node.generation, wanted.ask)
                if step is not None:
                    return step
                await self.healing.refresh(record.destination)
        raise NoValidHost(f"No valid host was found: others were faster {CLAIM_TRIES} times.")

    def _choose(self, wanted: PlacementRequest) -> ComputeNode:
        answer = place(self.table.ranking, [wanted], self.chance)[0]
        if isinstance(answer, Refusal):
            raise NoValidHost(str(answer))
        return self._node(answer.host)

    def _node(self, host: str) -> ComputeNode:
        node = self.table.get(host)
        if node is None:
            raise NotFound.of("Host", host)
        return node

    def _record(self, action: str, instance: Instance, flavor: Flavor, node: ComputeNode, uuid: str) -> Migration:
        kind, status = FIRST[action]
        now = self.ledger.clock.iso()
        return Migration(
            uuid=uuid,
            instance_uuid=instance.uuid,
            project_id=instance.project_id,
            user_id=instance.user_id,
            kind="migration" if kind == "resize" and flavor == instance.flavor else kind,
            status=status,
            source=instance.host or "",
            destination=node.report.host,
            source_node=instance.hypervisor_hostname or "",
            destination_node=node.report.hypervisor_hostname,
            destination_address=node.report.host_ip,
            old_flavor=instance.flavor,
            new_flavor=flavor,
            created_at=now,
            updated_at=now,
            was_running=was_running(instance),
            memory_bytes=flavor.memory_mb << 20,
            disk_bytes=(flavor.root_gb + flavor.ephemeral_gb) << 30,
        )

    async def _follow(self, step: Step, context: Any, **arguments: Any) -> Instance:
        """What a step brings with it: the hosts' room as it is now, and whose part begins."""
        self.ledger.has_news.set()
        for host in {step.migration.source, step.migration.destination}:
            await self.healing.refresh(host)
        if step.then is not None:
            host, action = step.then
            told = {"migration": to_json(step.migration), **arguments}
            await self.healing.cast(host, "act", context=context, instance=to_json(step.instance), action=action, arguments=told)
        return step.instance

    async def _push(self, instance: Instance, action: str) -> None:
        """Once more to whose part it is. One that is gone keeps nobody waiting: what it still has is not wanted when it comes back."""
        record = await self.ledger.store.run(migrations.open_of, instance.uuid)
        if record is None:
            return
        actor = getattr(record, PARTS[action][0])
        if action != "finish_revert" and not self.table.is_up(actor) and record.source != record.destination:
            await self.finished(End(action, "", None, instance.power_state, self.ledger.clock.iso()), instance.uuid)
            return
        touched = await self.ledger.change(instance.uuid, lambda now: now if now.task_state == instance.task_state else None)
        if touched is not None:
            await self._follow(Step(touched, record, then=(actor, action)), CONTEXT)

    async def _end_late_part(self, instance: Instance, action: str) -> None:
        """Nobody has heard of it for too long; what a host has left of it goes when that host is heard of again."""
        words = "it was not finished in time"
        await self.finished(End(action, "", words, instance.power_state, self.ledger.clock.iso()), instance.uuid)

    def _before(self, age_s: float) -> str:
        return iso(self.ledger.clock.now() - timedelta(seconds=age_s))


def _here(instance: Instance) -> frozenset[str]:
    return frozenset({instance.host or ""})


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody wants, at ``now``, and how the disk is to be treated from then on."""

    context: Any
    action: str
    now: str
    disk_config: str | None

    def note(self, connection: Connection, before: Instance, record: Migration) -> None:
        """Keep it."""
        name = "migrate" if record.kind == "migration" else self.action
        host = getattr(record, PARTS[self.action][0])
        action_log.note(connection, before, self.context, name, self.now, host)


def _begin(connection: Connection, asked: _Asked, record: Migration, generation: int, ask: Ask) -> Step | None:
    """Claim, and write down that it begins; None when the host has changed meanwhile."""
    before = instances.find_to_change(connection, record.instance_uuid)
    if before is None or before.is_deleted:
        raise NotFound.of("Instance", record.instance_uuid)
    begin(before, asked.action)
    if not hosts.claim(connection, record.destination, generation, {record.uuid: ask}):
        return None
    added = migrations.add(connection, record)
    told = replace(before, disk_config=asked.disk_config or before.disk_config)
    after = next_of(before, set_out(told, added, asked.action), record.created_at)
    instances.put(connection, after)
    outbox.note(connection, (after,))
    asked.note(connection, before, added)
    begun = Step(after, added)
    _settle_room(connection, before, begun)
    return begun


def _take_step(
    connection: Connection, uuid: str, decide: Callable[[Instance, Migration], Step | None], now: str, also: AlsoStep
) -> Step | None:
    """Server, record and room, as was decided."""
    before, record = instances.find_to_change(connection, uuid), migrations.open_of(connection, uuid)
    step = None if before is None or record is None else decide(before, record)
    if before is None or step is None:
        return None
    after, noted = next_of(before, step.instance, now), replace(step.migration, updated_at=now)
    instances.put(connection, after)
    outbox.note(connection, (after,))
    migrations.put(connection, noted)
    _settle_room(connection, before, step)
    also(connection, before, step)
    return replace(step, instance=after, migration=noted)


def _settle_room(connection: Connection, before: Instance, step: Step) -> None:
    """A server's own claim is where it is, in the size that it has; its migration's is where it was or will be, until that is over."""
    after, record = step.instance, step.migration
    if (before.host, before.flavor) != (after.host, after.flavor):
        hosts.swap_claims(connection, before.uuid, record.uuid)
    if record.is_over:
        hosts.release(connection, record.uuid)
