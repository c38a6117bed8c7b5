"""The export of a VM: its metadata, then its disks, as one archive. The VM is marked while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.dom0 import tar, xva
from fake_xapi.dom0.compression import Packing, packed
from fake_xapi.dom0.disks import Disk
from fake_xapi.state.ids import Id
from fake_xapi.verbs.archives.archive import written
from fake_xapi.verbs.archives.archive_export import Export, Scope, export
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.vms import placement

_LAST_WITH_SHA1 = "22.16.0"


@dataclass(frozen=True, slots=True)
class _Disk:
    """A disk as it was when the export began."""

    prefix: str
    disk: Disk


async def export_vm(call: Call, vm: Id, packing: Packing, *, preserves_power_state: bool) -> Iterator[bytes]:
    """The archive of a halted or suspended VM, piece by piece. Its task ends with the last piece, or when the reader stops.

    Failures VM_BAD_POWER_STATE, VM_REQUIRES_SR [vm, sr] when a disk is out of reach; TASK_CANCELLED, before or between the pieces.
    """
    release = await call.marked((vm, "export"))
    try:
        _assert_reachable(call, vm)
        scope = Scope(preserves_power_state=preserves_power_state)
        metadata = export(call, [vm], scope)
        disks = _disks(call, vm, metadata, is_suspended=preserves_power_state)
        await call.takes("VM.export", bytes_moved=sum(disk.disk.allocated_bytes for disk in disks), share=(0.0, 0.1))
    except BaseException:
        release()
        raise
    pieces = _begun(call, metadata, disks, release)
    next(pieces)  # One that was never begun would not hear that nobody reads it.
    return packed(pieces, packing) if packing else pieces


def _assert_reachable(call: Call, vm: Id) -> None:
    world = call.world
    for sr in placement.storage_of(world, world[vm]):
        if not any(world[pbd]["currently_attached"] for pbd in world[sr]["PBDs"]):
            raise Failure("VM_REQUIRES_SR", Handle(vm), Handle(sr))


def _disks(call: Call, vm: Id, metadata: Export, *, is_suspended: bool) -> list[_Disk]:
    """The VDIs that are sent, in the order of their names: no media, and the suspended memory only where it is wanted."""
    world = call.world
    rows = (world[vbd] for vbd in world[vm]["VBDs"])
    vdis = [row["VDI"] for row in rows if row["type"] != "CD" and row["VDI"]]
    if is_suspended and world[vm]["power_state"] == "Suspended":
        vdis.append(world[vm]["suspend_VDI"])
    sent = [vdi for vdi in dict.fromkeys(vdis) if vdi in metadata.names and world[world[vdi]["SR"]]["content_type"] != "iso"]
    return sorted((_Disk(metadata.names[vdi], _content(call, vdi)) for vdi in sent), key=lambda disk: disk.prefix)


def _content(call: Call, vdi: Id) -> Disk:
    """The content of a VDI; one that nobody ever read or wrote holds zeros."""
    if vdi not in call.disks:
        call.disks.create(vdi, call.world[vdi]["virtual_size"])
    return call.disks[vdi]


def _begun(call: Call, metadata: Export, disks: list[_Disk], release: Callable[[], None]) -> Iterator[bytes]:
    """The pieces, after an empty first one: it starts the generator, so that this always notices its end."""
    ending = checksum_ending(call)
    total = max(1, sum(disk.disk.size for disk in disks))
    done = 0
    try:
        yield b""
        yield tar.file(xva.METADATA, written(metadata.archive))
        for disk in disks:
            yield from xva.disk_pieces(call.disks, disk.disk, disk.prefix, ending)
            done += disk.disk.size
            call.progress(0.1 + 0.9 * done / total)
            call.stop_if_cancelled()
        yield tar.END
    finally:
        release()


def checksum_ending(call: Call) -> str:
    """The kind of checksum that the release writes; every release reads both."""
    release = call.world.personality
    is_newer = release.era == "modern" and release.name[:1].isdigit() and _number(release.name) > _number(_LAST_WITH_SHA1)
    return ".xxhash" if is_newer else ".checksum"


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.partition("-")[0].split("."))
