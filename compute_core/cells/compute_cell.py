"""A compute cell: the leaf of the tree that has hosts. Its endpoints are what the cell above and the agents below may say to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from sqlalchemy import Connection

from compute_core.bus.port import Bus, Endpoint, Serving
from compute_core.cells import action_log, outcomes
from compute_core.cells import ledger as ledger_module
from compute_core.cells.aggregate_copies import AggregateCopies
from compute_core.cells.announcing import Announcing
from compute_core.cells.filter_news import tell_of_filters
from compute_core.cells.healing import CONTEXT, Healing
from compute_core.cells.heartbeats import Heartbeats
from compute_core.cells.host_book import HostBook
from compute_core.cells.host_hands import Hands
from compute_core.cells.host_questions import HostQuestions
from compute_core.cells.host_table import HostTable
from compute_core.cells.ledger import Also, Ledger
from compute_core.cells.loops import Loops
from compute_core.cells.moving import Moving
from compute_core.cells.outcomes import NOTHING, Outcome
from compute_core.cells.parts import with_parts
from compute_core.cells.placing import Placing
from compute_core.cells.put_aside import PutAside
from compute_core.cells.routing import Router, topic_of
from compute_core.cells.settings import ComputeCellSettings
from compute_core.cells.steps import End
from compute_core.cells.upkeep import HostUpkeep
from compute_core.cells.usage_table import UsageTable
from compute_core.model.clock import Clock
from compute_core.model.errors import BuildFailed, ComputeError, Conflict, NotFound
from compute_core.model.instances import Instance, Vif, VmState
from compute_core.model.json import from_json, to_json
from compute_core.model.networks import Wish
from compute_core.model.transitions import MOVES
from compute_core.networks.port import Networks
from compute_core.scheduler.ranking import Ranking
from compute_core.store import builds, hosts, instance_actions, instances, outbox
from compute_core.store.builds import Build
from compute_core.store.port import Store

CHANGEABLE = frozenset(
    {
        "name", "description", "hostname", "disk_config", "access_ip_v4", "access_ip_v6", "tags", "metadata",
        "is_locked", "locked_by", "locked_reason", "encrypted_password",
    }
)  # fmt: skip
"""What may be changed of an instance from above."""

log = logging.getLogger(__name__)


class ComputeCell:
    """One compute cell; ``start`` before use, ``close`` after. ``chance`` breaks the scheduler's ties."""

    def __init__(self, settings: ComputeCellSettings, store: Store, bus: Bus, networks: Networks, clock: Clock, chance: Random) -> None:
        self._settings = settings
        self._store = store
        self._bus = bus
        self._networks = networks
        self._clock = clock
        self._router = Router(bus, settings.path)
        self._ledger = Ledger(store, clock)
        self._table = HostTable(Ranking((), settings.ratios, settings.weights), settings.service_down_time_s)
        self._placing = Placing(settings, self._ledger, self._table, bus, chance)
        self._healing = Healing(settings, self._ledger, self._table, self._placing, networks, bus)
        self._put_aside = PutAside(settings, self._ledger, self._placing, self._healing)
        self._moving = Moving(settings, self._ledger, self._table, self._healing, chance)
        self._upkeep = HostUpkeep(Hands(settings, store, self._table, self._healing, self.act), clock)
        self._heartbeats = Heartbeats(settings, store, clock, self._table)
        self._hosts = HostQuestions(self._table, store, bus, settings.call_timeout_s)
        self._usages = UsageTable()
        self._announcing = Announcing(settings, self._ledger, self._table, self._router)
        self._aggregates = AggregateCopies(store, self._table, self._announcing)
        self._loops = Loops()
        self._serving: Serving | None = None

    async def start(self) -> None:
        """Take up where the database says that the cell was left, and serve."""
        now_s = self._clock.now().timestamp()
        await self._aggregates.open()
        for stored in await self._store.run(hosts.listed):  # nobody could report while we were away: all have time to do so now
            self._table.put(replace(stored, heartbeat_at_s=now_s), now_s)
        self._placing.ask(await self._store.run(builds.listed))
        self._ledger.has_news.set()
        self._serving = await self._bus.serve(topic_of(self._settings.path), self._router.endpoints(self._endpoints()))
        self._loops.every(f"{self._settings.path} placing", 0.0, self._placing.work)
        self._loops.every(f"{self._settings.path} outbox", 0.0, self._announcing.empty_outbox)
        self._loops.every(f"{self._settings.path} watch", self._settings.watchdog_interval_s, self._healing.watch)
        self._loops.every(f"{self._settings.path} put aside", self._settings.watchdog_interval_s, self._put_aside.watch)
        self._loops.every(f"{self._settings.path} moves", self._settings.watchdog_interval_s, self._moving.watch)
        self._loops.every(f"{self._settings.path} filters", 0.0, lambda: tell_of_filters(self._networks, self.tell_host))
        self._loops.every(f"{self._settings.path} upkeep", 1.0, self._upkeep.work)
        self._loops.every(f"{self._settings.path} capacity", self._settings.capacity_interval_s, self._announcing.announce_capacity)

    async def close(self) -> None:
        """Stop serving and end the loops."""
        if self._serving is not None:
            await self._serving.close()
            self._serving = None
        await self._loops.close()
        await self._upkeep.close()

    def _endpoints(self) -> Mapping[str, Endpoint]:
        book = HostBook(self._store, self._table, self._healing)
        return {
            "build_instances": self.build_instances,
            "delete_instance": self.delete_instance,
            "act": self.act,
            "unshelve": self.unshelve,
            "reset_state": self.reset_state,
            "tell_host": self.tell_host,
            "list_actions": self.list_actions,
            "update_instance": self.update_instance,
            "change_metadata": self.change_metadata,
            "change_parts": self.change_parts,
            "query": self.query,
            "list_hosts": book.list,
            "has_zone": book.has_zone,
            "set_service": book.set_service,
            "take_aggregates": self._aggregates.take,
            "query_host": self._hosts.ask,
            "cache_images": self._hosts.cache_images,
            "list_usages": self._usages.list,
            "list_upkeep": self._upkeep.list,
            "tend_host": self._upkeep.tend,
            "heartbeat": self._heartbeats.take,
            "usage_measured": self._usages.heard,
            "known": self._hosts.known,
            "build_progress": self.build_progress,
            "image_progress": self.image_progress,
            "build_succeeded": self.build_succeeded,
            "build_failed": self.build_failed,
            "instance_destroyed": self.instance_destroyed,
            "action_finished": self.action_finished,
            "list_migrations": self._moving.list,
            "steer_migration": self._moving.steer,
            "migration_progress": self._moving.progressed,
            "power_state_changed": self.power_state_changed,
        }

    # ---- from above ---------------------------------------------------------------------------------------------------

    async def build_instances(
        self, context: Any, instances: Sequence[Any], image: Any, admin_password: str, hints: Mapping[str, Any]
    ) -> None:
        """Build servers; those that are here already are left alone."""
        request = {"context": context, "image": image, "hints": hints}
        wanted = [from_json(instance, Instance) for instance in instances]
        plugged = [await self._plug(instance, hints.get("networks")) for instance in await self._unknown(wanted)]
        deadline_s = self._clock.now().timestamp() + self._settings.build_timeout_s
        added = await self._store.run(_add_builds, plugged, request, deadline_s, self._clock.exact())
        self._ledger.has_news.set()
        waiting = [instance.uuid for instance in added if outcomes.is_waiting_for_host(instance)]
        self._placing.passwords.update(dict.fromkeys(waiting, admin_password))
        self._placing.ask(waiting)

    async def delete_instance(self, context: Any, instance: Any) -> None:
        """Delete a server, whatever it is doing. One that never came here is written down as deleted, should it come yet."""
        asked = from_json(instance, Instance)
        async with self._ledger.turn(asked.uuid):
            noted = action_log.noted(context, "delete", self._clock.exact())
            found = await self._store.run(_mark_deleting, asked, self._clock.iso(), noted)
            self._ledger.has_news.set()
        if found.is_deleted:
            return
        if found.host is None or not self._table.is_up(found.host):
            await self._healing.finish_removal(found.uuid)
        else:
            await self._healing.cast(found.host, "destroy", context=context, instance=to_json(found))

    async def act(
        self,
        context: Any,
        uuid: str,
        action: str,
        arguments: Mapping[str, Any],
        changes: Mapping[str, Any] = NOTHING,
        parts: Mapping[str, Any] = NOTHING,
    ) -> Any:
        """Begin an action; the instance as it is then. Conflict where its state or its host does not allow it.

        ``changes`` are members of the instance that the beginning changes, in their JSON form; ``parts`` as ``with_parts`` takes them.
        """
        if action in MOVES:
            return await self._moving.begin(context, uuid, action, arguments)
        begun = await self._begin(context, uuid, action, changes, parts)
        await self._bus.cast(
            f"compute.{begun.host}", "act", {"context": context, "instance": to_json(begun), "action": action, "arguments": arguments}
        )
        return to_json(begun)

    async def unshelve(self, context: Any, uuid: str, image: Mapping[str, Any], zone: str | None = None) -> Any:
        """Build a server that was taken off its host; the instance as it is then."""
        begun = await self._put_aside.unshelve(context, uuid, image, zone)
        if begun is None:
            raise NotFound.of("Instance", uuid)
        return to_json(begun)

    async def reset_state(self, uuid: str, vm_state: VmState) -> Any:
        """Set the state by hand, whatever is under way; the instance as it is then."""
        return await self._change(uuid, lambda now: replace(now, vm_state=vm_state, task_state=None))

    async def tell_host(self, context: Any, uuid: str, news: str, arguments: Mapping[str, Any]) -> None:
        """Let the agent of a server's host know of something, when there is one."""
        instance = await self._store.run(instances.get, uuid)
        if instance.host is not None and not instance.is_deleted:
            asked = {"context": context, "instance": to_json(instance), "news": news, "arguments": arguments}
            await self._healing.cast(instance.host, "hear", **asked)

    async def list_actions(self, uuid: str) -> Any:
        """What was asked of a server, the newest first."""
        return [to_json(action) for action in await self._store.run(instance_actions.of_instance, uuid)]

    async def update_instance(self, uuid: str, changes: Mapping[str, Any], context: Any = None, action: str = "") -> Any:
        """Change what is CHANGEABLE; the instance as it is then. ``action``: what it is called in the log, "" for what is not logged."""
        unknown = changes.keys() - CHANGEABLE
        if unknown:
            raise ComputeError(f"These are not changed from above: {', '.join(sorted(unknown))}.")
        also = action_log.noted(context, action, self._clock.exact()) if action else None
        changed = await self._changed(uuid, lambda now: outcomes.with_changes(now, changes), also)
        if "name" in changes:
            await self.tell_host(CONTEXT, uuid, "renamed", {})
        return to_json(changed)

    async def change_parts(self, uuid: str, parts: Mapping[str, Any]) -> Any:
        """Change single interfaces or volumes; the instance as it is then. Conflict: what is under way may end with others."""

        def outcome(now: Instance) -> Instance:
            if now.task_state is not None:
                raise Conflict(f"Instance {uuid} is in task_state {now.task_state}. Cure: ask again when that has ended.")
            return with_parts(now, parts)

        return await self._change(uuid, outcome)

    async def change_metadata(self, uuid: str, added: Mapping[str, str], removed: Sequence[str], *, replaces: bool) -> Any:
        """Add and remove items, or replace them all; the instance as it is then. NotFound: an item to remove that is not there."""
        before: dict[str, str] = {}

        def outcome(now: Instance) -> Instance:
            before.update(now.metadata)
            for key in removed:
                if key not in now.metadata:
                    raise NotFound(f"Metadata item {key} was not found.")
            kept = {} if replaces else {key: value for key, value in now.metadata.items() if key not in removed}
            return replace(now, metadata={**kept, **added})

        changed = await self._change(uuid, outcome)
        after: Mapping[str, str] = changed["metadata"]
        items = {key: after.get(key) for key in sorted({*before, *after}) if before.get(key) != after.get(key)}
        if items:
            await self.tell_host(CONTEXT, uuid, "metadata-changed", {"items": items})
        return changed

    async def query(self, context: Any, uuid: str, question: str, arguments: Mapping[str, Any]) -> Any:
        """What only the agent of a server's host can tell."""
        instance = await self._store.run(instances.get, uuid)
        asked = {"context": context, "instance": to_json(instance), "question": question, "arguments": arguments}
        return await self._bus.call(f"compute.{self._host_of(instance)}", "query", asked, self._settings.call_timeout_s)

    # ---- from agents --------------------------------------------------------------------------------------------------

    async def build_progress(self, uuid: str, task_state: str | None, progress: int, host: str = "") -> None:
        """A build goes on."""
        await self._ledger.change(uuid, outcomes.progressed(host, task_state, progress))

    async def image_progress(self, uuid: str, progress: int, host: str = "") -> None:
        """The making of an image goes on."""
        await self._ledger.change(uuid, outcomes.sent(host, progress))

    async def build_succeeded(
        self, uuid: str, power_state: int, host: str = "", changes: Mapping[str, Any] = outcomes.NOTHING, note: str = ""
    ) -> None:  # fmt: skip
        """A build has ended well; ``changes`` and ``note`` as of actions."""

        def also(connection: Connection, before: Instance) -> None:
            builds.end(connection, before.uuid)
            action_log.end(connection, before, action_log.building(before), None, host, self._clock.exact(), note)

        built = await self._ledger.change(uuid, outcomes.built(host, power_state, self._clock.iso(), changes), also)
        if built is not None and built.host is not None:
            self._table.build_succeeded(built.host)
        self._placing.passwords.pop(uuid, None)

    async def build_failed(self, uuid: str, host: str, message: str, *, is_retryable: bool) -> None:
        """A build has failed on a host."""
        await self._healing.retry(uuid, host, BuildFailed(message, is_retryable=is_retryable))

    async def instance_destroyed(self, uuid: str, host: str = "") -> None:
        """A server's VM is gone, as was asked."""
        instance = await self._store.run(instances.find, uuid)
        if instance is not None and outcomes.is_deleting(instance) and outcomes.is_on(instance, host):
            await self._healing.finish_removal(uuid)

    async def action_finished(
        self, uuid: str, action: str, error: str | None, power_state: int, changes: Mapping[str, Any], host: str = "", note: str = ""
    ) -> None:
        """An action has ended, well or not; one that ended well may have changed members of the instance. ``note``: worth telling."""
        self._upkeep.poked.set()
        if action in MOVES:
            await self._moving.finished(End(action, host, error, power_state, self._clock.iso(), changes), uuid)
            return

        def also(connection: Connection, before: Instance) -> None:
            action_log.end(connection, before, action, error, host, self._clock.exact(), note)
            if error is None and action == "shelve_offload":
                hosts.release(connection, before.uuid)

        ended = await self._ledger.change(uuid, outcomes.acted(host, action, error, power_state, self._clock.iso(), changes), also)
        if ended is not None and ended.vm_state == "shelved":
            await self._put_aside.shelved(uuid)
        if action == "shelve_offload" and host:
            await self._healing.refresh(host)

    async def power_state_changed(self, uuid: str, power_state: int, host: str = "") -> None:
        """A VM was found in another power state."""
        await self._ledger.change(uuid, outcomes.power_changed(host, power_state))

    # ---- inside -------------------------------------------------------------------------------------------------------

    async def _unknown(self, wanted: Sequence[Instance]) -> list[Instance]:
        there = await self._store.run(instances.among, [instance.uuid for instance in wanted])
        return [instance for instance in wanted if instance.uuid not in there]

    async def _plug(self, instance: Instance, networks: Sequence[Any] | None) -> Instance:
        """With its interfaces; in error where it cannot have them."""
        vifs: list[Vif] = []
        try:
            for wish in [Wish()] if networks is None else [from_json(each, Wish) for each in networks]:
                vifs.append(await self._networks.allocate(instance.uuid, instance.project_id, wish))  # noqa: PERF401  # in their order
        except ComputeError as problem:
            await self._networks.release(instance.uuid)
            return outcomes.failed(problem, self._clock.iso())(instance) or instance
        return replace(instance, cell=self._settings.path, vifs=tuple(vifs))

    async def _begin(self, context: Any, uuid: str, action: str, changes: Mapping[str, Any], parts: Mapping[str, Any]) -> Instance:
        def outcome(now: Instance) -> Instance | None:
            self._host_of(now)
            begun = outcomes.began(action, changes)(now)
            return None if begun is None else with_parts(begun, parts)

        return await self._changed(uuid, outcome, action_log.noted(context, action, self._clock.exact()))

    async def _change(self, uuid: str, outcome: Outcome) -> Any:
        return to_json(await self._changed(uuid, outcome))

    async def _changed(self, uuid: str, outcome: Outcome, also: Also | None = None) -> Instance:
        """A change that must find its instance. NotFound."""
        changed = await self._ledger.change(uuid, lambda now: None if now.is_deleted else outcome(now), also)
        if changed is None:
            raise NotFound.of("Instance", uuid)
        return changed

    def _host_of(self, instance: Instance) -> str:
        """Its host. Conflict when it has none, or nobody answers there."""
        if instance.host is None:
            raise Conflict(f"Instance {instance.uuid} has no host yet.")
        if not self._table.is_up(instance.host):
            raise Conflict(f"The host of instance {instance.uuid} is down.")
        return instance.host


def _add_builds(
    connection: Connection, new: Sequence[Instance], request: Mapping[str, Any], deadline_s: float, now: str
) -> tuple[Instance, ...]:  # fmt: skip
    added = ledger_module.add(connection, new)
    for instance in added:
        action_log.note(connection, instance, request["context"], "create", now)
    builds.put(connection, [Build(instance.uuid, request, deadline_s) for instance in added if outcomes.is_waiting_for_host(instance)])
    return added


def _mark_deleting(connection: Connection, asked: Instance, now: str, also: Also) -> Instance:
    """It is being deleted from now on; one that is unknown, or gone already, is (again) reported as deleted."""
    found = instances.find_to_change(connection, asked.uuid)
    if found is None:
        gone = outcomes.deleted(now)(asked) or asked
        return (ledger_module.add(connection, (replace(gone, updated_at=now),)) or (gone,))[0]
    if found.is_deleted:
        outbox.note(connection, (found,))
        return found
    if not outcomes.is_deleting(found):
        also(connection, found)
    marked = ledger_module.next_of(found, replace(found, task_state=outcomes.DELETING), now)
    instances.put(connection, marked)
    outbox.note(connection, (marked,))
    return marked
