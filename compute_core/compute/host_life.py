"""What the cell may ask of an agent about its host as a whole. Each answers with JSON, and again is fine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compute_core.compute.work import Host
from compute_core.model.json import to_json
from compute_core.xenapi import host_life, pooling

HostRequest = Callable[[Host, Mapping[str, Any]], Awaitable[Any]]


async def _state(host: Host, _: Mapping[str, Any]) -> Any:
    """How it is."""
    return to_json(await host_life.state_of(host.xapi, host.place.host, host.place.pool))


async def _disable(host: Host, _: Mapping[str, Any]) -> None:
    await host_life.disable(host.xapi, host.place.host)


async def _enable(host: Host, _: Mapping[str, Any]) -> None:
    await host_life.enable(host.xapi, host.place.host)


async def _reboot(host: Host, arguments: Mapping[str, Any]) -> None:
    """Boot it again, unless it has booted since ``boot_time``."""
    await host_life.reboot(host.xapi, host.place.host, arguments["boot_time"])


async def _shutdown(host: Host, arguments: Mapping[str, Any]) -> None:
    await host_life.shutdown(host.xapi, host.place.host, arguments["boot_time"])


async def _power_on(host: Host, arguments: Mapping[str, Any]) -> None:
    """Switch on a neighbour in the pool, by its ``uuid``."""
    await host_life.power_on(host.xapi, arguments["uuid"])


async def _name_pool(host: Host, arguments: Mapping[str, Any]) -> None:
    await pooling.name_pool(host.xapi, arguments["name"])


async def _has_member(host: Host, arguments: Mapping[str, Any]) -> bool:
    """Whether this host's pool knows another, by its ``uuid``."""
    return await pooling.has_member(host.xapi, arguments["uuid"])


async def _join(host: Host, arguments: Mapping[str, Any]) -> None:
    """Begin to join the pool of the master at ``address``."""
    await pooling.join(host.xapi, arguments["address"])


async def _eject(host: Host, arguments: Mapping[str, Any]) -> None:
    """Begin to leave the ``pool``, unless it has been left."""
    if host.place.pool == arguments["pool"]:
        await pooling.eject(host.xapi, host.place.host)


HOST_REQUESTS: Mapping[str, HostRequest] = {
    "state": _state,
    "disable": _disable,
    "enable": _enable,
    "reboot": _reboot,
    "shutdown": _shutdown,
    "power_on": _power_on,
    "name_pool": _name_pool,
    "has_member": _has_member,
    "join": _join,
    "eject": _eject,
}
