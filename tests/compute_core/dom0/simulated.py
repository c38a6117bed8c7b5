"""A simulated host that has our plugin in its dom0, and the core's callers over it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from compute_core.xenapi import dom0_bundle
from compute_core.xenapi.place import Place, learn
from compute_core.xenapi.plugins import Dom0
from compute_core.xenapi.session import Session
from fake_xapi.dom0.user_plugins import load
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import run_virtual
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from tests.compute_core.simulated import Wire, session_over

T = TypeVar("T")
URL = "http://127.0.0.1"


@dataclass
class Site:
    """All that a test of the plugin in a simulated dom0 uses."""

    xapi: Xapi
    wire: Wire
    session: Session
    place: Place
    dom0: Dom0
    sr_uuid: str


def over_dom0(folder: Path, body: Callable[..., Awaitable[T]], release: str = "latest", hosts: int = 1) -> T:
    """Run a test's body on virtual time over fresh hosts with the plugin as the installer lays it out; it gets a site of each."""
    dom0_bundle.write(folder)

    async def main() -> T:
        fleet = Fleet(Order(hosts=hosts, personality=release), Settings(plugins=load(folder)))
        sites = [await _site(xapi) for xapi in fleet.hosts.values()]
        try:
            return await body(*sites)
        finally:
            for site in sites:
                await site.session.close()
            await fleet.close()

    return run_virtual(main())


async def _site(xapi: Xapi) -> Site:
    wire = Wire(xapi)
    session = session_over(wire, URL)
    place = await learn(session, URL)
    return Site(xapi, wire, session, place, Dom0(session, place.host), xapi.world.uuid(xapi.world.find_ref(place.sr)))
