"""The checkers' input: the hosts as XenAPI shows them, and the servers as the REST API does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute_core.xenapi.marks import instance_of, is_cached_image
from compute_core.xenapi.session import XenApi

Records = Mapping[str, Mapping[str, Any]]
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class StrayVdi:
    """A disk on local storage that nobody owns."""

    uuid: str
    name_label: str
    virtual_size: int


@dataclass(frozen=True, slots=True)
class HostView:
    """The part of one host that the rules need: the servers whose VMs are here, with their power states, and stray disks."""

    name: str
    servers: tuple[tuple[str, str], ...]
    stray_vdis: tuple[StrayVdi, ...]


def host_view(name: str, vms: Records, vbds: Records, vdis: Records, srs: Records) -> HostView:
    """The view of a host, from its records by ref."""
    servers = tuple((uuid, vm["power_state"]) for vm in vms.values() if (uuid := instance_of(vm)) and not vm["is_a_template"])
    return HostView(name, servers, tuple(_strays(vbds, vdis, srs)))


def _strays(vbds: Records, vdis: Records, srs: Records) -> Iterator[StrayVdi]:
    """The disks that have no VBD and are not images in the cache."""
    owned = {vbd["VDI"] for vbd in vbds.values()}
    for ref, vdi in vdis.items():
        if srs[vdi["SR"]]["content_type"] != "iso" and vdi["managed"] and ref not in owned and not is_cached_image(vdi):
            yield StrayVdi(vdi["uuid"], vdi["name_label"], vdi["virtual_size"])


@dataclass(frozen=True, slots=True)
class ServerView:
    """One server as the API shows it to an admin."""

    uuid: str
    host: str | None
    status: str
    power_state: int
    task_state: str | None


async def look_at(hosts: Mapping[str, XenApi]) -> list[HostView]:
    """Every host's view, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, xenapi: XenApi) -> HostView:
        async with gate:
            vms = await xenapi.call("VM.get_all_records_where", 'field "is_a_template" = "false"')
            return host_view(name, vms, *[await xenapi.call(f"{cls}.get_all_records") for cls in ("VBD", "VDI", "SR")])

    return list(await asyncio.gather(*(one(name, xenapi) for name, xenapi in hosts.items())))


def server_view(server: Mapping[str, Any]) -> ServerView:
    """The view of a server document of the REST API."""
    return ServerView(
        server["id"],
        server["OS-EXT-SRV-ATTR:host"],
        server["status"],
        server["OS-EXT-STS:power_state"],
        server["OS-EXT-STS:task_state"],
    )


def server_views(servers: Sequence[Mapping[str, Any]]) -> list[ServerView]:
    """The views of a list of server documents."""
    return [server_view(server) for server in servers]
