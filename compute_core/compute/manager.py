"""One agent: finds its host, registers with its cell, puts right what a former life left, then serves, follows and reports until ended.

Everything runs as coroutines of the caller's loop; an agent has no thread and no timer of its own while nothing happens.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from random import Random

from compute_core.bus.port import Bus
from compute_core.compute.cell import Cell
from compute_core.compute.filtering import Filtering
from compute_core.compute.findings import Finding, Kind, findings, of_formers
from compute_core.compute.following import HasMoved, follow, read_vms
from compute_core.compute.operations import Operations
from compute_core.compute.peers import BusPeers
from compute_core.compute.remedies import REMEDIES, may_take_long
from compute_core.compute.report import report
from compute_core.compute.rounds import make_rounds
from compute_core.compute.servers import Servers
from compute_core.compute.settings import AgentSettings
from compute_core.compute.vms import Vms
from compute_core.compute.work import Host
from compute_core.images.port import ImageStore
from compute_core.model.clock import Clock
from compute_core.model.errors import ComputeError, HostUnreachable
from compute_core.model.instances import Instance
from compute_core.model.json import from_json, to_json
from compute_core.networks.port import PortFilters
from compute_core.volumes.port import Attachments
from compute_core.xenapi.auto_disk import Plugged, Streamed
from compute_core.xenapi.errors import Unanswered, XenApiFailure
from compute_core.xenapi.image_cache import ImageCache
from compute_core.xenapi.place import Place, learn
from compute_core.xenapi.plugins import Dom0
from compute_core.xenapi.session import Session
from compute_core.xenapi.targets import Targets

log = logging.getLogger(__name__)

SILENCE = (XenApiFailure, Unanswered, HostUnreachable)
"""The host does not answer, or not as it should: tried again later."""


@dataclass(frozen=True, slots=True)
class AgentServices:
    """Whom an agent asks for what its host has not. Without a ``clock`` it does not know when images were used, and none goes by itself."""

    images: ImageStore
    volumes: Attachments | None = None
    networks: PortFilters | None = None
    clock: Clock | None = None


class ComputeManager:
    """The agent of ``settings.host``. ``chance`` is its stream of chance; the session is closed with it."""

    def __init__(self, settings: AgentSettings, session: Session, bus: Bus, services: AgentServices, chance: Random) -> None:
        self._settings = settings
        self._session = session
        self._bus = bus
        self._services = services
        self._chance = chance
        self._cell = Cell(bus, settings.cell, settings.host)
        self._vms = Vms()
        self._operations = Operations()
        self._suspects: set[tuple[str, Kind]] = set()
        self._is_ready = asyncio.Event()

    async def ready(self) -> None:
        """Wait until the agent has registered and serves."""
        await self._is_ready.wait()

    async def run(self) -> None:
        """Be the agent, until cancelled; from the beginning whenever the host has come into another pool."""
        try:
            while True:
                try:
                    await self._work()
                except* HasMoved:
                    log.warning("%s: the host is in another pool, or no longer alone: looking around anew", self._settings.host)
                await self._session.go_home()
        finally:
            await self._session.close()

    async def _work(self) -> None:
        servers, token = await self._begin()
        alone = servers.host.place.host if servers.host.place.is_alone else ""
        serving = await self._bus.serve(f"compute.{self._settings.host}", servers.endpoints())
        try:
            self._is_ready.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(follow(self._session, self._settings, self._vms, token, self._on_power_state, alone))
                group.create_task(self._keep_reporting(servers, group))
                if servers.host.filters is not None:
                    group.create_task(servers.host.filters.keep())
                if self._settings.usage_s:
                    group.create_task(make_rounds(servers.about_host(), self._varied))
        finally:
            await serving.close()

    async def _begin(self) -> tuple[Servers, str]:
        """Find the host, clean up, register; as often as it takes."""
        while True:
            try:
                place = await self._learn()
                self._vms.host = "" if place.is_alone else place.host
                self._vms.replace(await read_vms(self._session))
                servers = self._servers(place)
                await servers.tidy()
                for finding in await self._heartbeat(servers):
                    if not may_take_long(servers, finding):
                        await self._put_right(servers, finding)
            except SILENCE as problem:
                log.warning("%s: not ready: %s", self._settings.host, problem)
                await self._session.go_home()
                await asyncio.sleep(self._varied(self._settings.retry_s))
            else:
                return servers, place.token

    async def _learn(self) -> Place:
        """The host, and how it is to treat interfaces."""
        place = await learn(self._session, self._settings.url)
        locks = place.locks_vifs and self._settings.filtering != "none"
        return replace(place, locks_vifs=locks, rxtx_base_kib_s=self._settings.rxtx_base_kib_s)

    def _servers(self, place: Place) -> Servers:
        cache = self._cache(place)
        peers = BusPeers(self._bus, self._cell)
        host = Host(
            self._settings, self._session, place, self._services.images, cache, self._vms, peers, Targets(place.host),
            volumes=self._services.volumes, networks=self._services.networks, filters=self._filtering(place),
        )  # fmt: skip
        return Servers(host, self._cell, self._operations, asyncio.Semaphore(self._settings.concurrent_builds))

    def _filtering(self, place: Place) -> Filtering | None:
        """Who keeps servers to their groups, where flows of the switch are to do so."""
        if self._settings.filtering != "flows" or self._services.networks is None:
            return None
        dom0 = Dom0(self._session, place.host)
        filters = Filtering(self._settings.host, dom0, self._vms, self._services.networks, self._settings.retry_s)
        self._vms.on_domain = filters.note
        return filters

    def _cache(self, place: Place) -> ImageCache:
        settings = self._settings
        fitting = Plugged(settings.compute_vm) if settings.compute_vm else Streamed()
        return ImageCache(place, self._services.images, copies_whole=settings.copies_whole, fitting=fitting, clock=self._services.clock)

    async def _keep_reporting(self, servers: Servers, group: asyncio.TaskGroup) -> None:
        await asyncio.sleep(self._varied(self._settings.settle_s))
        while True:
            try:
                for finding in await self._heartbeat(servers):
                    group.create_task(self._put_right(servers, finding))
                await servers.tidy()
            except SILENCE as problem:
                _check_still_there(servers.host.place, problem)
                log.warning("%s: no heartbeat: %s", self._settings.host, problem)
            await asyncio.sleep(self._varied(self._settings.heartbeat_s))

    async def _heartbeat(self, servers: Servers) -> list[Finding]:
        """Report; what the cell's answer shows to be wrong, and is to be put right. One of SILENCE when host or cell does not answer."""
        now = await report(self._session, servers.host.place, self._settings.host, self._vms.running(), servers.meter.last)
        known, formers = sorted(self._vms), {"formers_known": sorted(self._vms.formers)} if self._vms.formers else {}
        asked = {"report": to_json(now), "instances_known": known, **formers}
        answer = await servers.cell.ask("heartbeat", self._settings.call_timeout_s, **asked)
        instances = [from_json(instance, Instance) for instance in answer["instances"]]
        journeys = answer.get("migrations", {})
        found = list(findings(instances, answer["unwanted"], self._vms, self._operations.is_busy, journeys))
        found.extend(of_formers(answer.get("unwanted_formers", ()), self._vms, self._operations.is_busy))
        before, self._suspects = self._suspects, {(finding.uuid, finding.kind) for finding in found}
        return [finding for finding in found if finding.kind.is_certain or (finding.uuid, finding.kind) in before]

    async def _put_right(self, servers: Servers, finding: Finding) -> None:
        log.warning("%s: %s: %s", self._settings.host, finding.uuid, finding.kind.value)
        try:
            await REMEDIES[finding.kind](servers, finding)
        except ComputeError as problem:
            log.warning("%s: %s: not put right: %s", self._settings.host, finding.uuid, problem.message)

    async def _on_power_state(self, uuid: str) -> None:
        """An event says that a VM is in another state than the cell believes; operations under way speak for themselves."""
        vm = self._vms.acting(uuid)
        if vm is not None and not self._operations.is_busy(uuid):
            vm.told = vm.power_state
            await self._cell.tell("power_state_changed", uuid=uuid, power_state=vm.power_state)

    def _varied(self, pause_s: float) -> float:
        return pause_s * (1.0 + self._settings.heartbeat_jitter * (2.0 * self._chance.random() - 1.0))


def _check_still_there(place: Place, problem: Exception) -> None:
    """HasMoved when the pool that is talked to has no such host: it is another one, or has let the host go."""
    if isinstance(problem, XenApiFailure) and problem.details[:1] + problem.details[-1:] == ("HANDLE_INVALID", place.host):
        raise HasMoved
