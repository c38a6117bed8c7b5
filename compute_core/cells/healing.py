"""What a compute cell does when something does not happen: hosts that fall silent, builds, actions and deletions that do not end.

An instance is never in two places: before another host is tried the first one has lost it, and learns so when it reports again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from compute_core.bus.port import Bus
from compute_core.cells import action_log
from compute_core.cells.host_table import HostTable
from compute_core.cells.ledger import Ledger
from compute_core.cells.outcomes import SCHEDULING, Outcome, acted, deleted, failed, is_deleting, is_on
from compute_core.cells.placing import Placing
from compute_core.cells.settings import ComputeCellSettings
from compute_core.model.clock import iso
from compute_core.model.errors import BuildFailed, ComputeError, HostUnreachable, NoValidHost
from compute_core.model.instances import Fault, Instance
from compute_core.model.json import to_json
from compute_core.model.transitions import ACTIONS, BY_TASK_STATE, MOVES, is_being_built, is_unshelving
from compute_core.networks.port import Networks
from compute_core.store import builds, hosts, instances
from compute_core.store import migrations_of_servers as migrations

CONTEXT = {"user_id": "", "project_id": "", "roles": ["admin"], "request_id": ""}
"""Who asks when the cell itself does."""


MOVING = frozenset(ACTIONS[action].task_state for action in MOVES)
"""What `moving` watches."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Healing:
    """Retries, removals, and the watch over what is late."""

    settings: ComputeCellSettings
    ledger: Ledger
    table: HostTable
    placing: Placing
    networks: Networks
    bus: Bus

    async def watch(self) -> None:
        """One look at everything that may be late."""
        for host in self.table.fall_silent(self.ledger.clock.now().timestamp()):
            log.warning("host %s is down", host)
            await self.leave(host)
        for uuid in await self.ledger.store.run(builds.overdue, self.ledger.clock.now().timestamp()):
            await self._end_late_build(uuid)
        for instance in await self.ledger.store.run(instances.busy, self._before(self.settings.delete_retry_s)):
            if is_deleting(instance):
                await self.push_removal(instance)
        for instance in await self.ledger.store.run(instances.busy, self._before(self.settings.action_timeout_s)):
            if not is_being_built(instance) and not is_deleting(instance) and instance.task_state not in MOVING:
                await self._end_late_action(instance)

    async def leave(self, host: str) -> None:
        """A host is gone: what it was building is built elsewhere, what it was to delete is deleted."""
        for instance in await self.ledger.store.run(instances.on_host, host):
            if is_deleting(instance):
                await self.finish_removal(instance.uuid)
            elif is_being_built(instance):
                await self.retry(instance.uuid, host, BuildFailed(f"Host {host} went down."))

    async def retry(self, uuid: str, host: str, failure: BuildFailed) -> None:
        """A build has failed on a host: another one is tried, up to ``build_attempts``; then the instance is in error."""
        build = (await self.ledger.store.run(builds.among, [uuid])).get(uuid)
        may_retry = build is not None and failure.is_retryable and build.attempt < self.settings.build_attempts
        outcome = self._elsewhere(failure) if may_retry else self._given_up(failure)

        def also(connection: Connection, before: Instance) -> None:
            hosts.release(connection, before.uuid)
            if build is not None and may_retry:
                tried = (*build.tried_hosts, host)
                builds.put(connection, [replace(build, tried_hosts=tried, deadline_s=self._deadline_s())])
            else:
                builds.end(connection, before.uuid)
                action_log.end(connection, before, action_log.building(before), failure.message, host, self.ledger.clock.exact())

        changed = await self.ledger.change(uuid, lambda now: outcome(now) if _is_building_on(now, host) else None, also)
        if changed is None:
            return
        if failure.is_retryable:
            self.table.build_failed(host, self.ledger.clock.now().timestamp())
        await self.refresh(host)
        if may_retry:
            self.placing.ask([uuid])
        else:
            self.placing.passwords.pop(uuid, None)

    async def push_removal(self, instance: Instance) -> None:
        """Have the agent remove it, once more if need be; a host that is gone needs no asking."""
        if instance.host is None or not self.table.is_up(instance.host):
            await self.finish_removal(instance.uuid)
            return
        await self.ledger.change(instance.uuid, lambda now: now if is_deleting(now) else None)
        await self.cast(instance.host, "destroy", context=CONTEXT, instance=to_json(instance))

    async def finish_removal(self, uuid: str) -> None:
        """It is gone: what it claimed is free again, once."""
        freed: list[str] = []
        elsewhere: list[str] = []

        def also(connection: Connection, before: Instance) -> None:
            freed.extend(host for host in (hosts.release(connection, before.uuid),) if host is not None)
            builds.end(connection, before.uuid)
            journey = migrations.call_off(connection, before.uuid, self.ledger.clock.iso())
            elsewhere.extend({journey.source, journey.destination} - {before.host} if journey is not None else ())
            action_log.end(connection, before, "delete", None, before.host or "", self.ledger.clock.exact())

        changed = await self.ledger.change(uuid, deleted(self.ledger.clock.iso()), also)
        if changed is None:
            return
        self.placing.passwords.pop(uuid, None)
        await self.networks.release(uuid)
        for host in (*freed, *elsewhere):
            await self.refresh(host)
        for host in elsewhere:
            await self.cast(host, "destroy", context=CONTEXT, instance=to_json(changed))

    async def refresh(self, host: str) -> None:
        """Take a host into the table as the database has it."""
        stored = await self.ledger.store.run(hosts.find, host)
        if stored is not None:
            self.table.put(stored, self.ledger.clock.now().timestamp())

    async def cast(self, host: str, method: str, **arguments: object) -> None:
        """Tell an agent; a broker that is away now is no reason to stop: the watch comes back to it."""
        try:
            await self.bus.cast(f"compute.{host}", method, arguments)
        except HostUnreachable as absence:
            log.warning("%s was not told to %s: %s", host, method, absence.message)

    async def _end_late_build(self, uuid: str) -> None:
        instance = await self.ledger.store.run(instances.find, uuid)
        if instance is None or instance.is_deleted or not is_being_built(instance):
            await self.ledger.store.run(builds.end, uuid)
        elif instance.host is None:
            self.placing.ask([uuid])
        else:
            await self.retry(uuid, instance.host, BuildFailed(f"Host {instance.host} did not finish the build in time."))
            await self.cast(instance.host, "destroy", context=CONTEXT, instance=to_json(instance))

    async def _end_late_action(self, instance: Instance) -> None:
        action = BY_TASK_STATE.get(instance.task_state or "")
        if action is None:
            await self.ledger.change(instance.uuid, lambda now: replace(now, task_state=None))
            return
        words = f"host {instance.host} did not finish it in time"
        late = acted("", action, words, instance.power_state, self.ledger.clock.iso())
        await self.ledger.change(instance.uuid, late, action_log.ended(action, words, "", self.ledger.clock.exact()))

    def _given_up(self, failure: BuildFailed) -> Outcome:
        """Who might succeed in another cell says so; what cannot succeed anywhere does not."""
        words = f"Exceeded the number of attempts: {failure.message}" if failure.is_retryable else failure.message
        error: ComputeError = NoValidHost(words) if failure.is_retryable else BuildFailed(words)
        return failed(error, self.ledger.clock.iso())

    def _elsewhere(self, failure: BuildFailed) -> Outcome:
        """It looks for another host; why it does is remembered, for when there is none."""
        fault = Fault(failure.status, failure.message, self.ledger.clock.iso(), kind=type(failure).__name__)

        def outcome(instance: Instance) -> Instance:
            task_state = instance.task_state if is_unshelving(instance) else SCHEDULING
            return replace(instance, host=None, hypervisor_hostname=None, task_state=task_state, progress=0, fault=fault)

        return outcome

    def _deadline_s(self) -> float:
        return self.ledger.clock.now().timestamp() + self.settings.build_timeout_s

    def _before(self, age_s: float) -> str:
        return iso(self.ledger.clock.now() - timedelta(seconds=age_s))


def _is_building_on(instance: Instance, host: str) -> bool:
    return is_being_built(instance) and instance.host is not None and not is_deleting(instance) and is_on(instance, host)
