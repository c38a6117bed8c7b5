"""The host that recipes and agents are tried on: a fresh one, as the simulator serves them."""

from __future__ import annotations

from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order

HOST = "xs00001"


def fresh_fleet(release: str = "latest") -> Fleet:
    """A fleet of one host, ``HOST``; to be closed."""
    return Fleet(Order(hosts=1, personality=release))


def only_host(fleet: Fleet) -> Xapi:
    """Its XAPI."""
    return fleet.hosts[HOST]
