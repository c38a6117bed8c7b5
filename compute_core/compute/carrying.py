"""The disks of a server that is resized or migrated, on their way to where it goes.

A pool copies its own; elsewhere they go as streams by XenAPI, or by rsync from dom0 to dom0, where both hosts are told so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from compute_core.compute.progress import Progress, kept_told
from compute_core.compute.work import Work
from compute_core.model.errors import HostUnreachable
from compute_core.model.json import from_json, to_json
from compute_core.model.migrations import Migration
from compute_core.model.rsync import Rsync
from compute_core.xenapi import power
from compute_core.xenapi.arrival import Berth, copy_here
from compute_core.xenapi.disk_stream import Stream, measured
from compute_core.xenapi.dom0_transfer import Sender, standing_still
from compute_core.xenapi.parcel import Parcel, ParcelDisk
from compute_core.xenapi.plugins import Receiver
from compute_core.xenapi.shrinking import shrunk
from compute_core.xenapi.transport import closing

AHEAD = 80
"""How far a move by rsync is, in percent, when the guest has to stand still."""


async def asked(work: Work, record: Migration, request: str, **arguments: Any) -> Any:
    """What the agent of the migration's destination answers."""
    told = {"migration": to_json(record), **arguments}
    return await work.host.peers.ask(record.destination, request, work.instance, **told)


async def answered(work: Work, record: Migration, request: str, **arguments: Any) -> Any:
    """As ``asked``, of a request that has an answer. HostUnreachable without one: the agent has died over it."""
    answer = await asked(work, record, request, **arguments)
    if answer is None:
        raise HostUnreachable(f"{record.destination} did not answer {request}")
    return answer


async def expected(work: Work, record: Migration, parcel: Parcel) -> Mapping[str, Any]:
    """What the other host has made ready for the parcel, and how it is to be brought."""
    host = work.host
    ways = {"pool": host.place.pool, "sr": host.place.sr, "by_rsync": host.settings.rsync is not None}
    found: Mapping[str, Any] = await answered(work, record, "expect", parcel=to_json(parcel), **ways)
    return found


async def carried(work: Work, vm: str, parcel: Parcel, record: Migration, found: Mapping[str, Any]) -> Sequence[str]:
    """The disks as the other host has them, in the order of ``parcel.moved``, the VM being halted. ``found``: what it has made ready."""
    async with kept_told(work) as progress:
        way = _by_rsync if found["incoming"] else _by_xenapi
        return await way(work, vm, parcel, record, found, progress)


async def _by_xenapi(work: Work, vm: str, parcel: Parcel, record: Migration, found: Mapping[str, Any], progress: Progress) -> Sequence[str]:
    is_within = found["pool"] == work.host.place.pool
    berths = [from_json(each, Berth) for each in found["berths"]]
    streams = dict(zip((disk.vdi for disk in parcel.sent(is_within_pool=is_within)), berths, strict=True))
    await _halted(work, vm, parcel)
    if streams:
        await _streamed(work, record, [(disk, streams[disk.vdi]) for disk in parcel.moved if disk.vdi in streams], found, progress)
    return [streams[disk.vdi].vdi if disk.vdi in streams else await _copied(work, disk, record, found) for disk in parcel.moved]


async def _by_rsync(work: Work, vm: str, parcel: Parcel, record: Migration, found: Mapping[str, Any], progress: Progress) -> Sequence[str]:
    """What the disks are made on goes while the guest runs, so that it stands still but for what it writes meanwhile."""
    host, disks, ssh = work.host, parcel.moved, work.host.settings.rsync or Rsync()
    receiver = Receiver(**found["incoming"], identity_file=ssh.identity_file, known_hosts_file=ssh.known_hosts_file)
    sr = await host.xapi.call("SR.get_uuid", host.place.sr)
    sender = Sender(host.xapi, host.place, sr, receiver, record.uuid, ssh.most_kib_s)
    if parcel.power_state == "Halted":
        links = await sender.send_rest(disks, {})
    else:
        async with standing_still(host.xapi, host.place, disks):
            sent = await sender.send_ahead(disks)
            await progress.tell(AHEAD)
            await _halted(work, vm, parcel)
            links = await sender.send_rest(disks, sent)
    vdis: Sequence[str] = await answered(work, record, "unload", parcel=to_json(parcel), sr=receiver.sr, links=dict(links))
    return vdis


async def _copied(work: Work, disk: ParcelDisk, record: Migration, found: Mapping[str, Any]) -> str:
    shares_sr = found["sr"] == work.host.place.sr
    return await copy_here(work.host.xapi, disk, found["sr"], record.uuid, shares_sr=shares_sr)


async def _streamed(
    work: Work, record: Migration, disks: Sequence[tuple[ParcelDisk, Berth]], found: Mapping[str, Any], progress: Progress
) -> None:
    way = work.host.xapi.elsewhere(found["url"], found["ref"])
    try:
        for number, (disk, berth) in enumerate(disks):
            async with shrunk(work.host.xapi, disk) if disk.cut_bytes else _whole(work, disk) as stream:
                passing = progress.passing(stream.chunks, stream.length, 100 * number / len(disks), 100 * (number + 1) / len(disks))
                await way.put_vdi(berth.vdi, passing, stream.length, task=berth.task)
    finally:
        await way.close()
    for _, berth in disks:
        await asked(work, record, "moor", task=berth.task)


@asynccontextmanager
async def _whole(work: Work, disk: ParcelDisk) -> AsyncGenerator[Stream]:
    async with closing(work.host.xapi.get_vdi(disk.vdi)) as chunks:
        yield await measured(chunks, f"disk {disk.userdevice}")


async def _halted(work: Work, vm: str, parcel: Parcel) -> None:
    if parcel.power_state != "Halted":
        await power.stop(work.host.xapi, vm, work.host.settings.patience)
