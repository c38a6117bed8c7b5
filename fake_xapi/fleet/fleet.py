"""A fleet: many hosts in one process, each a pool by itself or several to a pool, all forks of one golden host or pool."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice, repeat
from typing import Literal, Protocol

from fake_xapi.dom0.blocks import HollowFile
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.audit import AuditLog
from fake_xapi.engine.clock import Clock
from fake_xapi.engine.derive import derive
from fake_xapi.engine.rewinding import awaken
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.xapi import DEFAULT_SETTINGS, Xapi
from fake_xapi.faults.faults import Faults
from fake_xapi.fleet.addresses import address
from fake_xapi.fleet.golden import Golden, Machine, golden
from fake_xapi.fleet.hardware import STANDARD, Hardware
from fake_xapi.fleet.machines import KeptXapi, Machines
from fake_xapi.fleet.population import Population, population, settle, share
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.chance import derive_seed
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.transports.ports import Xapi as XapiPort
from fake_xapi.verbs.disks.media import Arrays, Shelf, follow_if_needed


@dataclass(frozen=True, slots=True)
class Entry:
    """A host as the inventory lists it."""

    name: str
    uuid: str
    url: str
    user: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where a host is: its name, address and port."""

    name: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """The URL of its XenAPI."""
        return f"http://{self.address}" if self.port == 80 else f"http://{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Order:
    """The specification of a fleet: ``seed`` decides every ref, uuid and chance; ``personality`` is a release's name or version.

    ``pool_size`` hosts each are a pool, the first of them its master; the last pool may be smaller.
    ``vms`` and ``snapshots`` of them are there from the first moment, dealt out evenly over all hosts.
    ``disk_bytes``: what is written to disks is kept, or only measured: then what is read is noise, and guests fill their disks by a model.
    """

    hosts: int = 1
    seed: int = 0
    personality: str = "latest"
    port: int = 80
    has_own_addresses: bool = True
    hardware: Hardware = STANDARD
    vms: int = 0
    snapshots: int = 0
    disk_bytes: Literal["keep", "measure"] = "keep"
    pool_size: int = 1

    def site(self, number: int) -> Site:
        """Where the host with that number is, counted from 0."""
        name = f"xs{number + 1:05d}"
        if self.has_own_addresses:
            return Site(name, address(number), self.port)
        return Site(name, "127.0.0.1", self.port + number)

    def people(self, number: int) -> Population | None:
        """The VMs of the host with that number, None when it has none; ValueError when they do not fit."""
        if self.pool_size > 1 and (self.vms or self.snapshots):
            raise ValueError("only stand-alone hosts have VMs from the start; make those of pools through XenAPI")
        vms, snapshots = (share(total, self.hosts, number) for total in (self.vms, self.snapshots))
        return population(self.personality, self.hardware, vms, snapshots) if vms or snapshots else None


class Before(Protocol):
    """The saved state of hosts: worlds and disks of pools by the names of their masters, all disks over one ``file``."""

    @property
    def worlds(self) -> Mapping[str, World]:
        """The world of every pool."""
        ...

    @property
    def disks(self) -> Mapping[str, DiskStore]:
        """The disks of every pool."""
        ...

    @property
    def members(self) -> Mapping[str, tuple[str, Id]]:
        """For hosts in pools of several: the name of the master, and the host in its world."""
        ...

    @property
    def off(self) -> Collection[str]:
        """The names of hosts that are switched off."""
        ...

    @property
    def arrays(self) -> Shelf:
        """What was on the storage arrays."""
        ...

    @property
    def file(self) -> DiskStore:
        """The file with the bytes of all disks, to be closed at the end."""
        ...


class Fleet:
    """The hosts of an order, as a router by address. ``before`` is their saved state."""

    def __init__(
        self, order: Order, settings: Settings = DEFAULT_SETTINGS, clock: Clock | None = None, before: Before | None = None
    ) -> None:
        self.order = order
        self.settings = settings
        self.audit = AuditLog()
        """The audit log of all hosts."""
        self._secret = b""
        self.tls_ports: Sequence[int] = ()
        self._ports: Sequence[int] = ()
        self.faults = Faults(str(order.seed), [site.name for site in self.sites()])
        self._golden = golden(order.personality, order.hardware, min(order.pool_size, order.hosts))
        self._disks = before.file if before is not None else DiskStore(HollowFile() if order.disk_bytes == "measure" else None)
        self.arrays = Arrays(self._disks, settings.storage, None if before is None else before.arrays)
        """The storage outside all hosts."""
        self._clock = clock or Clock()
        self.machines = Machines(self.faults, self._name_at, self._renewed)
        self.machines.port_of = self._port_of
        self.hosts: Mapping[str, Xapi] = self.machines.hosts
        """Every host's XAPI by its name."""
        self.faults.attach(self.hosts)
        self.watch: Callable[[str, XapiPort], XapiPort] | None = None
        """Wraps the XAPI of a host, by its name, to observe its calls; None when nobody watches."""
        self._by_site: dict[tuple[str, int], str] = {}
        self._restored: tuple[Xapi, ...] = ()
        """The XAPIs of saved worlds whose background work has not been restarted yet."""
        if before is None:
            self._build()
        else:
            self._restore(before)
        self.found_at([order.port] if order.has_own_addresses else [site.port for site in self.sites()])
        self.faults.deaths.append(self.machines.refresh)

    def _build(self) -> None:
        sites = self.sites()
        for number in range(0, self.order.hosts, self.order.pool_size):
            here = list(islice(sites, self.order.pool_size))
            base = golden(self.order.personality, self.order.hardware, len(here))
            leader = self._xapi(self._fresh(base, number, here), base.host, self._disks.fork())
            if len(here) == 1:
                self.machines.place_alone(here[0].name, leader)
                continue
            for site, machine in zip(here, base.machines, strict=True):
                self.machines.place(site.name, leader, machine.host)

    def _restore(self, before: Before) -> None:
        leaders: dict[str, Xapi] = {}
        for name, world in before.worlds.items():
            leaders[name] = self._xapi(world, world[POOL]["master"], before.disks[name])
            follow_if_needed(leaders[name])
        for site in self.sites():
            leader, host = before.members.get(site.name, ("", 0))
            if leader:
                self.machines.place(site.name, leaders[leader], host)
            else:
                self.machines.place_alone(site.name, leaders[site.name])
        self.machines.begin_with_off(before.off)
        self._restored = tuple(leaders.values())

    def awaken(self) -> None:
        """Restart the background work of saved worlds on the running loop: booting guests, schedules, scans."""
        for leader in self._restored:
            awaken(leader)
        self._restored = ()

    def _xapi(self, world: World, host: Id, disks: DiskStore) -> Xapi:
        xapi = Xapi(world, host, disks, self.settings, self._clock)
        xapi.neighbour, xapi.around, xapi.arrays = self.machines.find, self.machines, self.arrays
        xapi.audit = self.audit
        if self._secret:
            world.guard(self._secret)
        return xapi

    def guard(self, secret: bytes) -> None:
        """Make sessions unpredictable, before the hosts are served to anybody. See ``World.guard``."""
        self._secret = secret
        for xapi in self.hosts.values():
            xapi.world.guard(secret)

    def _renewed(self, name: str, generation: int) -> Xapi:
        """The XAPI of a host that was reset to a pool of its own."""
        number, site = next((number, site) for number, site in enumerate(self.sites()) if site.name == name)
        base = golden(self.order.personality, self.order.hardware)
        world = named(base, base.world.fork(f"{self.order.seed}/{number}/{generation}"), [site], self._clock.epoch)
        return self._xapi(world, base.host, self._disks.fork())

    def _fresh(self, golden: Golden, number: int, sites: Sequence[Site]) -> World:
        seed, base = f"{self.order.seed}/{number}", golden.world
        people = self.order.people(number)
        if people is None:
            return named(golden, base.fork(seed), sites, self._clock.epoch)
        world = named(golden, World(people.value, seed, base.personality), sites, self._clock.epoch)
        settle(world, people, sites[0].name, sites[0].address)
        return world

    def found_at(self, ports: Sequence[int]) -> None:
        """Note where the hosts are actually served: at one port, each at its own address, or each at its own port."""
        self._ports = ports
        by_port = not self.order.has_own_addresses
        self._by_site = {(site.address, site.port if by_port else 0): site.name for site in self.sites()}

    def found_tls_at(self, ports: Sequence[int]) -> None:
        """Note where the hosts are served with TLS: at one port, each at its own address, or each at its own port."""
        self.tls_ports = ports
        if not self.order.has_own_addresses:
            self._by_site.update({(site.address, port): site.name for site, port in zip(self.sites(), ports, strict=True)})

    def tls_url(self, number: int) -> str:
        """The HTTPS URL of the host with that number; "" without TLS."""
        if not self.tls_ports:
            return ""
        port = self.tls_ports[0 if self.order.has_own_addresses else number]
        return f"https://{self.order.site(number).address}" + ("" if port == 443 else f":{port}")

    def certificates(self) -> str:
        """The certificates with which the hosts serve, as PEM, by which clients can verify them."""
        return "".join(xapi.server_identity()[0] for xapi in self.hosts.values())

    def xapi_at(self, address: str, port: int) -> XapiPort | None:
        """The XAPI at a local address, subject to faults; ConnectionRefusedError when its host is dead."""
        name = self._by_site.get((address, 0 if self.order.has_own_addresses else port))
        if name is None:
            return None
        if name in self.machines.off:
            raise ConnectionRefusedError(f"{name} is off")
        found = self.faults.over(name, self.hosts[name])
        return found if self.watch is None else self.watch(name, found)

    def _name_at(self, address: str) -> str | None:
        """The name of the host at an address, or at address and port where hosts share an address."""
        where, _, port = address.partition(":")
        if port and not (port.isascii() and port.isdigit() and len(port) < 6):
            return None
        if not self.order.has_own_addresses:
            return self._by_site.get((where, int(port or 80)))
        return None if port and int(port) not in self._ports else self._by_site.get((where, 0))

    def _port_of(self, name: str) -> int:
        """The port where a machine is actually served; for one that is not served, the planned one."""
        return next(site.port for site in self.sites() if site.name == name)

    def xapi_of(self, name: str) -> XapiPort:
        """The XAPI of a host by name, for keeping: it follows the faults as they come and go. KeyError for an unknown host."""
        if name not in self.hosts:
            raise KeyError(name)
        found = KeptXapi(self.machines, self.faults, name)
        return found if self.watch is None else self.watch(name, found)

    @property
    def clock(self) -> Clock:
        """The clock of hosts whose clock is not wrong."""
        return self._clock

    def fork(self, name: str) -> Site:
        """Add a host that begins as a copy of a stand-alone host: same refs and sessions, but an address of its own.

        ValueError for a host of a pool, and where hosts share one address.
        """
        xapi = self.hosts[name]
        if any(name == seated for seated, _ in self.machines.seats()):
            raise ValueError(f"{name} is in a pool of several hosts; only a stand-alone host is forked")
        if not self.order.has_own_addresses or self.order.vms or self.order.snapshots:
            raise ValueError("only hosts with addresses of their own, and without VMs from the start, are forked; serve them so")
        number, self.order = self.order.hosts, replace(self.order, hosts=self.order.hosts + 1)
        site = replace(self.order.site(number), port=self._ports[0])
        world = xapi.world.fork()
        forked = self._xapi(world, xapi.host, xapi.disks.fork())
        moved(world, xapi.host, site.address)
        self.machines.place_alone(site.name, forked)
        self.found_at(self._ports)
        self.faults.joined(site.name)
        return site

    def sites(self) -> Iterator[Site]:
        """The sites of all hosts."""
        planned = (self.order.site(number) for number in range(self.order.hosts))
        if not self._ports:
            return planned
        ports = repeat(self._ports[0]) if self.order.has_own_addresses else self._ports
        return (replace(site, port=port) for site, port in zip(planned, ports, strict=False))

    def inventory(self) -> list[dict[str, str]]:
        """Every host's name, uuid, URL and user; with TLS also ``tls_url``."""
        user = self.settings.user
        rows = ((site, self.hosts[site.name]) for site in self.sites())
        entries = [asdict(Entry(site.name, xapi.world.uuid(xapi.host), site.url, user)) for site, xapi in rows]
        return [entry | {"tls_url": self.tls_url(number)} for number, entry in enumerate(entries)] if self.tls_ports else entries

    @property
    def base(self) -> Golden:
        """The golden host from which all are forked."""
        return self._golden

    async def close(self) -> None:
        """End all background work, and release the disks."""
        await self.machines.close()
        self._disks.close()


def named(base: Golden, world: World, sites: Sequence[Site], booted: datetime) -> World:
    """The world, with the golden hosts in it given names, addresses and consoles of their own, and the date when they booted."""
    world.derive = derive
    bits = derive_seed(world.seed, "mac")
    since = f"{booted.timestamp():.0f}."
    with world.edit() as edit:
        for place, (machine, site) in enumerate(zip(base.machines, sites, strict=True)):
            _name(world, edit, machine, site, bits + place * len(machine.pifs), since)
    return world


def _name(world: World, edit: Edit, machine: Machine, site: Site, bits: int, since: str) -> None:
    software = {**edit[machine.host]["software_version"], "hostname": site.name}
    other = {"boot_time": since, "agent_start_time": since, "iscsi_iqn": f"iqn.2012-08.com.example:{site.name}"}
    edit.set(
        machine.host, name_label=site.name, hostname=site.name, address=site.address, software_version=software, other_config=other,
        iscsi_iqn=other["iscsi_iqn"],
    )  # fmt: skip
    edit.set(machine.control_domain, name_label=f"Control domain on host: {site.name}")
    for console in machine.consoles:
        edit.set(console, location=f"https://{site.address}/console?ref={world.ref(console)}")
    for number, pif in enumerate(machine.pifs):
        edit.set(pif, MAC=_mac(bits, number), IP=site.address if number == 0 else "")


def _mac(bits: int, number: int) -> str:
    octets = (bits + number).to_bytes(16, "big")[-5:]
    return ":".join(f"{octet:02x}" for octet in (0xBC, *octets))


def moved(world: World, host: Id, address: str) -> None:
    """Move a host to another address; everything else stays."""
    world.derive = derive
    before = str(world[host]["address"])
    with world.edit() as edit:
        edit.set(host, address=address)
        for pif, row in world.rows("PIF"):
            if row["host"] == host and row["IP"] == before:
                edit.set(pif, IP=address)
        for console, row in world.rows("console"):
            edit.set(console, location=row["location"].replace(f"//{before}/", f"//{address}/"))
