"""A cell, a host and the agent between them, on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from compute_core.bus.in_process import InProcessBus
from compute_core.compute.manager import AgentServices, ComputeManager
from compute_core.compute.settings import AgentSettings
from compute_core.images.embedded import EmbeddedImageStore
from compute_core.model.clock import Clock
from compute_core.model.images import Image
from compute_core.model.instances import RUNNING, Instance
from compute_core.model.json import to_json
from compute_core.model.requests import RequestContext
from compute_core.volumes.port import Attachments
from fake_xapi.dom0.user_plugins import NO_PLUGINS, UserPlugins
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from tests.compute_core.rig import CONTENT, EPOCH, URL, fixed_vhd, image_store, left_on, stored
from tests.compute_core.simulated import Wire, session_over
from tests.compute_core.values import CELL, UUID, an_instance
from tests.compute_core.world import fresh_fleet, only_host

T = TypeVar("T")
CONTEXT = to_json(RequestContext("u", "p", ("member",), "req-1"))
SETTINGS = AgentSettings("xs1", CELL, URL, heartbeat_s=20.0, settle_s=2.0, event_wait_s=30.0, usage_s=300.0)
BEATS_S = 45.0
"""Long enough for two heartbeats."""


@dataclass
class FakeCell:
    """What a cell is to an agent: it answers heartbeats with its servers of the host, and remembers what it was told."""

    instances: list[Instance] = field(default_factory=list)
    reports: list[Any] = field(default_factory=list)
    told: list[tuple[str, Any]] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)

    async def heartbeat(self, report: Any, instances_known: list[str], formers_known: Sequence[str] = ()) -> Any:
        self.reports.append((report, instances_known))
        here = {instance.uuid for instance in self.instances}
        return {"instances": [to_json(instance) for instance in self.instances], "unwanted": sorted(set(instances_known) - here)}

    async def known(self, host: str, uuids: Sequence[str]) -> Any:
        """Servers that are not here were deleted, or are strangers."""
        here = {each.uuid: [vif.id for vif in each.vifs] for each in self.instances}
        return {
            uuid: {"is_here": uuid in here, "is_gone": uuid not in here, "ports": here.get(uuid, []), "volumes": []}
            for uuid in uuids
            if uuid not in self.strangers
        }

    def endpoints(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        names = (
            *("build_succeeded", "build_progress", "build_failed", "instance_destroyed", "action_finished", "power_state_changed"),
            *("image_progress", "usage_measured"),
        )
        return {"heartbeat": self.heartbeat, "known": self.known, **{name: self._hears(name) for name in names}}

    def _hears(self, name: str) -> Callable[..., Awaitable[None]]:
        async def hear(host: str, **arguments: Any) -> None:
            assert host == "xs1"
            self.told.append((name, arguments))

        return hear


@dataclass
class Site:
    """A cell, a host and an agent between them."""

    xapi: Xapi
    wire: Wire
    bus: InProcessBus
    cell: FakeCell
    images: EmbeddedImageStore
    image: Image
    volumes: Attachments | None = None
    settings: AgentSettings = SETTINGS

    async def cast(self, method: str, **arguments: Any) -> None:
        await self.bus.cast("compute.xs1", method, {"context": CONTEXT, **arguments})

    async def build(self, instance: Instance) -> None:
        self.cell.instances.append(instance)
        await self.cast("build", instance=to_json(instance), image=to_json(self.image), admin_password="s", attempt=1)

    async def act(self, action: str, **arguments: Any) -> None:
        await self.cast("act", instance=to_json(an_instance()), action=action, arguments=arguments)

    async def built(self) -> None:
        """A server that is built, active and known as such."""
        await self.build(an_instance())
        await asyncio.sleep(10)
        self.cell.instances[:] = [an_instance(vm_state="active", task_state=None, power_state=RUNNING)]
        self.cell.told.clear()

    async def operator(self, method: str, *params: Any) -> Any:
        """Somebody else at the host."""
        session = session_over(Wire(self.xapi))
        try:
            return await session.call(method, *params)
        finally:
            await session.close()

    async def vm(self) -> str:
        refs = await self.operator("VM.get_by_name_label", f"instance-{UUID}")
        return str(refs[0])

    def left(self) -> dict[str, list[str]]:
        return left_on(self.xapi)

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[None]:
        """The agent at work; at the end it is killed, as a process is."""
        clock = Clock.starting(EPOCH)
        session = session_over(self.wire, URL)
        manager = ComputeManager(self.settings, session, self.bus, AgentServices(self.images, self.volumes, clock=clock), Random(1))
        work = asyncio.create_task(manager.run())
        try:
            ready = asyncio.create_task(manager.ready())
            await asyncio.wait({ready, work}, return_when=asyncio.FIRST_COMPLETED)
            yield
        finally:
            work.cancel()
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()


def on_site(
    folder: Path, body: Callable[[Site], Awaitable[T]], *, with_agent: bool = True, volumes: Attachments | None = None,
    settings: AgentSettings = SETTINGS, plugins: UserPlugins = NO_PLUGINS,
) -> T:  # fmt: skip
    """Run a test's body on virtual time, with an agent that has registered. ``plugins`` are in the host's dom0."""

    async def main() -> T:
        fleet, bus, cell, images = fresh_fleet(plugins=plugins), InProcessBus(), FakeCell(), image_store(folder)
        xapi = only_host(fleet)
        wire = Wire(xapi)
        site = Site(xapi, wire, bus, cell, images, await stored(images, fixed_vhd(CONTENT)), volumes, settings)
        await bus.serve(f"cell.{CELL}", cell.endpoints())
        try:
            if not with_agent:
                return await body(site)
            async with site.agent():
                return await body(site)
        finally:
            await bus.close()
            await fleet.close()

    return run_virtual(main())
