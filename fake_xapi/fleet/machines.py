"""The machines of a fleet by name: which XAPI answers at each, which are switched off, and to which pool each belongs.

A stand-alone host is a pool by itself and costs nothing here; only the machines of larger pools are listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator

from fake_xapi.datamodel.personality import personality
from fake_xapi.engine.heartbeat import came_back, fell_silent, joined
from fake_xapi.engine.members import Member
from fake_xapi.engine.xapi import Xapi
from fake_xapi.faults.faults import Faults
from fake_xapi.faults.faulty_xapi import FaultyXapi
from fake_xapi.fleet.golden import upgrade
from fake_xapi.state.ids import Id
from fake_xapi.transports.fetching import fetch
from fake_xapi.transports.remotes import HttpRemote, Neighbour, unreachable
from fake_xapi.verbs.migrations.remote import Remote

Seat = tuple[Xapi, Id]
"""A pool, identified by the XAPI that leads it, and one of its hosts."""


HTTP_PORT = 80


def _usual(_name: str) -> int:
    return HTTP_PORT


class KeptXapi(FaultyXapi):
    """A machine's XAPI, for keeping by callers without an address: it follows faults, switching, and changes of pool."""

    __slots__ = ("_machines",)

    def __init__(self, machines: Machines, faults: Faults, name: str) -> None:  # super().__init__ would keep one XAPI for ever
        self._machines = machines
        self._faults = faults
        self._host = name

    @property
    def _xapi(self) -> Xapi:  # type: ignore[override]  # what is kept by FaultyXapi is looked up here
        if self._host in self._machines.off:
            raise ConnectionRefusedError(f"{self._host} is off")
        return self._machines.hosts[self._host]


class Machines:
    """Implements the engine's ``Surroundings``. ``named`` finds a name by an address, ``renewed`` makes the XAPI of a reset machine."""

    def __init__(self, faults: Faults, named: Callable[[str], str | None], renewed: Callable[[str, int], Xapi]) -> None:
        self.hosts: dict[str, Xapi] = {}
        """Every machine's XAPI by its name."""
        self.off: set[str] = set()
        """The machines that are switched off."""
        self.port_of: Callable[[str], int] = _usual
        """The port at which a machine is served, by its name."""
        self.on_change: list[Callable[[], None]] = []
        """Called when a machine goes down, or answers as another host: ends the connections to it."""
        self._faults = faults
        self._named = named
        self._renewed = renewed
        self._seats: dict[Seat, str] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def place(self, name: str, leader: Xapi, host: Id) -> None:
        """Make a machine one of several in a pool."""
        self._seats[leader, host] = name
        self.hosts[name] = leader if host == leader.host else Member(leader, host)

    def place_alone(self, name: str, xapi: Xapi) -> None:
        """Make a machine a pool by itself."""
        self.hosts[name] = xapi

    def begin_with_off(self, names: Collection[str]) -> None:
        """Start with these machines switched off."""
        self.off.update(names)
        for leader in {leader: None for leader, _ in self._seats}:
            self._count_lost(leader)

    def seats(self) -> Iterator[tuple[str, Seat]]:
        """The machines in pools of several, with their seats."""
        return ((name, seat) for seat, name in self._seats.items())

    def is_down(self, name: str) -> bool:
        """Whether a machine does not answer: switched off, or dead or cut off by a fault."""
        return name in self.off or self._faults.is_isolated(name) or self._faults.is_dead(name)

    def refresh(self) -> None:
        """Let pools notice, after faults have changed, which hosts are lost and which are back."""
        for leader in {leader: None for leader, _ in self._seats}:
            before = leader.lost
            self._count_lost(leader)
            for host in sorted(leader.lost - before):
                fell_silent(leader, host)
            for host in sorted(before - leader.lost):
                came_back(leader, host)

    def _count_lost(self, leader: Xapi) -> None:
        """Record which machines of a pool are lost; pools of one are not listed, as they lose nobody."""
        mine = ((host, name) for (pool, host), name in self._seats.items() if pool is leader)
        leader.lost = frozenset(host for host, name in mine if self.is_down(name))

    # ---- the engine's Surroundings ----------------------------------------------------------------------------------------

    def find(self, address: str) -> Xapi | None:
        """The XAPI at an address; None when there is none, or its machine is down."""
        name = self._named(address)
        return None if name is None or self.is_down(name) else self.hosts[name]

    def dial(self, address: str) -> Remote:
        """The pool at an address: directly when it is in this fleet, over HTTP otherwise. CANNOT_CONTACT_HOST when its machine is down."""
        name = self._named(address)
        if name is None:
            return HttpRemote(address)
        if self.is_down(name):
            raise unreachable(address)
        return Neighbour(address, self._faults.over(name, self.hosts[name]))

    def fetch(self, url: str) -> AsyncIterator[bytes]:
        """The bytes behind a URL."""
        return fetch(url)

    def authority(self, pool: Xapi, address: str) -> str:
        """The address of a pool's host with its port, which is left out when it is the default."""
        host = next((host for host, row in pool.world.rows("host") if row["address"] == address), pool.host)
        name = self._name(pool, host) or self._name(pool, pool.host)
        port = HTTP_PORT if name is None else self.port_of(name)
        return address if port == HTTP_PORT else f"{address}:{port}"

    def is_known(self, address: str) -> bool:
        """Whether the fleet has a host at an address."""
        return self._named(address) is not None

    def machine(self, pool: Xapi, host: Id) -> Xapi | None:
        """The XAPI at a host's address."""
        name = self._name(pool, host)
        return None if name is None else self.hosts[name]

    def switch(self, pool: Xapi, host: Id, *, is_on: bool) -> None:
        """Switch a machine on or off; does nothing for a host without one."""
        name = self._name(pool, host)
        if name is None:
            return
        (self.off.discard if is_on else self.off.add)(name)
        self._count_lost(pool)
        self._tell()

    def lead_from(self, pool: Xapi, host: Id) -> None:
        """Swap the seats of a pool's XAPI and one of its members."""
        old, new = self._name(pool, pool.host), self._name(pool, host)
        if old is None or new is None or host == pool.host:
            return
        old_host, pool.host = pool.host, host
        self.hosts[new] = pool
        demoted = self.hosts[old] = Member(pool, old_host)
        if self.is_down(old):
            demoted.heed(str(pool.world[old_host]["address"]))
        self._tell()

    def join(self, joiner: Xapi, pool: Xapi, host: Id) -> None:
        """Make a machine's XAPI a member of another pool; its former pool ends."""
        name = self._name(joiner, joiner.host)
        if name is None:
            raise LookupError("a machine that is in no fleet cannot join a pool")
        leader = pool.leader
        master = self._name(leader, leader.host)
        if master is None:
            raise LookupError("a pool that is in no fleet cannot be joined")
        self._seats[leader, leader.host] = master
        self.place(name, leader, host)
        self._end(joiner)
        joined(leader, host)

    def leave(self, pool: Xapi, host: Id) -> None:
        """Reset a machine to a fresh pool of its own."""
        name = self._name(pool, host)
        if name is None:
            return
        del self._seats[pool, host]
        self.off.discard(name)
        self.hosts[name] = self._renewed(name, pool.world.generation)
        self._count_lost(pool)
        self._tell()

    def install(self, pool: Xapi, host: Id, release: str) -> None:
        """Install another release on a machine: the host's software follows, and for a master its XAPI."""
        kind = personality(release)
        with pool.world.edit() as edit:
            upgrade(edit, host, kind)
        if host == pool.host:
            pool.become(release)

    def _name(self, pool: Xapi, host: Id) -> str | None:
        """The name of a host's machine; for a pool of one, which is not listed, it is searched for."""
        known = self._seats.get((pool, host))
        if known is not None or host != pool.host:
            return known
        return next((name for name, xapi in self.hosts.items() if xapi is pool), None)

    def _end(self, xapi: Xapi) -> None:
        task = asyncio.get_running_loop().create_task(xapi.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._tell()

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()

    async def close(self) -> None:
        """End all background work."""
        for xapi in list(self.hosts.values()):
            await xapi.close()
        await asyncio.gather(*self._closing)
