"""A pool whose hosts are upgraded one after another: when that is under way, and what hosts may do meanwhile.

An operator stages a release with ``host.other_config:sim.boot_release``, into which the host boots next. The master goes first.
"""

from __future__ import annotations

import re

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import names
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.lifecycle.upgrade import FLAG, is_upgrading
from fake_xapi.state.ids import Id
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call

BOOT_RELEASE = "sim.boot_release"
"""Key of ``host.other_config``: the release into which the host boots next."""
IGNORED = "SIM_SETTING_IGNORED"
_DEPENDENT = ("VM", "VDI", "VBD", "VIF", "SR", "host", "pool")


def install(call: Call, host: Id) -> None:
    """Boot into the release that is staged for a host; an unknown release raises an alert."""
    release = call.world[host]["other_config"].get(BOOT_RELEASE)
    if release is None:
        return
    if release not in names():
        call.announce(IGNORED, host, f"{BOOT_RELEASE}: no XenServer release is called {release!r}")
        return
    with call.world.edit() as edit:
        edit.drop(host, "other_config", BOOT_RELEASE)
    call.machines.install(host, release)
    _look_at_all(call.world)


def look(call: Call) -> None:
    """Record whether hosts differ in version, and what may be done because of it."""
    world = call.world
    differs = len({version(world, host) for host in world.ids("host")}) > 1
    if differs == is_upgrading(world):
        return
    with world.edit() as edit:
        if differs:
            edit.put(POOL, "other_config", FLAG, "true")
        else:
            edit.drop(POOL, "other_config", FLAG)
    _look_at_all(world)


def _look_at_all(world: World) -> None:
    """Recompute every object's allowed operations, any of which may have changed."""
    with world.edit() as edit:
        for cls in _DEPENDENT:
            for identity in world.ids(cls):
                edit.set(identity)


def version(world: World, host: Id) -> tuple[int, ...]:
    """The version of a host's software, for comparison."""
    software = world[host]["software_version"]
    text = software.get("platform_version") or software.get("product_version", "")
    build = re.findall(r"\d+", software.get("xapi_build", ""))
    return (*(int(number) for number in re.findall(r"\d+", text)), *(int(number) for number in build))


def is_not_older(world: World, source: Id, target: Id) -> bool:
    """Whether a VM may move between hosts: never back to older software."""
    return version(world, target) >= version(world, source)


def newest_hosts(world: World, hosts: list[Id]) -> list[Id]:
    """The hosts among those given on which VMs may start: during an upgrade only the newest of the pool."""
    if not is_upgrading(world):
        return hosts
    newest = max(version(world, host) for host in world.ids("host"))
    return [host for host in hosts if version(world, host) == newest]


def assert_may_start(world: World, host: Id) -> None:
    """Raise NOT_SUPPORTED_DURING_UPGRADE for a host on which no VM may start during an upgrade."""
    if not newest_hosts(world, [host]):
        raise Failure("NOT_SUPPORTED_DURING_UPGRADE")
