"""What another host's agent may ask of this one for a server that is to come here. Each answers with JSON.

The migration's uuid marks whatever is made, so that it is found again and taken away when the server does not come after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from compute_core.compute.volumes_moving import VOLUME_REQUESTS, joined, let_go, reached
from compute_core.compute.work import Host, Work
from compute_core.model.json import from_json, to_json
from compute_core.model.migrations import Migration
from compute_core.xenapi import dom0_transfer, power
from compute_core.xenapi.arrival import arrived_whole, berths, moored, turn_away, unpacked
from compute_core.xenapi.certainty import LOOKS_S
from compute_core.xenapi.live import landing, settled
from compute_core.xenapi.parcel import Parcel

PeerRequest = Callable[[Work], Awaitable[Any]]


def migration_of(work: Work) -> Migration:
    """The migration that an operation or request is about."""
    return from_json(work.arguments["migration"], Migration)


async def _expect(work: Work) -> dict[str, Any]:
    """Make room for the disks of ``parcel`` that the sender's ``pool`` cannot copy into ours: where it is, and how to bring them."""
    host, sent = work.host, from_json(work.arguments["parcel"], Parcel)
    if work.instance.uuid in host.expected:  # a former life of the sender has begun
        await turn_away(host.xapi, work.instance.domain_name, migration_of(work).uuid)
    host.expected.add(work.instance.uuid)
    await reached(host, work.instance)
    mark, is_within_pool = migration_of(work).uuid, work.arguments["pool"] == host.place.pool
    incoming = await _by_rsync(work, sent) if work.arguments["sr"] != host.place.sr or not is_within_pool else None
    disks = sent.sent(is_within_pool=is_within_pool) if incoming is None else ()
    found = await berths(host.xapi, host.place, sent.label, disks, mark, work.instance.uuid)
    here = {"pool": host.place.pool, "sr": host.place.sr, "url": _url(host), "ref": await host.xapi.ref()}
    return {**here, "berths": [to_json(berth) for berth in found], "incoming": incoming}


async def _by_rsync(work: Work, sent: Parcel) -> dict[str, Any] | None:
    """Where disks come to by rsync, when sender and receiver are told to do it so, and they stay as they are."""
    host, ssh = work.host, work.host.settings.rsync
    if ssh is None or not work.arguments["by_rsync"] or any(disk.cut_bytes for disk in sent.moved):
        return None
    sr = await dom0_transfer.prepared(host.xapi, host.place, sent.moved, migration_of(work).uuid)
    return {"host": host.place.address, "sr": sr, "user": ssh.user, "port": ssh.port} if sr else None


async def _unload(work: Work) -> list[str]:
    """Make VDIs of the disks of ``parcel`` that have come by rsync into the SR ``sr``; ``links`` has the lengths of their chains."""
    host, sent, mark = work.host, from_json(work.arguments["parcel"], Parcel), migration_of(work).uuid
    sr, links = work.arguments["sr"], work.arguments["links"]
    return [await dom0_transfer.unloaded(host.xapi, host.place, sr, disk, links[disk.userdevice], sent.label, mark) for disk in sent.moved]


def _url(host: Host) -> str:
    """Where disks are brought to: the host itself, since no other one may see its SR."""
    if host.place.is_alone:
        return host.xapi.url
    parts = urlsplit(host.xapi.url)
    return urlunsplit(parts._replace(netloc=f"{host.place.address}:{parts.port}" if parts.port else host.place.address))


async def _moor(work: Work) -> None:
    """Wait until a disk has come, by its ``task``."""
    await moored(work.host.xapi, work.arguments["task"])


async def _receive(work: Work) -> Any:
    """Make the VM of ``parcel`` and its disks here, ``vdis``, and give it its volumes, which are answered. Again is fine."""
    host, record = work.host, migration_of(work)
    sent = from_json(work.arguments["parcel"], Parcel)
    is_here = work.instance.uuid in host.vms
    vm = await arrived_whole(host.xapi, work.instance, record.new_flavor, sent, record.uuid) if is_here else None
    if vm is None:
        vm = await unpacked(host.xapi, host.place, work.instance, record.new_flavor, sent, work.arguments["vdis"], record.uuid)
    host.vms.arrived(work.instance, vm)
    return to_json(await joined(host, work.instance, vm))


async def _drop(work: Work) -> None:
    """The server is not coming: whatever was made for it goes."""
    host = work.host
    host.expected.discard(work.instance.uuid)
    await turn_away(host.xapi, work.instance.domain_name, migration_of(work).uuid)
    if host.settings.rsync is not None:
        await dom0_transfer.forget(host.xapi, host.place, migration_of(work).uuid)
    await let_go(host, work.instance)


async def _land(work: Work) -> Any:
    """Let the running VM come here, with its volumes, and say how."""
    way = await landing(work.host.xapi, work.host.place)
    return to_json(replace(way, volumes=await reached(work.host, work.instance)))


async def _has_landed(work: Work) -> int | None:
    """The power state of the server's VM when it is here, where it is at home from now on; None when it is not."""
    host, vm = work.host, work.host.vms.get(work.instance.uuid)
    if vm is not None and not host.place.is_alone:
        await settled(host.xapi, vm.ref, host.place.host)
    return None if vm is None else vm.power_state


async def _wake(work: Work) -> None:
    """Resume the server's VM here: ``vm``, or the one that has come from another pool. NotFound when it has not."""
    host, vm = work.host, work.arguments["vm"]
    for pause_s in LOOKS_S if not vm else ():
        await asyncio.sleep(pause_s)  # events of what has come may lag behind whoever sent it
        if work.instance.uuid in host.vms:
            break
    await power.resume_on(host.xapi, host.place, vm or work.vm)
    if vm:
        await settled(host.xapi, vm, host.place.host)


PEER_REQUESTS: Mapping[str, PeerRequest] = {
    "expect": _expect,
    "moor": _moor,
    "unload": _unload,
    "receive": _receive,
    "drop": _drop,
    "land": _land,
    "has_landed": _has_landed,
    "wake": _wake,
    **VOLUME_REQUESTS,
}
