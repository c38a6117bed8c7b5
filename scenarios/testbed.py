"""The cell under rehearsal: a fleet of simulated hosts and the whole compute core, in one process.

Two beds with one face: over real sockets on real time, and without sockets on virtual time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from compute_core.settings import Account, HostEntry, Settings
from compute_core.wiring import CloudApplication
from compute_core.xenapi import session as xenapi
from compute_core.xenapi.http import HttpTransport
from compute_core.xenapi.transport import Dial
from fake_xapi.engine.clock import EPOCH
from fake_xapi.engine.durations import durations
from fake_xapi.engine.settings import Settings as HostSettings
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.serving import building, served
from scenarios import image
from scenarios.direct import DirectTransport
from scenarios.scenario import Scenario
from scenarios.traffic.client import CloudClient, Credentials
from scenarios.traffic.transport import Api, HttpApi, WsgiApi

ADMIN = Account("admin", "admin", ("admin",), "rehearsal")


@dataclass(frozen=True, slots=True)
class Bed:
    """A cell that is up. ``hosts`` are the tester's own sessions by the hosts' names."""

    fleet: Fleet
    cloud: CloudApplication
    client: CloudClient
    hosts: Mapping[str, xenapi.Session]

    async def images(self, folder: Path) -> dict[str, str]:
        """Upload the image twice; the second one's bytes are damaged where they lie, after the service has checked them."""
        file = folder / "image.vhd"
        image.make(file)
        content = file.read_bytes()
        ids = {name: await self.client.upload_image(f"rehearsal {name}", content) for name in ("sound", "corrupt")}
        stored = self.cloud.images.path(ids["corrupt"])
        if stored is None:
            raise RuntimeError("the embedded image store keeps its images in files")
        image.corrupt(stored)
        return ids


@asynccontextmanager
async def over_http(scenario: Scenario, seed: int, folder: Path) -> AsyncIterator[Bed]:
    """The cell over real sockets on loopback."""
    with building():
        fleet = Fleet(Order(scenario.hosts, seed, scenario.personality, port=0), _host_settings(scenario))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(served(fleet))
        settings = _settings(fleet, seed, folder)
        cloud = await stack.enter_async_context(CloudApplication(settings, epoch=datetime.now(UTC)))
        api = HttpApi(cloud.serve().url)
        stack.push_async_callback(api.close)
        yield await _furnished(stack, fleet, cloud, api, HttpTransport)


@asynccontextmanager
async def in_process(scenario: Scenario, seed: int, folder: Path) -> AsyncIterator[Bed]:
    """The cell without sockets: for the virtual-time loop."""
    with building():
        fleet = Fleet(Order(scenario.hosts, seed, scenario.personality), _host_settings(scenario))

    def dial(url: str) -> DirectTransport:
        return DirectTransport(fleet, url)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(fleet.close)
        cloud = await stack.enter_async_context(CloudApplication(_settings(fleet, seed, folder), epoch=EPOCH, dial=dial))
        yield await _furnished(stack, fleet, cloud, WsgiApi(cloud.local_app), dial)


def _host_settings(scenario: Scenario) -> HostSettings:
    return HostSettings(durations=durations(scenario.profile))


def _settings(fleet: Fleet, seed: int, folder: Path) -> Settings:
    """Files that a rehearsal leaves nowhere need not survive a power cut: ``is_synced`` is off."""
    password = fleet.settings.password
    hosts = tuple(HostEntry(row["name"], row["url"], row["user"], password, row["uuid"]) for row in fleet.inventory())
    return Settings(state=folder, hosts=hosts, accounts=(ADMIN,), seed=seed, is_synced=False)


async def _furnished(stack: AsyncExitStack, fleet: Fleet, cloud: CloudApplication, api: Api, dial: Dial) -> Bed:
    credentials = Credentials(ADMIN.user, ADMIN.project, ADMIN.password)
    client = CloudClient(api, credentials, identity="/identity/v3", compute="/v2.1", image="/image")
    await client.log_in()
    hosts = {}
    for host in cloud.settings.hosts:
        hosts[host.name] = xenapi.Session(xenapi.Login(xenapi.Account(host.url, host.user, host.password), dial))
        stack.push_async_callback(hosts[host.name].close)
    return Bed(fleet, cloud, client, hosts)
