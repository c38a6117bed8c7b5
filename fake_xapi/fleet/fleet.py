"""A fleet: many stand-alone hosts in one process, each its own pool, all forks of one golden host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from typing import Protocol

from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.clock import Clock
from fake_xapi.engine.derive import derive
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.xapi import DEFAULT_SETTINGS, Xapi
from fake_xapi.faults.faults import Faults, FaultyXapi
from fake_xapi.fleet.addresses import address
from fake_xapi.fleet.golden import Golden, golden
from fake_xapi.fleet.hardware import STANDARD, Hardware
from fake_xapi.fleet.population import Population, population, settle, share
from fake_xapi.state.chance import derive_seed
from fake_xapi.state.world import World
from fake_xapi.transports.ports import Xapi as XapiPort


@dataclass(frozen=True, slots=True)
class Entry:
    """A host as the inventory lists it."""

    name: str
    uuid: str
    url: str
    user: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where a host is: its name, its address and port."""

    name: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """Its XenAPI's URL."""
        return f"http://{self.address}" if self.port == 80 else f"http://{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Order:
    """What a fleet is to be: ``seed`` decides every ref, uuid and chance; ``personality`` is a release's name or version.

    ``vms`` and ``snapshots`` of them are there from the first moment, dealt out evenly over all hosts.
    """

    hosts: int = 1
    seed: int = 0
    personality: str = "latest"
    port: int = 80
    has_own_addresses: bool = True
    hardware: Hardware = STANDARD
    vms: int = 0
    snapshots: int = 0

    def site(self, number: int) -> Site:
        """Where the host of that number, counted from 0, is."""
        name = f"xs{number + 1:05d}"
        if self.has_own_addresses:
            return Site(name, address(number), self.port)
        return Site(name, "127.0.0.1", self.port + number)

    def people(self, number: int) -> Population | None:
        """The VMs of the host of that number, None when it has none; ValueError when it has no room for them."""
        vms, snapshots = (share(total, self.hosts, number) for total in (self.vms, self.snapshots))
        return population(self.personality, self.hardware, vms, snapshots) if vms or snapshots else None


class Before(Protocol):
    """What hosts were before: worlds and disks by their names, all disks over one ``file``."""

    @property
    def worlds(self) -> Mapping[str, World]:
        """Every host's world."""
        ...

    @property
    def disks(self) -> Mapping[str, DiskStore]:
        """Every host's disks."""
        ...

    @property
    def file(self) -> DiskStore:
        """What closes the bytes of them all."""
        ...


class Fleet:
    """The hosts of an order, as a router by address. ``before`` is what was saved of them."""

    def __init__(
        self, order: Order, settings: Settings = DEFAULT_SETTINGS, clock: Clock | None = None, before: Before | None = None
    ) -> None:
        self.order = order
        self.settings = settings
        self._ports: Sequence[int] = ()
        self.faults = Faults(str(order.seed), [site.name for site in self.sites()])
        self._golden = golden(order.personality, order.hardware)
        self._disks = DiskStore() if before is None else before.file
        self._clock = clock or Clock()
        self.hosts: dict[str, Xapi] = {}
        """Every host's XAPI by its name."""
        self._by_site: dict[tuple[str, int], str] = {}
        for number in range(order.hosts):
            site = order.site(number)
            world = self._fresh(number, site) if before is None else before.worlds[site.name]
            disks = self._disks.fork() if before is None else before.disks[site.name]
            xapi = self.hosts[site.name] = Xapi(world, self._golden.host, disks, settings, self._clock)
            xapi.neighbour = self._neighbour
        self.found_at([order.port] if order.has_own_addresses else [site.port for site in self.sites()])

    def _fresh(self, number: int, site: Site) -> World:
        seed, base = f"{self.order.seed}/{number}", self._golden.world
        people = self.order.people(number)
        if people is None:
            return named(self._golden, base.fork(seed), site)
        world = named(self._golden, World(people.value, seed, base.personality), site)
        settle(world, people, site.name, site.address)
        return world

    def found_at(self, ports: Sequence[int]) -> None:
        """Note where the hosts are served in fact: at one port each at its own address, or each at its own port."""
        self._ports = ports
        by_port = not self.order.has_own_addresses
        self._by_site = {(site.address, site.port if by_port else 0): site.name for site in self.sites()}

    def xapi_at(self, address: str, port: int) -> XapiPort | None:
        """The XAPI at a local address, as the faults let it be; ConnectionRefusedError when its host is dead."""
        name = self._by_site.get((address, 0 if self.order.has_own_addresses else port))
        return None if name is None else self.faults.over(name, self.hosts[name])

    def _neighbour(self, address: str) -> Xapi | None:
        """The XAPI at an address of this fleet, for the others; None when there is none or its host is dead."""
        name = self._by_site.get((address, 0))
        return None if name is None else self.hosts[name]

    def xapi_of(self, name: str) -> XapiPort:
        """The XAPI of a host by its name, to be kept: it follows the faults as they come and go. KeyError for no host of the fleet."""
        return FaultyXapi(self.hosts[name], self.faults, name)

    def sites(self) -> Iterator[Site]:
        """Where each host is."""
        planned = (self.order.site(number) for number in range(self.order.hosts))
        if not self._ports:
            return planned
        ports = repeat(self._ports[0]) if self.order.has_own_addresses else self._ports
        return (replace(site, port=port) for site, port in zip(planned, ports, strict=False))

    def inventory(self) -> list[dict[str, str]]:
        """Every host's name, uuid, URL and user."""
        user = self.settings.user
        rows = ((site, self.hosts[site.name]) for site in self.sites())
        return [asdict(Entry(site.name, xapi.world.uuid(xapi.host), site.url, user)) for site, xapi in rows]

    @property
    def base(self) -> Golden:
        """The golden host under all of them."""
        return self._golden

    async def close(self) -> None:
        """End everything that runs, and give back the disks."""
        for xapi in self.hosts.values():
            await xapi.close()
        self._disks.close()


def named(base: Golden, world: World, site: Site) -> World:
    """The world with a name, addresses and consoles of its own for the golden host in it."""
    world.derive = derive
    bits = derive_seed(world.seed, "mac")
    with world.edit() as edit:
        software = {**edit[base.host]["software_version"], "hostname": site.name}
        other = {"boot_time": "1343779200.", "agent_start_time": "1343779260.", "iscsi_iqn": f"iqn.2012-08.com.example:{site.name}"}
        edit.set(
            base.host, name_label=site.name, hostname=site.name, address=site.address, software_version=software, other_config=other,
            iscsi_iqn=other["iscsi_iqn"],
        )  # fmt: skip
        edit.set(base.control_domain, name_label=f"Control domain on host: {site.name}")
        for console in base.consoles:
            edit.set(console, location=f"https://{site.address}/console?ref={world.ref(console)}")
        for number, pif in enumerate(base.pifs):
            edit.set(pif, MAC=_mac(bits, number), IP=site.address if number == 0 else "")
    return world


def _mac(bits: int, number: int) -> str:
    octets = (bits + number).to_bytes(16, "big")[-5:]
    return ":".join(f"{octet:02x}" for octet in (0xBC, *octets))
