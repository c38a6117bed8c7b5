"""How much a spawn costs the agents and their hosts together, over HTTP, without latency: what one processor could do in a second.

The agents are real; a cell is not needed: they are told what to build over a bus, and say on it what they have built.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from compute_core.bus.in_process import InProcessBus
from compute_core.cli import COLLECT_AFTER
from compute_core.compute.manager import AgentServices, ComputeManager
from compute_core.compute.settings import AgentSettings
from compute_core.images.embedded import EmbeddedImageStore
from compute_core.model.clock import Clock
from compute_core.model.flavors import DEFAULT_FLAVORS
from compute_core.model.images import Image
from compute_core.model.instances import Instance, Vif
from compute_core.model.json import to_json
from compute_core.wiring import new_ids
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.session import Account, Login, Session
from scenarios.bench.process import SimProcess
from scenarios.bench.row import Row

FEW, MANY = 100, 1_000
PER_HOST = 4
CELL = "bench"
DATE = datetime(2012, 8, 1, tzinfo=UTC)
NOW = "2012-08-01T00:00:00Z"
WITHIN_S = 900.0
QUIET_S = 3600.0
"""Agents report and wait for events so seldom that neither is measured."""
CONTEXT = {"user_id": "u", "project_id": "p", "roles": ["member"], "request_id": "req-bench"}


def measure() -> Iterator[Row]:
    """With a hundred hosts, and with ten times as many."""
    few, many = (uvloop.run(cpu_ms(hosts)) for hosts in (FEW, MANY))
    yield Row(f"a spawn through the agents of {FEW} hosts, over HTTP, hosts included", few, "ms CPU", 20, "Nova's driver 110: 9.1 a second")
    yield Row(f"the same with {MANY:,} hosts", many / few, "times the CPU", 1.0, "none published")


@dataclass
class Cell:
    """What agents say to a cell, counted."""

    built: int = 0
    wanted: int = 0
    is_done: asyncio.Event = field(default_factory=asyncio.Event)
    failed: str = ""

    async def heartbeat(self, report: Any, instances_known: Sequence[str]) -> Any:  # noqa: ARG002
        """Nothing is known here that an agent does not know."""
        return {"instances": [], "unwanted": []}

    async def build_progress(self, **_: Any) -> None:
        """A build goes on."""

    async def build_succeeded(self, **_: Any) -> None:
        """One more is there."""
        self.built += 1
        self._look()

    async def build_failed(self, message: str, **_: Any) -> None:
        """Which ends the measurement."""
        self.failed = message
        self._look()

    async def until(self, wanted: int) -> None:
        """Wait for so many servers; RuntimeError when one could not be built."""
        self.wanted = wanted
        self.is_done.clear()
        self._look()
        async with asyncio.timeout(WITHIN_S):
            await self.is_done.wait()
        if self.failed:
            raise RuntimeError(self.failed)

    def _look(self) -> None:
        if self.failed or self.built >= self.wanted:
            self.is_done.set()


async def cpu_ms(hosts: int) -> float:
    """CPU time of one spawn, of agents and simulator together, when every host has the image."""
    bus, cell = InProcessBus(), Cell()
    endpoints = (cell.heartbeat, cell.build_progress, cell.build_succeeded, cell.build_failed)
    await bus.serve(f"cell.{CELL}", {endpoint.__name__: endpoint for endpoint in endpoints})
    with tempfile.TemporaryDirectory(prefix="inova-bench-") as folder, SimProcess("--hosts", str(hosts)) as sim:
        images, image = await _image(Path(folder))
        async with _agents(sim.urls, bus, images):
            await _build(bus, cell, image, range(hosts), hosts)
            began_s = time.process_time() + sim.usage().cpu_s
            await _build(bus, cell, image, range(hosts, hosts + PER_HOST * hosts), hosts)
            return (time.process_time() + sim.usage().cpu_s - began_s) / (PER_HOST * hosts) * 1000


async def _build(bus: InProcessBus, cell: Cell, image: Image, numbers: Sequence[int], hosts: int) -> None:
    for number in numbers:
        told = {
            "context": CONTEXT,
            "instance": to_json(_instance(number, image)),
            "image": to_json(image),
            "admin_password": "",
            "attempt": 1,
        }
        await bus.cast(f"compute.{number % hosts}", "build", told)
    await cell.until(cell.built + len(numbers))


@asynccontextmanager
async def _agents(urls: Sequence[str], bus: InProcessBus, images: EmbeddedImageStore) -> AsyncIterator[None]:
    """Agents at work, as `core up` lets them work."""
    agents = [_agent(str(number), url, bus, images) for number, url in enumerate(urls)]
    work = [asyncio.create_task(agent.run()) for agent in agents]
    usual = gc.get_threshold()
    try:
        await asyncio.gather(*(agent.ready() for agent in agents))
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await bus.close()


def _agent(name: str, url: str, bus: InProcessBus, images: EmbeddedImageStore) -> ComputeManager:
    session = Session(Login(Account(url, "root", "xenroot"), HttpTransport))
    settings = AgentSettings(name, CELL, url, heartbeat_s=QUIET_S, settle_s=QUIET_S, event_wait_s=QUIET_S)
    return ComputeManager(settings, session, bus, AgentServices(images), Random(name))


async def _image(folder: Path) -> tuple[EmbeddedImageStore, Image]:
    """A store with an empty disk of 4 MiB."""
    file = folder / "image.vhd"
    command = ["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=dynamic,force_size=on", str(file), "4M"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    store = EmbeddedImageStore(
        folder / "images", Clock.starting(DATE), new_ids(Random(0)), limit_bytes=1 << 30, is_synced=False
    )  # fmt: skip
    made = await store.create("bench", "p", disk_format="vhd", container_format="bare")
    return store, await store.upload(made.id, _piece(await asyncio.to_thread(file.read_bytes)))


async def _piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _instance(number: int, image: Image) -> Instance:
    facts: Mapping[str, Any] = {"name": f"bench-{number}", "project_id": "p", "user_id": "u", "flavor": DEFAULT_FLAVORS[0]}
    mac = ":".join(f"{(0x00163E << 24) + number >> shift & 0xFF:02x}" for shift in range(40, -1, -8))
    nic = Vif(f"port-{number}", mac, "net", "private", "xenbr0", f"10.0.{number >> 8}.{number & 255}", 8, "10.255.255.254")
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    return Instance(uuid=uuid, image_ref=image.id, created_at=NOW, updated_at=NOW, vifs=(nic,), **facts)
