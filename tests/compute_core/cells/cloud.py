"""A small cloud for tests: an API cell, a compute cell, and agents that do as they are told, over real stores and a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from compute_core.bus.in_process import InProcessBus
from compute_core.bus.port import Bus, Serving
from compute_core.cells.api_cell import ApiCell, BackingServices
from compute_core.cells.compute_cell import ComputeCell
from compute_core.cells.settings import ApiCellSettings, ComputeCellSettings
from compute_core.images.embedded import EmbeddedImageStore
from compute_core.model.clock import Clock
from compute_core.model.hosts import HostReport
from compute_core.model.images import Image
from compute_core.model.instances import NO_STATE, PAUSED, RUNNING, SHUTDOWN, SUSPENDED, Instance
from compute_core.model.json import to_json
from compute_core.model.requests import RequestContext, ServerRequest
from compute_core.networks.embedded import EmbeddedNetworks
from compute_core.store import hosts, instances
from compute_core.store.adapters import open_store
from compute_core.store.port import Store

EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
USER = RequestContext("user-1", "project-1", ("member",), "req-1")
OTHER = RequestContext("user-2", "project-2", ("member",), "req-2")
ADMIN = RequestContext("admin-1", "admin-project", ("admin",), "req-3")

ENDS = {
    "start": RUNNING, "stop": SHUTDOWN, "pause": PAUSED, "unpause": RUNNING, "suspend": SUSPENDED, "resume": RUNNING,
    "shelve": SHUTDOWN, "shelve_offload": NO_STATE, "unshelve": RUNNING, "soft_delete": SHUTDOWN, "restore": RUNNING,
}  # fmt: skip


@dataclass
class Agent:
    """The agent of one host: keeps VMs as a table, and takes ``build_s`` for a build."""

    bus: Bus
    host: str
    cell: str = "cell1"
    memory_mb: int = 16384
    build_s: float = 1.0
    heartbeat_s: float = 10.0
    fails_with: str | None = None
    is_retryable: bool = True
    action_error: str | None = None
    vms: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    attempts: list[tuple[str, int]] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    heard: list[tuple[str, str, Any]] = field(default_factory=list)
    _serving: Serving | None = None
    _heart: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.beat()
        self._serving = await self.bus.serve(f"compute.{self.host}", self.endpoints())
        self._heart = asyncio.create_task(self._keep_beating())

    def endpoints(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("build", "destroy", "act", "query", "hear", "ping")}

    @property
    def is_running(self) -> bool:
        return self._serving is not None

    async def stop(self) -> None:
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.gather(self._heart, return_exceptions=True)
        if self._serving is not None:
            await self._serving.close()
        self._serving = self._heart = None

    def report(self) -> HostReport:
        used = 1024 + 256 * len(self.vms)
        return HostReport(
            self.host, f"{self.host}.example", f"uuid-{self.host}", "6.1", "10.1.0.1", 8, self.memory_mb, self.memory_mb - used, 1000, 990,
            len(self.vms),
        )  # fmt: skip

    async def beat(self) -> None:
        arguments = {"report": to_json(self.report()), "instances_known": sorted(self.vms)}
        answer = await self.bus.call(f"cell.{self.cell}", "heartbeat", arguments, 10)
        self.unwanted = answer["unwanted"]
        for uuid in self.unwanted:
            self.vms.pop(uuid, None)

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat_s)
            await self.beat()

    async def tell(self, method: str, **arguments: Any) -> None:
        await self.bus.cast(f"cell.{self.cell}", method, {"host": self.host, **arguments})

    async def build(self, context: Any, instance: Any, image: Any, admin_password: str, attempt: int) -> None:
        uuid = instance["uuid"]
        self.attempts.append((uuid, attempt))
        self.passwords[uuid] = admin_password
        await self.tell("build_progress", uuid=uuid, task_state="spawning", progress=0)
        await asyncio.sleep(self.build_s)
        if self.fails_with is not None:
            await self.tell("build_failed", uuid=uuid, message=self.fails_with, is_retryable=self.is_retryable)
            return
        self.vms[uuid] = RUNNING
        await self.tell("build_succeeded", uuid=uuid, power_state=RUNNING)

    async def destroy(self, context: Any, instance: Any) -> None:
        self.vms.pop(instance["uuid"], None)
        await self.tell("instance_destroyed", uuid=instance["uuid"])

    async def act(self, context: Any, instance: Any, action: str, arguments: Any) -> None:
        uuid = instance["uuid"]
        if self.action_error is None:
            self.vms[uuid] = ENDS.get(action, self.vms[uuid])
        end: dict[str, Any] = {"action": action, "error": self.action_error, "power_state": self.vms[uuid], "changes": {}}
        await self.tell("action_finished", uuid=uuid, **end)

    async def query(self, context: Any, instance: Any, question: str, arguments: Any) -> str:
        assert question == "console_output"
        return "\n".join(["one", "two", "three"][-(arguments["length"] or 3) :])

    async def hear(self, context: Any, instance: Any, news: str, arguments: Any) -> None:
        self.heard.append((instance["uuid"], news, arguments))

    async def ping(self) -> str:
        return "pong"


@dataclass
class Cloud:
    """Everything of one cloud, by its part."""

    bus: Bus
    top: Store
    leaf: Store
    clock: Clock
    images: EmbeddedImageStore
    image: Image
    api: ApiCell
    cell: ComputeCell
    agents: dict[str, Agent] = field(default_factory=dict)

    async def add_host(self, name: str, **options: Any) -> Agent:
        agent = self.agents[name] = Agent(self.bus, name, **options)
        await agent.start()
        return agent

    def request(self, **options: Any) -> ServerRequest:
        return replace(ServerRequest("web", "2", self.image.id, admin_password="secret"), **options)

    async def create(self, **options: Any) -> Instance:
        return (await self.api.create_servers(USER, self.request(**options)))[0]

    async def until(self, uuid: str, is_reached: Callable[[Instance], bool]) -> Instance:
        """The top's copy of an instance, once it is as wanted; polled on the (mostly virtual) loop."""
        async with asyncio.timeout(900):
            while True:
                instance = await self.top.run(instances.get, uuid)
                if is_reached(instance):
                    return instance
                await asyncio.sleep(0.05)

    async def active(self, **options: Any) -> Instance:
        created = await self.create(**options)
        return await self.until(created.uuid, is_at_rest)

    async def gone(self, uuid: str) -> Instance:
        return await self.until(uuid, lambda instance: instance.is_deleted)

    async def claims(self) -> dict[str, str]:
        """Which host each instance claims from."""
        return {uuid: host for uuid, (host, _) in (await self.leaf.run(hosts.claimed)).items()}


def is_at_rest(instance: Instance) -> bool:
    return instance.task_state is None


@asynccontextmanager
async def cloud(
    folder: Path,
    *,
    databases: tuple[str, str] = ("sqlite://", "sqlite://"),
    bus: Bus | None = None,
    api_settings: ApiCellSettings | None = None,
    cell_settings: ComputeCellSettings | None = None,
) -> AsyncIterator[Cloud]:
    """A cloud without hosts, running."""
    clock = Clock.starting(EPOCH)
    line = bus or InProcessBus()
    top, leaf = await open_store(databases[0]), await open_store(databases[1])
    images, image = await active_image(folder, clock)
    networks = await embedded_networks(leaf, clock)
    api = ApiCell(api_settings or ApiCellSettings(), top, line, BackingServices(images, networks=networks), clock, Random(1))
    cell = ComputeCell(cell_settings or ComputeCellSettings(), leaf, line, networks, clock, Random(2))
    await api.start()
    await cell.start()
    whole = Cloud(line, top, leaf, clock, images, image, api, cell)
    yield whole
    for agent in whole.agents.values():
        await agent.stop()
    await whole.cell.close()
    await whole.api.close()
    await line.close()
    await top.close()
    await leaf.close()


async def embedded_networks(store: Store, clock: Clock) -> EmbeddedNetworks:
    chance = Random(4)
    return await EmbeddedNetworks.open(store, clock, lambda: str(UUID(int=chance.getrandbits(128), version=4)))


async def active_image(folder: Path, clock: Clock) -> tuple[EmbeddedImageStore, Image]:
    chance = Random(3)
    images = EmbeddedImageStore(
        folder / "images", clock, lambda: str(UUID(int=chance.getrandbits(128), version=4)), limit_bytes=1 << 20, is_synced=False
    )
    image = await images.create("debian", USER.project_id, disk_format="raw", container_format="bare")
    return images, await images.upload(image.id, _bytes())


async def _bytes() -> AsyncIterator[bytes]:
    yield b"\0" * 512
