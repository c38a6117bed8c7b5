"""Where a case happens: simulated hosts, the whole core over them with its real agents, and a user, on virtual time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import make_url

from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.model.requests import RequestContext, ServerFilters, ServerRequest
from compute_core.model.rsync import Rsync
from compute_core.settings import HostEntry, Settings
from compute_core.store.adapters import sqlite_engine
from compute_core.store.migrate import migrate
from compute_core.wiring import CloudApplication
from compute_core.xenapi import dom0_bundle
from fake_xapi.dom0.arrays import STANDARD
from fake_xapi.dom0.user_plugins import NO_PLUGINS, UserPlugins, load
from fake_xapi.engine.durations import durations as profile
from fake_xapi.engine.xapi import DEFAULT_SETTINGS
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.transports.ports import Xapi
from tests.compute_core.faults.life import MortalAgent, Tape
from tests.compute_core.rig import CONTENT, fixed_vhd, stored
from tests.compute_core.simulated import Wire, session_over

EPOCH = datetime(2012, 8, 1, tzinfo=UTC)
USER = RequestContext("user-1", "p", ("member",), "req-1")
ADMIN = RequestContext("admin-1", "p", ("admin",), "req-2")
EVERYTHING = ServerFilters(is_deleted=None)

LOOKS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Pauses between looks at whether all is quiet; the last one repeats."""
LIMIT_S = 3 * 3600.0
BEATS_S = 65.0
"""Long enough for three heartbeats."""


EXPORT = {"server": "10.255.0.10", "serverpath": "/exports/sr1"}
"""Of the standard array."""


class NeverQuiet(Exception):
    """Something was still under way when everything should long have ended."""


@dataclass
class Scene:
    """A cloud that works. ``order`` and ``act`` are what the user does; servers are known by the names that they were given."""

    fleet: Fleet
    cloud: CloudApplication
    tape: Tape
    agents: dict[str, MortalAgent]
    image: Image

    async def servers(self) -> tuple[Instance, ...]:
        """Every server as the top of the tree knows it, deleted ones too."""
        return await self.cloud.api_cell.list_servers(ADMIN, EVERYTHING)

    async def uuid(self, name: str = "web") -> str:
        """The server of that name that is not deleted."""
        (found,) = [server.uuid for server in await self.servers() if server.name == name and not server.is_deleted]
        return found

    async def order(self, name: str = "web", **options: Any) -> None:
        """Have a server built; options are members of ServerRequest."""
        request = replace(ServerRequest(name, "1", self.image.id, admin_password="secret"), **options)
        await self.cloud.api_cell.create_servers(USER, request)

    async def act(self, action: str, name: str = "web", **arguments: Any) -> None:
        """Have an action begun."""
        await self.cloud.api_cell.act(ADMIN, await self.uuid(name), action, **arguments)

    async def delete(self, name: str = "web") -> None:
        """Have a server deleted."""
        await self.cloud.api_cell.delete_server(ADMIN, await self.uuid(name))

    async def delete_all(self) -> None:
        """Have every server deleted, whatever is under way on it."""
        for server in await self.servers():
            if not server.is_deleted:
                await self.cloud.api_cell.delete_server(ADMIN, server.uuid)

    async def quiet(self) -> None:
        """Wait until nothing is under way, and what the agents look for at heartbeats has been found. NeverQuiet after LIMIT_S."""
        pauses, loop = iter(LOOKS_S), asyncio.get_running_loop()
        end_s, pause_s = loop.time() + LIMIT_S, 0.0
        while busy := await self._busy():
            if loop.time() > end_s:
                raise NeverQuiet(busy)
            pause_s = next(pauses, pause_s)
            await asyncio.sleep(pause_s)
        await asyncio.sleep(BEATS_S)
        if await self._busy():
            await self.quiet()

    async def _busy(self) -> str:
        """What is under way, in words; "" for nothing."""
        await asyncio.gather(*(agent.ready() for agent in self.agents.values()))
        api = self.cloud.api_cell
        busy = [f"{server.name}: {server.task_state}" for server in await self.servers() if server.task_state is not None]
        busy += [f"{job.host}: {job.stage}" for job in await api.list_upkeep(ADMIN) if not job.is_waiting]
        busy += [f"{pool.name}: {dict(pool.changing)}" for pool in await api.list_aggregates(ADMIN) if pool.changing]
        return ", ".join(busy)


@asynccontextmanager
async def scene(
    folder: Path,
    hosts: int = 1,
    pool_size: int = 1,
    durations: str = "instant",
    release: str = "latest",
    *,
    by_rsync: bool = False,
    shares_sr: bool = False,
) -> AsyncIterator[Scene]:
    """A cloud of so many hosts, all of its agents registered, with one image. ``durations`` is a profile of the simulator's, or its file.

    ``release`` is what the hosts run. ``by_rsync``: the hosts have our plugin in their dom0, and disks go from one to another by rsync.
    ``shares_sr``: disks are on an SR that all hosts of a pool see.
    """
    plugins = dom0_plugins(folder / "dom0") if by_rsync else NO_PLUGINS
    order = Order(hosts=hosts, pool_size=pool_size, personality=release)
    fleet = Fleet(order, replace(DEFAULT_SETTINGS, durations=profile(durations), plugins=plugins))
    for entry in fleet.inventory()[::pool_size] if shares_sr else ():
        await _share(finder(fleet)(entry["url"]))
    tape, agents = Tape(), dict[str, MortalAgent]()
    entries = tuple(HostEntry(each["name"], each["url"], each["user"], "xenroot", each["uuid"]) for each in fleet.inventory())
    top, leaf = [database(folder, name) for name in ("api", "cell1")]
    stored_in: dict[str, Any] = {"state": folder, "database": leaf, "api_database": top, "volume_targets": _array(folder)}
    stored_in["rsync"] = Rsync() if by_rsync else None
    settings = Settings(hosts=entries, seed=1, is_synced=False, image_limit_bytes=1 << 30, **stored_in)

    def agent(host: HostEntry, cloud: CloudApplication) -> MortalAgent:
        agents[host.name] = MortalAgent(host, cloud, tape, finder(fleet))
        return agents[host.name]

    try:
        async with CloudApplication(settings, epoch=EPOCH, agent=agent) as cloud:
            image = await stored(cloud.images, fixed_vhd(CONTENT))
            await cloud.ready()
            yield Scene(fleet, cloud, tape, agents, image)
    finally:
        await fleet.close()


async def _share(xapi: Xapi) -> None:
    """Give the pool of a master an SR that all of its hosts see, for disks by default."""
    session = session_over(Wire(xapi))
    (pool,) = (await session.call("pool.get_all_records")).items()
    sr = await session.call("SR.create", pool[1]["master"], EXPORT, 0, "shared", "", "nfs", "user", True, {})
    await session.call("pool.set_default_SR", pool[0], sr)
    await session.close()


def dom0_plugins(folder: Path) -> UserPlugins:
    """What the installer lays into a dom0."""
    folder.mkdir(parents=True, exist_ok=True)
    dom0_bundle.write(folder)
    return load(folder)


def _array(folder: Path) -> Path:
    """The LUNs for volumes: those of the array that all simulated hosts reach."""
    file = folder / "array.json"
    file.write_bytes(msgspec.json.encode({"targets": STANDARD.targets}))
    return file


@cache
def new_database() -> bytes:
    """A database with the newest schema, as a file: the migrations cost more than most runs."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "new.db")
        engine = sqlite_engine(make_url(f"sqlite:///{file}"))
        with engine.begin() as connection:
            migrate(connection)
        engine.dispose()
        return file.read_bytes()


def database(folder: Path, name: str) -> str:
    """The URL of a new database."""
    file = folder / f"{name}.db"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(new_database())
    return f"sqlite:///{file}"


def finder(fleet: Fleet) -> Callable[[str], Xapi]:
    """Hosts by their URLs."""
    names = {entry["url"]: entry["name"] for entry in fleet.inventory()}
    by_address = {urlsplit(url).hostname: name for url, name in names.items()}
    return lambda url: fleet.xapi_of(by_address[urlsplit(url).hostname])
