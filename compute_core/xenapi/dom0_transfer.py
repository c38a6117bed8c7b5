"""Disks go from one dom0 to another by rsync: what they are made on while the guest runs, they themselves once it is halted.

A snapshot puts what a disk holds into a base that stands still; when the VM is halted there is only left to send what was written since.
Both hosts have our plugin, and their SRs are folders.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid5

from compute_core.model.errors import NotFound
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, any_of, certain, destroy
from compute_core.xenapi.disk_chains import Chains, settled
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.parcel import ParcelDisk
from compute_core.xenapi.place import Place
from compute_core.xenapi.plugins import Dom0, PluginMissing, PluginRefusal, Receiver
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.snapshot import unmarked_copy
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vhd_chains import register, scan

MOST_DISKS = 16
"""Numbers that disks have in a VM."""
FEW_LINKS = 3
"""Up to so many disks of a chain are introduced one by one; a look through the whole SR needs fewer calls for more of them."""
MOST_ROUNDS = 5
"""So often a disk is sent again because the garbage collector has changed its chain meanwhile."""

Below = Mapping[str, tuple[str, ...]]
"""The uuids of what disks are made on, the nearest first, by the refs of the disks."""


# ---- on the host that they leave -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sender:
    """Where disks of the SR ``sr`` (its uuid) go, for the migration ``mark``."""

    xapi: XenApi
    place: Place
    sr: str
    receiver: Receiver
    mark: str
    most_kib_s: int = 0

    async def send_ahead(self, disks: Sequence[ParcelDisk]) -> Below:
        """Send what the disks are made on; the guest may run."""
        below = await self._below(disks)
        for disk in disks:
            if below[disk.vdi]:
                await self._send(disk, _numbered(below[disk.vdi]))
        return below

    async def send_rest(self, disks: Sequence[ParcelDisk], sent: Below) -> Mapping[str, int]:
        """Send the disks of a halted VM, and what they are made on unless it was sent: how many links each has, by its number in the VM."""
        for _ in range(MOST_ROUNDS):
            below = await self._below(disks)
            for disk in disks:
                bases = {} if sent.get(disk.vdi) == below[disk.vdi] else _numbered(below[disk.vdi])
                await self._send(disk, {0: disk.uuid, **bases})
            sent = below
            if await self._below(disks) == below:
                return {disk.userdevice: 1 + len(below[disk.vdi]) for disk in disks}
        raise TransferFailed("the garbage collector has changed the disks' chains over and over while they were sent")

    async def _send(self, disk: ParcelDisk, links: Mapping[int, str]) -> None:
        label = label_of(self.mark, disk.userdevice)
        with as_failed_transfer():
            await Dom0(self.xapi, self.place.host).send(self.sr, links, self.receiver, label, most_kib_s=self.most_kib_s)

    async def _below(self, disks: Sequence[ParcelDisk]) -> Below:
        chains = Chains(await all_of(self.xapi, "VDI", {"SR": self.place.sr}))
        return {disk.vdi: chains.uuids_below(disk.vdi) for disk in disks}


def _numbered(below: Sequence[str]) -> dict[int, str]:
    return dict(enumerate(below, start=1))


@asynccontextmanager
async def standing_still(xapi: XenApi, place: Place, disks: Sequence[ParcelDisk]) -> AsyncGenerator[None]:
    """What the disks hold now is in bases of theirs while the block lasts, and the garbage collector has done its part."""
    before = Chains(await all_of(xapi, "VDI", {"SR": place.sr}))
    async with Undo("snapshots of disks that are sent") as undo:
        copies: list[str] = []
        for disk in disks:
            undo.add("destroy the snapshot", lambda disk=disk: _forget_copy(xapi, disk.vdi))  # type: ignore[misc]
            copy = await certain(xapi.call("VDI.snapshot", disk.vdi, {}), lambda disk=disk: unmarked_copy(xapi, disk.vdi))  # type: ignore[misc]
            copies.append(copy)
        for disk, copy in zip(disks, copies, strict=True):
            if before.will_coalesce(disk.vdi):
                await settled(xapi, copy, before.uuids_below(disk.vdi))
        yield
        for copy in copies:
            await destroy(xapi, "VDI", copy)


async def _forget_copy(xapi: XenApi, vdi: str) -> None:
    """Its making may have been broken off, so it is looked for."""
    copy = await unmarked_copy(xapi, vdi)
    if copy is not None:
        await destroy(xapi, "VDI", copy)


async def forget_snapshots(xapi: XenApi, label: str, instance_uuid: str) -> None:
    """Destroy the snapshots that a transfer of the server's disks has left when it was broken off; those of backups stay."""
    for vdi, record in (await all_of(xapi, "VDI", {"name__label": label})).items():
        is_ours = record["is_a_snapshot"] and marks.instance_of(record) == instance_uuid
        if is_ours and marks.BACKUP not in record["other_config"]:
            await destroy(xapi, "VDI", vdi)


# ---- on the host that they come to -----------------------------------------------------------------------------------------------


async def prepared(xapi: XenApi, place: Place, disks: Sequence[ParcelDisk], mark: str) -> str:
    """Make folders for the disks: one call for each, and one more. The uuid of their SR; "" where none can come in this way.

    SR_FULL when the SR has no room for what one of them takes.
    """
    sr: str = await xapi.call("SR.get_uuid", place.sr)
    with as_failed_transfer():
        try:
            for disk in disks:
                await Dom0(xapi, place.host).prepare_transfer(sr, label_of(mark, disk.userdevice), disk.used_bytes)
        except (PluginMissing, NotFound):
            return ""
    return sr


async def unloaded(xapi: XenApi, place: Place, sr: str, disk: ParcelDisk, links: int, label: str, mark: str) -> str:
    """Make a VDI of the chain of a disk that has come, of so many links: its ref. Again is fine."""
    with as_failed_transfer():
        laid = await Dom0(xapi, place.host).receive(sr, label_of(mark, disk.userdevice), uuids_of(mark, disk.userdevice, links))
    vdi = await (register if links <= FEW_LINKS else scan)(xapi, place.sr, laid, label)
    await xapi.call("VDI.set_other_config", vdi, {**(disk.other_config or {}), marks.MIGRATION: mark})
    return vdi


async def forget(xapi: XenApi, place: Place, mark: str) -> None:
    """Remove what has come in this way for a migration and bears no mark yet: files, and disks that nobody has introduced."""
    sr = await xapi.call("SR.get_uuid", place.sr)
    with as_failed_transfer():
        try:
            await Dom0(xapi, place.host).forget_transfer(sr, mark)
        except (PluginMissing, NotFound):
            return
    await xapi.call("SR.scan", place.sr)
    leaves = [("uuid", uuids_of(mark, str(number), 1)[0]) for number in range(MOST_DISKS)]
    for vdi in await any_of(xapi, "VDI", leaves):
        await destroy(xapi, "VDI", vdi)


# ---- names -----------------------------------------------------------------------------------------------------------------------


def label_of(mark: str, userdevice: str) -> str:
    """The name of the folder of a disk on its way."""
    return f"{mark}-{userdevice}"


def uuids_of(mark: str, userdevice: str, links: int) -> list[str]:
    """What the links of a disk's chain are called where they arrive: the same however often it is tried."""
    return [str(uuid5(UUID(mark), f"{userdevice}/{place}")) for place in range(links)]


@contextmanager
def as_failed_transfer() -> Iterator[None]:
    """What the plugin refuses, or that there is none, fails the transfer."""
    try:
        yield
    except PluginRefusal as refusal:
        raise TransferFailed(str(refusal)) from refusal
