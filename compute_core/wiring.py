"""One installation of the compute core in one process, from its settings: ports and adapters, cells, agents, REST API.

Everything is made here and ended here, in reverse order. May not know the command line, nor who the hosts really are.
"""

from __future__ import annotations

import asyncio
import logging
import string
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Protocol, Self

import flask

from compute_core.api.app import create_app
from compute_core.api.call import Services
from compute_core.api.clouds import write_private
from compute_core.api.console_proxy import ConsoleProxy
from compute_core.api.portal import GreenletPortal, ThreadPortal
from compute_core.api.server import HttpServer
from compute_core.bus.in_process import InProcessBus
from compute_core.bus.port import Bus
from compute_core.bus.seal import Seal, new_key
from compute_core.cells.api_cell import ApiCell, BackingServices
from compute_core.cells.compute_cell import ComputeCell
from compute_core.cells.settings import ApiCellSettings, ComputeCellSettings
from compute_core.compute.manager import AgentServices, ComputeManager
from compute_core.compute.settings import AgentSettings
from compute_core.identity.embedded import EmbeddedIdentity
from compute_core.images.embedded import EmbeddedImageStore
from compute_core.model.clock import Clock
from compute_core.model.errors import HostUnreachable
from compute_core.model.json import from_json
from compute_core.model.requests import RequestContext
from compute_core.networks.embedded import EmbeddedNetworks
from compute_core.settings import BadSettings, HostEntry, Settings
from compute_core.store.adapters import open_store
from compute_core.store.port import Store
from compute_core.volumes.embedded import EmbeddedVolumes
from compute_core.volumes.luns import BadInventory, read_luns
from compute_core.volumes.port import Volumes
from compute_core.volumes.records import RecordFiles
from compute_core.xenapi.console_access import ConsoleAccess
from compute_core.xenapi.guest_agent_rules import AgentRules, BadRules, read_rules
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.session import Account, Login, Session
from compute_core.xenapi.transport import Dial

log = logging.getLogger(__name__)

PORTAL_TIMEOUT_S = 90.0
RESTART_S = 5.0
PROXY = RequestContext("", "", ("admin",), "")
"""Who asks when the proxy of consoles does: whoever has a token was allowed already."""
BUS_KEY = "bus.key"
"""The file in the state folder with the key of what a broker is not to read."""
PASSWORD_SIGNS = string.ascii_letters + string.digits
PASSWORD_LENGTH = 12


class Agent(Protocol):
    """Whoever works for one host."""

    async def run(self) -> None:
        """Work until cancelled."""

    async def ready(self) -> None:
        """Wait until it works."""


AgentMaker = Callable[[HostEntry, "CloudApplication"], Agent]


class CloudApplication:
    """The whole core, up between ``async with``. ``epoch`` is the date at its start.

    ``local_app`` is the REST API for callers on the loop's own thread (`wsgi.call_wsgi`), ``serve`` the one on a socket.
    ``dial`` makes the transport to a host's XenAPI, ``agent`` the agent of a host; both may come from outside.
    """

    bus: Bus
    clock: Clock
    images: EmbeddedImageStore
    networks: EmbeddedNetworks
    volumes: Volumes
    api_cell: ApiCell
    compute_cell: ComputeCell
    services: Services
    guest_agents: AgentRules

    def __init__(self, settings: Settings, *, epoch: datetime, dial: Dial = HttpTransport, agent: AgentMaker | None = None) -> None:
        self.settings = settings
        self._epoch = epoch
        self.dial = dial
        self._make_agent = agent or host_agent
        self._exit = AsyncExitStack()
        self.agents: dict[str, Agent] = {}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exit_stack:
            await self._bring_up(exit_stack)
            self._exit = exit_stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        await self._exit.aclose()

    @cached_property
    def local_app(self) -> flask.Flask:
        """The REST API for callers on the loop's own thread; made for the first one who asks."""
        return create_app(self.services, GreenletPortal())

    async def ready(self) -> None:
        """Wait until every agent works."""
        await asyncio.gather(*(agent.ready() for agent in self.agents.values()))

    async def serve_consoles(self) -> None:
        """Let those who have a token look at servers' screens from now on. OSError when the settings' address is taken."""
        proxy = ConsoleProxy(self.services.consoles, self._console_access)
        self._exit.push_async_callback(proxy.close)
        await proxy.start(self.settings.console_host, self.settings.console_port)

    async def _console_access(self, uuid: str) -> ConsoleAccess:
        told = await self.api_cell.query(PROXY, uuid, "console_access")
        return from_json(told, ConsoleAccess)

    def serve(self) -> HttpServer:
        """Answer on the settings' address from now on. OSError when it is taken."""
        app = create_app(self.services, ThreadPortal(asyncio.get_running_loop(), timeout_s=PORTAL_TIMEOUT_S))
        settings = self.settings
        server = HttpServer(
            app, settings.api_host, settings.api_port, threads=settings.api_threads, body_limit_bytes=settings.image_limit_bytes
        )
        self._exit.push_async_callback(server.close)
        server.start()
        return server

    def chance(self, name: str) -> Random:
        """The named stream of chance: the same at every run with one seed, and without a seed nobody's to guess."""
        seed = self.settings.seed
        return SystemRandom() if seed is None else Random(f"{seed}/{name}")

    async def _bring_up(self, exit_stack: AsyncExitStack) -> None:
        self.clock = Clock.starting(self._epoch)
        self.settings.state.mkdir(parents=True, exist_ok=True)
        self.guest_agents = _agent_rules(self.settings.guest_agents)
        self._make_images()
        self._make_volumes()
        self.bus = await self._connect()
        exit_stack.push_async_callback(self.bus.close)
        await self._start_cells(exit_stack)
        self._make_services()
        self._copy_volumes(exit_stack)
        self.agents = {host.name: self._make_agent(host, self) for host in self.settings.hosts}
        tasks = [asyncio.create_task(self._keep_running(name), name=f"agent {name}") for name in self.agents]
        exit_stack.push_async_callback(_end, tasks)

    def _make_images(self) -> None:
        settings = self.settings
        self.images = EmbeddedImageStore(
            settings.state / "images",
            self.clock,
            new_ids(self.chance("images")),
            limit_bytes=settings.image_limit_bytes,
            is_synced=settings.is_synced,
        )

    def _make_volumes(self) -> None:
        if self.settings.cinder is not None:
            self.volumes = _cinder(self.settings.cinder)
            return
        settings = self.settings
        files = RecordFiles(settings.state / "volumes", is_synced=settings.is_synced)
        try:
            luns = () if settings.volume_targets is None else read_luns(settings.volume_targets)
        except BadInventory as problem:
            raise BadSettings(str(problem)) from problem
        self.volumes = EmbeddedVolumes(files, luns, self.clock, new_ids(self.chance("volumes")))

    def _copy_volumes(self, exit_stack: AsyncExitStack) -> None:
        """Have hosts copy LUNs for the service from now on."""
        if isinstance(self.volumes, EmbeddedVolumes):
            exit_stack.push_async_callback(self.volumes.copy_by(partial(self._copy_of, self.volumes)).close)

    async def _copy_of(self, volumes: EmbeddedVolumes, source: str, target: str) -> str:
        """How the copy stands, on the host that has it from its beginning to its end. HostUnreachable, NotFound, Conflict: it is away."""
        host = volumes.copier(target)
        if not host:
            host = await self._copier_for(target)
            volumes.choose_copier(target, host)
        told: str = await self.api_cell.ask_host(PROXY, host, "copy_volume", source=source, target=target)
        return told

    async def _copier_for(self, target: str) -> str:
        hosts = sorted(node.report.host for node in await self.api_cell.list_hosts(PROXY) if node.is_up)
        if not hosts:
            raise HostUnreachable("no host is up")
        return hosts[uuid.UUID(target).int % len(hosts)]

    async def _connect(self) -> Bus:
        broker = self.settings.broker
        if broker is None:
            return InProcessBus()
        from compute_core.bus.amqp import AmqpBus  # noqa: PLC0415  # of the extra `amqp`, which who has no broker need not have

        return await AmqpBus.connect(broker, seal=self._seal())

    def _seal(self) -> Seal:
        """With the key of this installation, which is made when it is first needed."""
        file = self.settings.state / BUS_KEY
        if not file.exists():
            write_private(file, new_key())
        try:
            return Seal(file.read_text(encoding="ascii").strip())
        except ValueError:
            raise BadSettings(f"{file}: is no key. Cure: put back what was there; without it, messages that wait are lost.") from None

    async def _open_store(self, exit_stack: AsyncExitStack, url: str | None, cell: str) -> Store:
        where = url or f"sqlite:///{self.settings.state.absolute() / cell}.db"
        store = await open_store(where, is_synced=self.settings.is_synced)
        exit_stack.push_async_callback(store.close)
        return store

    async def _start_cells(self, exit_stack: AsyncExitStack) -> None:
        settings = self.settings
        top = await self._open_store(exit_stack, settings.api_database, settings.api_cell)
        leaf = await self._open_store(exit_stack, settings.database, settings.cell)
        ids = new_ids(self.chance("networks"))
        self.networks = await EmbeddedNetworks.open(leaf, self.clock, ids, settings.networks, is_watched=settings.filtering == "flows")
        path = f"{settings.api_cell}!{settings.cell}"
        self.compute_cell = ComputeCell(
            ComputeCellSettings(
                path=path, shelved_offload_s=settings.shelved_offload_s, reclaim_s=settings.reclaim_s or -1.0,
                resume_guests_state_on_host_boot=settings.resumes_guests,
            ),
            leaf, self.bus, self.networks, self.clock, self.chance(settings.cell),
        )  # fmt: skip
        self.api_cell = ApiCell(
            ApiCellSettings(
                name=settings.api_cell, children=(settings.cell,), quotas=settings.quotas, deletes_softly=settings.reclaim_s > 0
            ),
            top, self.bus, BackingServices(self.images, self.volumes, self.networks), self.clock, self.chance(settings.api_cell),
        )  # fmt: skip
        for cell in (self.compute_cell, self.api_cell):
            await cell.start()
            exit_stack.push_async_callback(cell.close)

    def _make_services(self) -> None:
        settings = self.settings
        self.services = Services(
            compute=self.api_cell,
            identity=EmbeddedIdentity(settings.accounts, self.clock, token_life_s=settings.token_life_s),
            images=self.images,
            networks=self.networks,
            volumes=self.volumes if self.settings.cinder is None else None,
            clock=self.clock,
            new_id=new_ids(self.chance("requests")),
            new_password=new_passwords(self.chance("passwords")),
            region=settings.region,
            body_limit_bytes=settings.body_limit_bytes,
            image_limit_bytes=settings.image_limit_bytes,
        )

    async def _keep_running(self, name: str) -> None:
        """An agent is a process by nature: one that fails is logged whole and started again, and the others go on."""
        while True:
            try:
                await self.agents[name].run()
            except Exception:
                log.exception("agent %s has failed; it is started again in %g s", name, RESTART_S)
            await asyncio.sleep(RESTART_S)


def host_agent(host: HostEntry, cloud: CloudApplication) -> Agent:
    """The agent that works over the host's XenAPI."""
    session = Session(Login(Account(host.url, host.user, host.password), cloud.dial))
    settings = AgentSettings(
        host=host.name, cell=cloud.settings.cell, url=host.url, copies_whole=cloud.settings.copies_whole, compute_vm=host.compute_vm,
        guest_agents=cloud.guest_agents,
        usage_s=cloud.settings.usage_s, orphans_kept_s=cloud.settings.orphans_kept_s, eviction=cloud.settings.eviction,
        rsync=cloud.settings.rsync_of(host), filtering=cloud.settings.filtering, rxtx_base_kib_s=cloud.settings.rxtx_base_kib_s,
    )  # fmt: skip
    chance = cloud.chance(f"agent {host.name}")
    services = AgentServices(cloud.images, cloud.volumes, cloud.networks, cloud.clock)
    return ComputeManager(settings, session, cloud.bus, services, chance)


def _agent_rules(path: Path | None) -> AgentRules:
    try:
        return AgentRules() if path is None else read_rules(path)
    except BadRules as problem:
        raise BadSettings(str(problem)) from problem


def _cinder(file: Path) -> Volumes:
    """The volumes of a Cinder. BadSettings."""
    from compute_core.volumes.cinder import CinderVolumes  # noqa: PLC0415  # the wire's library is of the extra `openstack`
    from compute_core.volumes.cinder_wire import BadService, CinderWire, read_account  # noqa: PLC0415

    try:
        return CinderVolumes(CinderWire(read_account(file)))
    except BadService as problem:
        raise BadSettings(str(problem)) from problem


def new_ids(chance: Random) -> Callable[[], str]:
    """A source of random UUIDs."""
    return lambda: str(uuid.UUID(int=chance.getrandbits(128), version=4))


def new_passwords(chance: Random) -> Callable[[], str]:
    """A source of passwords for guests."""
    return lambda: "".join(chance.choice(PASSWORD_SIGNS) for _ in range(PASSWORD_LENGTH))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
