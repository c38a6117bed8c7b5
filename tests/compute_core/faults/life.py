"""Agents that can be killed as processes die: from then on nothing that they still do reaches a host, the bus or the cell.

An agent lives in the core's own wiring, which starts it again. What it asks of hosts while it works on a message is an operation's
request: these are numbered on a tape, across all hosts, and the tape's disturbances are told of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, ParamSpec, TypeVar, cast

from compute_core.bus.port import Bus, Endpoint, Serving
from compute_core.compute.manager import AgentServices, ComputeManager
from compute_core.compute.settings import AgentSettings
from compute_core.model.volumes import Attachment, Connection, Volume
from compute_core.networks.port import PortFilters
from compute_core.settings import HostEntry
from compute_core.volumes.port import Attachments, Connector
from compute_core.wiring import CloudApplication
from compute_core.xenapi.session import Account, Login, Session
from fake_xapi.transports.ports import Xapi
from tests.compute_core.faults.awaits import watching
from tests.compute_core.faults.living_networks import LivingNetworks
from tests.compute_core.simulated import Wire

P = ParamSpec("P")
T = TypeVar("T")

_message: ContextVar[str] = ContextVar("message", default="")

CALLED = frozenset({"peer", "query", "query_host", "ping"})
"""Endpoints whose answer somebody waits for."""

Disturbance = Callable[["Life", str, int], Awaitable[None] | None]
"""Told who asks, what, and its number; it may raise, or wait."""

Interruption = Callable[["Life", int], bool]
"""Told who waits, and the number of its await; whether it is to stay there."""


@dataclass
class Tape:
    """The requests of operations and how often these waited, since it was last rewound. ``awaits`` has the last request before each."""

    requests: list[str] = field(default_factory=list)
    awaits: list[str] = field(default_factory=list)
    at_await: Interruption | None = None
    before: Disturbance | None = None
    during: Disturbance | None = None
    after: Disturbance | None = None
    always: Disturbance | None = None
    """Told of every request when it is done, an operation's or not; its number is that of the connection."""

    def rewind(self) -> None:
        self.requests.clear()
        self.awaits.clear()
        self.at_await = None
        self.before = self.during = self.after = self.always = None


@dataclass
class Life:
    """One process of an agent, between its start and its end."""

    host: str
    tape: Tape
    find: Callable[[str], Xapi]
    is_dead: bool = False
    takes_messages_along: bool = False

    def check(self) -> None:
        """A dead process does nothing more; not even what it had meant to do should it be cancelled."""
        if self.is_dead:
            raise asyncio.CancelledError

    def dial(self, url: str) -> Wire:
        """The way to a host's XenAPI."""
        wire, numbers = Wire(self.find(url)), dict[int, int]()

        async def before(name: str, number: int) -> None:
            self.check()
            if _message.get():
                self.tape.requests.append(name)
                numbers[number] = len(self.tape.requests)
                await asyncio.sleep(0)  # an operation may be interrupted before the host has done anything, and before it hears of it
                await self._disturb(self.tape.before, name, numbers[number])

        async def during(name: str, number: int) -> None:
            self.check()
            if number in numbers:
                await self._disturb(self.tape.during, name, numbers[number])

        async def after(name: str, number: int) -> None:
            self.check()
            if number in numbers:
                await asyncio.sleep(0)
                await self._disturb(self.tape.after, name, numbers[number])
            await self._disturb(self.tape.always, name, number)

        wire.before, wire.during, wire.after = before, during, after
        return wire

    def endpoint(self, name: str, endpoint: Endpoint) -> Endpoint:
        """What the agent does on a message, known for it by its context."""

        async def serve(**arguments: Any) -> Any:
            _message.set(name)
            watching.set(self.waits)
            try:
                return await asyncio.create_task(_run(endpoint, arguments))
            except asyncio.CancelledError:
                if name in CALLED or not (self.is_dead and self.takes_messages_along):
                    raise  # who waits for an answer waits in vain
                return None  # which the bus takes for done: nobody hears of the message again

        return serve

    async def over(self, work: Callable[P, Awaitable[T]], *asked: P.args, **options: P.kwargs) -> T:
        """What another process does for this one: there and back are moments in which it may be interrupted, or die."""
        await asyncio.sleep(0)
        self.check()
        answer = await work(*asked, **options)
        await asyncio.sleep(0)
        self.check()
        return answer

    def waits(self) -> bool:
        """An operation waits; whether it is to stay there."""
        self.tape.awaits.append(self.tape.requests[-1] if self.tape.requests else "")
        return self.tape.at_await is not None and self.tape.at_await(self, len(self.tape.awaits))

    async def _disturb(self, disturbance: Disturbance | None, name: str, number: int) -> None:
        waiting = None if disturbance is None else disturbance(self, name, number)
        if isawaitable(waiting):
            await waiting
        self.check()


async def _run(endpoint: Endpoint, arguments: Mapping[str, Any]) -> Any:
    return await endpoint(**arguments)


async def _unwatched(work: Callable[P, Awaitable[T]], *asked: P.args, **options: P.kwargs) -> T:
    """What others begin for the operation is not its own."""
    token = watching.set(None)
    try:
        return await work(*asked, **options)
    finally:
        watching.reset(token)


@dataclass
class LifeLine:
    """The bus, as far as a process is alive."""

    bus: Bus
    life: Life

    async def cast(self, topic: str, method: str, arguments: Mapping[str, Any]) -> None:
        await self.life.over(_unwatched, self.bus.cast, topic, method, arguments)

    async def call(self, topic: str, method: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        return await self.life.over(_unwatched, self.bus.call, topic, method, arguments, timeout_s)

    async def serve(self, topic: str, endpoints: Mapping[str, Endpoint]) -> Serving:
        return await self.bus.serve(topic, {name: self.life.endpoint(name, endpoint) for name, endpoint in endpoints.items()})

    async def close(self) -> None:
        pass


@dataclass
class LivingVolumes:
    """The volume service, as far as a process is alive."""

    volumes: Attachments
    life: Life

    async def get(self, volume_id: str) -> Volume:
        return await self.life.over(self.volumes.get, volume_id)

    async def reserve(self, volume_id: str, instance_uuid: str) -> Attachment:
        return await self.life.over(self.volumes.reserve, volume_id, instance_uuid)

    async def connect(self, attachment_id: str, connector: Connector, device: str) -> Connection:
        return await self.life.over(self.volumes.connect, attachment_id, connector, device)

    async def arrive(self, volume_id: str, instance_uuid: str, connector: Connector, device: str) -> tuple[str, Connection]:
        return await self.life.over(self.volumes.arrive, volume_id, instance_uuid, connector, device)

    async def settle(self, volume_id: str, instance_uuid: str, attachment_id: str) -> None:
        await self.life.over(self.volumes.settle, volume_id, instance_uuid, attachment_id)

    async def park(self, volume_id: str, instance_uuid: str) -> str:
        return await self.life.over(self.volumes.park, volume_id, instance_uuid)

    async def complete(self, attachment_id: str) -> None:
        await self.life.over(self.volumes.complete, attachment_id)

    async def begin_detaching(self, volume_id: str) -> None:
        await self.life.over(self.volumes.begin_detaching, volume_id)

    async def roll_detaching(self, volume_id: str) -> None:
        await self.life.over(self.volumes.roll_detaching, volume_id)

    async def swapped(self, volume_id: str, new_id: str) -> str:
        return await self.life.over(self.volumes.swapped, volume_id, new_id)

    async def not_swapped(self, volume_id: str, new_id: str) -> None:
        await self.life.over(self.volumes.not_swapped, volume_id, new_id)

    async def disconnect(self, attachment_id: str) -> None:
        await self.life.over(self.volumes.disconnect, attachment_id)

    async def reach(self, volume_id: str) -> Connection:
        return await self.life.over(self.volumes.reach, volume_id)

    async def release(self, instance_uuid: str, delete: Collection[str] = ()) -> None:
        await self.life.over(self.volumes.release, instance_uuid, delete)


class MortalAgent:
    """The agent of one host, life after life. ``crashes`` is what ended lives that nobody ended."""

    def __init__(self, host: HostEntry, cloud: CloudApplication, tape: Tape, find: Callable[[str], Xapi]) -> None:
        self._host = host
        self._cloud = cloud
        self._tape = tape
        self._find = find
        self._is_ready = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self.life = self._born()
        self.crashes: list[BaseException] = []

    async def run(self) -> None:
        """One life, to its end; whoever runs the agent begins the next."""
        self.life = self._born()
        host, cloud = self._host, self._cloud
        session = Session(Login(Account(host.url, host.user, host.password), self.life.dial))
        settings = AgentSettings(host=host.name, cell=cloud.settings.cell, url=host.url, rsync=cloud.settings.rsync_of(host))
        chance = cloud.chance(f"agent {host.name}")
        volumes, networks = LivingVolumes(cloud.volumes, self.life), LivingNetworks(cloud.networks, self.life)
        services = AgentServices(cloud.images, volumes, cast("PortFilters", networks))
        manager = ComputeManager(settings, session, LifeLine(cloud.bus, self.life), services, chance)
        self._work = asyncio.create_task(manager.run())
        ready = asyncio.create_task(manager.ready())
        ready.add_done_callback(lambda task: None if task.cancelled() else self._is_ready.set())
        try:
            await asyncio.wait({self._work})
        finally:
            ready.cancel()
            await self._ended(self._work)
        if not self._work.cancelled() and (crash := self._work.exception()) is not None:
            self.crashes.append(crash)

    async def ready(self) -> None:
        """Wait until it works, in this life or the next."""
        await self._is_ready.wait()

    async def kill(self, *, with_its_messages: bool = False) -> None:
        """It dies here and now. What it was told comes again, as from a broker, or is gone with it, as from the bus inside its process."""
        self.life.is_dead, self.life.takes_messages_along = True, with_its_messages
        await self.end()

    async def end(self) -> None:
        """It is asked to end: it takes back what it has half done."""
        if self._work is not None:
            await self._ended(self._work)

    async def _ended(self, work: asyncio.Task[None]) -> None:
        self._is_ready.clear()
        work.cancel()
        await asyncio.wait({work})

    def _born(self) -> Life:
        return Life(self._host.name, self._tape, self._find)
