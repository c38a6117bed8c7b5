"""The endpoints of an agent: what the cell may ask of it. Each runs one recipe and tells the cell how it ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.bus.port import Endpoint
from compute_core.compute.cell import Cell
from compute_core.compute.guest_agents import UNTOLD, Told, first_told, told_on
from compute_core.compute.host_life import HOST_REQUESTS
from compute_core.compute.host_work import HostWork, Sightings
from compute_core.compute.image_care import cache_ahead
from compute_core.compute.metering import Meter
from compute_core.compute.operations import Operations
from compute_core.compute.registry import HOST_QUERIES, NEWS, OPERATIONS, PEER_REQUESTS, QUERIES, RECOVERIES, RESUMES
from compute_core.compute.volumes import built_with, forget_targets, outfit
from compute_core.compute.work import Ending, Host, LeftAs, Operation, Work
from compute_core.model.errors import BuildFailed, ComputeError, Conflict, HostUnreachable
from compute_core.model.images import Image
from compute_core.model.instances import NO_STATE, POWER_STATES, RUNNING, Instance, domain_name
from compute_core.model.json import from_json
from compute_core.model.transitions import ACTIONS
from compute_core.xenapi.errors import TransferFailed, Unanswered, XenApiFailure
from compute_core.xenapi.former import remove_former
from compute_core.xenapi.marks import NOTE
from compute_core.xenapi.plugins import PluginRefusal
from compute_core.xenapi.removal import has_other, remove, remove_one
from compute_core.xenapi.rescue import remove_rescue
from compute_core.xenapi.spawn import spawn
from compute_core.xenapi.sweep import sweep
from compute_core.xenapi.verdicts import as_build_failure
from compute_core.xenapi.volumes import Outfit

log = logging.getLogger(__name__)

PROBLEMS = (XenApiFailure, Unanswered, TransferFailed, ComputeError)
"""What an operation may run into, short of a defect."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of one host, and what may be done with them."""

    host: Host
    cell: Cell
    operations: Operations
    builds: asyncio.Semaphore
    meter: Meter = field(default_factory=Meter)
    sightings: Sightings = field(default_factory=Sightings)

    @property
    def name(self) -> str:
        """The host's name on the bus."""
        return self.host.settings.host

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By the names that the cell uses."""
        return {
            "build": self.build,
            "destroy": self.destroy,
            "act": self.act,
            "query": self.query,
            "query_host": self.query_host,
            "cache_images": self.cache_images,
            "peer": self.peer,
            "hear": self.hear,
            "tend": self.tend,
            "ping": self.ping,
        }

    async def ping(self) -> str:
        """Whether somebody is there."""
        return "pong"

    async def build(self, context: Any, instance: Any, image: Any, admin_password: str, attempt: int) -> None:
        """Build a server; once more is fine: what a former life left half done is removed first, what it finished is reported.

        ``admin_password`` goes onto the config drive and to the guest's agent, and nowhere else.
        """
        server, source = from_json(instance, Instance), from_json(image, Image)
        log.info("%s: build %s, attempt %d (%s)", self.name, server.uuid, attempt, context.get("request_id", ""))
        await self.operations.run(server.uuid, lambda: self._build(server, source, admin_password))

    async def destroy(self, context: Any, instance: Any) -> None:
        """Remove a server, whatever is under way on it. HostUnreachable when the host does not answer: the bus tries again."""
        server = from_json(instance, Instance)
        log.info("%s: destroy %s (%s)", self.name, server.uuid, context.get("request_id", ""))
        await self.operations.run(server.uuid, lambda: self.removal(server), interrupts=True)

    async def act(self, context: Any, instance: Any, action: str, arguments: Any) -> None:
        """One of OPERATIONS."""
        work = Work(self.host, from_json(instance, Instance), arguments)
        log.info("%s: %s %s (%s)", self.name, action, work.instance.uuid, context.get("request_id", ""))
        await self.operations.run(
            work.instance.uuid, lambda: self._carry_out(work, action, OPERATIONS[action]), interrupts=ACTIONS[action].interrupts
        )

    async def query(self, context: Any, instance: Any, question: str, arguments: Any) -> Any:
        """One of QUERIES. HostUnreachable when the host does not answer, or not as it should."""
        work = Work(self.host, from_json(instance, Instance), arguments)
        log.info("%s: %s of %s (%s)", self.name, question, work.instance.uuid, context.get("request_id", ""))
        try:
            return await QUERIES[question](work)
        except (XenApiFailure, Unanswered) as problem:
            raise HostUnreachable(f"{self.name} did not answer {question}: {problem}") from problem

    def about_host(self, arguments: Mapping[str, Any] | None = None) -> HostWork:
        """What questions to the host are given."""
        return HostWork(self.host, self.cell, self.meter, self.sightings, self._is_busy, arguments or {})

    async def query_host(self, context: Any, question: str, arguments: Any) -> Any:
        """One of HOST_QUERIES. As ``query``; Conflict with what dom0 says."""
        log.info("%s: %s (%s)", self.name, question, context.get("request_id", ""))
        try:
            return await HOST_QUERIES[question](self.about_host(arguments))
        except (XenApiFailure, Unanswered, TransferFailed) as problem:
            raise HostUnreachable(f"{self.name} did not answer {question}: {problem}") from problem
        except PluginRefusal as refusal:
            raise Conflict(f"{self.name}: {refusal}") from refusal

    async def cache_images(self, context: Any, images: Any) -> None:
        """Fetch images before they are needed. Nobody waits for it: whoever wants to know lists what is there."""
        log.info("%s: fetch %d images (%s)", self.name, len(images), context.get("request_id", ""))
        is_done = False
        try:
            is_done = await cache_ahead(self.about_host(), images)
        finally:
            self.operations.is_untidy |= not is_done

    async def hear(self, context: Any, instance: Any, news: str, arguments: Any) -> None:
        """One of NEWS; others are of no interest here. What cannot be done about it is logged: nobody waits for an answer."""
        work = Work(self.host, from_json(instance, Instance), arguments)
        log.info("%s: %s of %s (%s)", self.name, news, work.instance.uuid, context.get("request_id", ""))
        if news not in NEWS:
            return
        try:
            power_state = await NEWS[news](work)
        except PROBLEMS as problem:
            log.warning("%s: %s of %s: %s", self.name, news, work.instance.uuid, problem)
            return
        if power_state is not None:
            await self.cell.tell("power_state_changed", uuid=work.instance.uuid, power_state=power_state)

    async def peer(self, instance: Any, request: str, arguments: Any) -> Any:
        """One of PEER_REQUESTS, which another host's agent makes. Conflict with the reason when it cannot be met."""
        work = Work(self.host, from_json(instance, Instance), arguments)
        log.info("%s: %s for %s", self.name, request, work.instance.uuid)
        async with self.host.expected.turn(work.instance.uuid):
            is_met = False
            try:
                answer = await PEER_REQUESTS[request](work)
                is_met = True
            except (XenApiFailure, Unanswered, TransferFailed) as problem:
                raise Conflict(f"{self.name}: {request}: {problem}") from problem
            finally:
                self.operations.is_untidy |= not is_met
            return answer

    async def tend(self, request: str, arguments: Any) -> Any:
        """One of HOST_REQUESTS, about the host as a whole: ``{"answer": ...}``. Conflict with XenServer's reason when it is refused."""
        log.info("%s: %s the host", self.name, request)
        try:
            return {"answer": await HOST_REQUESTS[request](self.host, arguments)}
        except XenApiFailure as failure:
            raise Conflict(f"{self.name}: {request} is refused: {failure}") from failure
        except Unanswered as problem:
            raise HostUnreachable(f"{self.name} did not answer {request}: {problem}") from problem

    async def recover(self, server: Instance, action: str, arguments: Mapping[str, Any]) -> None:
        """Go on with what a killed agent had begun, or take it back; the cell is told how that ended."""
        work = Work(self.host, server, arguments)
        await self.operations.run(server.uuid, lambda: self._carry_out(work, action, {**RESUMES, **RECOVERIES}[action]))

    async def removal(self, server: Instance) -> None:
        """The operation behind ``destroy``."""
        await self._remove(server.uuid, server.domain_name)
        await self._forget_targets(server)
        await self.cell.tell("instance_destroyed", uuid=server.uuid)

    async def _forget_targets(self, server: Instance) -> None:
        try:
            await forget_targets(self.host, server)
        except (XenApiFailure, Unanswered) as problem:
            raise HostUnreachable(f"{self.name} did not forget the volumes of {server.uuid}: {problem}") from problem

    async def reap(self, uuid: str) -> None:
        """Remove a server that the cell does not know on this host; nobody is told. Its volumes' targets are looked for soon."""
        vm = self.host.vms.get(uuid)
        if vm is not None and not self.host.place.is_alone:
            await self._reap_one(uuid, vm.ref)
        else:
            await self._remove(uuid, domain_name(uuid) if vm is None else vm.label)
        self.operations.is_untidy = True

    async def _reap_one(self, uuid: str, vm: str) -> None:
        """In a pool the server may have another VM, which stays; one that was only brought here, by hand or by HA, is no left-over."""
        told = await self.cell.ask("known", self.host.settings.call_timeout_s, host=self.name, uuids=[uuid])
        try:
            if not told[uuid]["is_gone"] and not await has_other(self.host.xapi, uuid, vm):
                log.warning("%s: the only VM of %s is here, and not where its cell has it: it stays", self.name, uuid)
                return
            await remove_one(self.host.xapi, vm, uuid)
        except (XenApiFailure, Unanswered) as problem:
            raise HostUnreachable(f"{self.name} did not remove {uuid}: {problem}") from problem
        self.host.vms.forget(vm)

    async def discard_former(self, uuid: str) -> None:
        """Remove a VM that was set aside, and its disks; nobody is told."""
        try:
            await remove_former(self.host.xapi, uuid, domain_name(uuid))
        except (XenApiFailure, Unanswered) as problem:
            raise HostUnreachable(f"{self.name} did not remove the former VM of {uuid}: {problem}") from problem
        self.host.vms.formers.pop(uuid, None)

    async def clear_rescue(self, uuid: str) -> None:
        """Remove what has stood in for a server, when the operation that should have done it could not. Nobody is told."""
        try:
            await remove_rescue(self.host.xapi, uuid)
        except (XenApiFailure, Unanswered) as problem:
            raise HostUnreachable(f"{self.name} did not remove the rescue VM of {uuid}: {problem}") from problem
        self.host.vms.unrescued(uuid)

    async def tidy(self) -> None:
        """Look for what failures may have left behind, when there were any."""
        if self.operations.is_untidy and self.host.place.is_alone:
            await sweep(self.host.xapi, self.host.place, self.host.vms, self._is_busy)
        if (self.operations.is_untidy or self.host.targets.is_untidy) and self.host.volumes is not None:
            await self.host.targets.sweep(self.host.xapi)
        self.operations.is_untidy = False

    def _is_busy(self, name: str) -> bool:
        return self.operations.is_busy(name) or name in self.host.expected or self.host.cache.is_in_use(name)

    async def _outfit(self, server: Instance) -> Outfit:
        try:
            return await outfit(self.host, server)
        except ComputeError as problem:
            raise BuildFailed(f"{self.name} was not let at a volume: {problem.message}", is_retryable=False) from problem

    async def finish_build(self, server: Instance, power_state: int) -> None:
        """A build of a former life has ended well; its guest is told what it may not have heard. Its password is gone with that life."""
        vm = self.host.vms.get(server.uuid)
        await self._tell_built(server, power_state, UNTOLD if vm is None else await told_on(self.host, vm.ref, server, vm.terms, ""))

    async def _tell_built(self, server: Instance, power_state: int, told: Told) -> None:
        """A build has ended well, unless its guest is mute where it must not be."""
        if told.is_mute and self.host.settings.guest_agents.is_required:
            await self.give_up(server, BuildFailed(f"{self.name}: {told.note}", is_retryable=False))
            return
        note = "; ".join(filter(None, [await self._note_of(server), told.note]))
        more = {"changes": {**await built_with(self.host, server), **told.changes}, "note": note}
        given = {name: value for name, value in more.items() if value}
        await self.cell.tell("build_succeeded", uuid=server.uuid, power_state=power_state, **given)

    async def _note_of(self, server: Instance) -> str:
        """Why its root disk was not fitted: one call where no event has told yet."""
        vm = self.host.vms.get(server.uuid)
        if vm is None or vm.uuid or server.disk_config != "AUTO":
            return "" if vm is None else vm.note
        try:
            marked: Mapping[str, str] = await self.host.xapi.call("VM.get_other_config", vm.ref)
        except (XenApiFailure, Unanswered):
            return ""
        return marked.get(NOTE, "")

    async def give_up(self, server: Instance, failure: BuildFailed) -> None:
        """Remove what a build has left, and tell the cell why."""
        await self._remove(server.uuid, server.domain_name)
        await self._forget_targets(server)
        await self._tell_failure(server.uuid, failure)

    async def _remove(self, uuid: str, label: str) -> None:
        self.operations.is_untidy |= uuid in self.host.expected
        self.host.expected.discard(uuid)
        try:
            async with self.host.expected.turn(uuid):
                await self._remove_all(uuid, label)
        except (XenApiFailure, Unanswered) as problem:
            self.operations.is_untidy = True
            raise HostUnreachable(f"{self.name} did not remove {uuid}: {problem}") from problem
        self.host.vms.unrescued(uuid)
        vm = self.host.vms.get(uuid)
        if vm is not None:
            self.host.vms.forget(vm.ref)

    async def _remove_all(self, uuid: str, label: str) -> None:
        if uuid in self.host.vms.formers:
            await remove_former(self.host.xapi, uuid, label)
        await remove(self.host.xapi, uuid, label, self.host.vms.uuid_of(uuid))

    async def _build(self, server: Instance, image: Image, admin_password: str) -> None:
        try:
            async with self.builds:
                await self._build_here(server, image, admin_password)
        except BuildFailed as failure:
            self.operations.is_untidy = True
            await self._tell_failure(server.uuid, failure)
            return
        vm = self.host.vms.get(server.uuid)
        told = UNTOLD if vm is None else await first_told(self.host, vm.ref, server, image, admin_password)
        await self._tell_built(server, RUNNING, told)

    async def _build_here(self, server: Instance, image: Image, admin_password: str) -> None:
        former = self.host.vms.get(server.uuid)
        if former is not None and former.power_state == RUNNING:
            return
        await self.cell.tell("build_progress", uuid=server.uuid, task_state="spawning", progress=0)
        volumes = await self._outfit(server)
        with as_build_failure(self.name):
            if former is not None:
                await remove(self.host.xapi, server.uuid, server.domain_name)
            vm = await spawn(self.host.xapi, self.host.place, self.host.cache, server, image, admin_password, volumes)
        self.host.vms.built(server, vm)

    async def _tell_failure(self, uuid: str, failure: BuildFailed) -> None:
        await self.cell.tell("build_failed", uuid=uuid, host=self.name, message=failure.message, is_retryable=failure.is_retryable)

    async def _carry_out(self, work: Work, action: str, operation: Operation) -> None:
        error, ending = None, Ending()
        try:
            ending = await operation(work)
        except PROBLEMS as problem:
            self.operations.is_untidy = True
            error = str(problem)
            ending = Ending(changes=problem.changes) if isinstance(problem, LeftAs) else Ending()
        await self._tell_end(work.instance.uuid, action, error, ending)

    async def _tell_end(self, uuid: str, action: str, error: str | None, ending: Ending) -> None:
        power_state = await self._power_state(uuid) if ending.power_state is None else ending.power_state
        vm = self.host.vms.acting(uuid)
        if vm is not None:
            vm.told = power_state
        note = {"note": ending.note} if ending.note else {}
        end = {"action": action, "error": error, "power_state": power_state, "changes": dict(ending.changes), **note}
        await self.cell.tell("action_finished", uuid, **end)

    async def _power_state(self, uuid: str) -> int:
        """By the host; when it does not answer, what the cell was last told. Events may lag behind an operation that has just ended."""
        vm = self.host.vms.acting(uuid)
        if vm is None:
            return NO_STATE
        try:
            return POWER_STATES.get(await self.host.xapi.call("VM.get_power_state", vm.ref), NO_STATE)
        except (XenApiFailure, Unanswered):
            return vm.told
