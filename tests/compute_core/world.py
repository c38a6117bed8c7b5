"""The host that recipes and agents are tried on: a fresh one, as the simulator serves them."""

from __future__ import annotations

from dataclasses import replace

from fake_xapi.dom0.user_plugins import NO_PLUGINS, UserPlugins
from fake_xapi.engine.xapi import DEFAULT_SETTINGS, Xapi
from fake_xapi.fleet.fleet import Fleet, Order

HOST = "xs00001"


def fresh_fleet(release: str = "latest", plugins: UserPlugins = NO_PLUGINS) -> Fleet:
    """A fleet of one host, ``HOST``, with ``plugins`` in its dom0; to be closed."""
    return Fleet(Order(hosts=1, personality=release), replace(DEFAULT_SETTINGS, plugins=plugins))


def only_host(fleet: Fleet) -> Xapi:
    """Its XAPI."""
    return fleet.hosts[HOST]
