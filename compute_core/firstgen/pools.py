"""Sessions on the XenServer hosts that take copies, each opened when it is first needed, and which of them takes which VM."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from compute_core.firstgen.fleet import Destination, Generations
from compute_core.firstgen.guests import Guest, Unmovable
from compute_core.firstgen.rooms import Need, Room, pick, room_of
from compute_core.xenapi.locks import KeyedLocks
from compute_core.xenapi.place import Place, learn
from compute_core.xenapi.records import MIB
from compute_core.xenapi.session import Account, Login, Session
from compute_core.xenapi.transport import Dial

GRAIN_BYTES = 2 * MIB
"""Disks are whole blocks of a VHD, so that no SR has to round them."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A destination with a session on it."""

    destination: Destination
    session: Session
    place: Place


class Pools:
    """The destinations by name. A scope: left, it logs out everywhere."""

    def __init__(self, destinations: Mapping[str, Destination], dial: Dial) -> None:
        self._destinations = destinations
        self._dial = dial
        self._locks = KeyedLocks()
        self._connected: dict[str, Connected] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.gather(*(each.session.close() for each in self._connected.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Every destination."""
        return tuple(self._destinations)

    async def connect(self, name: str) -> Connected:
        """The destination of that name, logged in. Unmovable when there is none; XenApiFailure, NotSent, ReplyLost, HostUnreachable."""
        if name not in self._destinations:
            raise Unmovable(f"There is no destination {name!r}. Cure: add it to the file of the generations, or name another.")
        async with self._locks.held(name):
            if name not in self._connected:
                self._connected[name] = await self._log_in(self._destinations[name])
            return self._connected[name]

    async def _log_in(self, destination: Destination) -> Connected:
        host = destination.host
        session = Session(Login(Account(host.url, host.user, host.password), self._dial))
        try:
            return Connected(destination, session, await learn(session, host.url))
        except BaseException:
            await session.close()
            raise


class Placing:
    """The choice of hosts: what is promised to one VM is not promised to the next. Each host is asked once."""

    def __init__(self, pools: Pools, generations: Generations) -> None:
        self._pools = pools
        self._generations = generations
        self._lock = asyncio.Lock()
        self._rooms: dict[str, Room] = {}

    async def place(self, guest: Guest, wanted: str = "") -> str:
        """The host for a VM: ``wanted``, or the one with most room. Unmovable when there is none."""
        async with self._lock:
            rooms = {name: await self._room(name) for name in ([wanted] if wanted else self._pools.names)}
            need = need_of(guest, self._generations)
            name = pick(rooms, need, guest.name)
            self._rooms[name] = rooms[name].less(need)
            return name

    async def promise(self, guest: Guest, name: str) -> None:
        """A host that takes a VM already, whose disk may not be there yet."""
        async with self._lock:
            self._rooms[name] = (await self._room(name)).less(need_of(guest, self._generations))

    async def _room(self, name: str) -> Room:
        if name not in self._rooms:
            connected = await self._pools.connect(name)
            self._rooms[name] = await room_of(connected.session, connected.place)
        return self._rooms[name]


def need_of(guest: Guest, generations: Generations) -> Need:
    """What a VM takes of its new host."""
    memory_bytes = guest.config.memory_mib * MIB if guest.is_running else 0
    bridges = frozenset(generations.bridge(vif.bridge) for vif in guest.config.vifs)
    return Need(disk_bytes(guest, generations), memory_bytes, bridges)


def disk_bytes(guest: Guest, generations: Generations) -> int:
    """The size of the new disk: the old one's, what is to be added, and the partition table's."""
    wanted = guest.size_bytes + generations.room_mib * MIB + MIB
    return -(-wanted // GRAIN_BYTES) * GRAIN_BYTES
