"""The disks of a new server: its root from the image, the medium that it is installed from, swap, config drive, ephemeral ones.

Each has its own number in the VM, bears the server's name and the mark of which one it is, and its undo is registered.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from compute_core.images import blank_disks, config_drive
from compute_core.images.contents import RawContent
from compute_core.images.vhd_write import length_of, streamed
from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.xenapi import guest_files, marks
from compute_core.xenapi.certainty import all_of, certain, destroy
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.filling import fill
from compute_core.xenapi.image_cache import Disk, ImageCache
from compute_core.xenapi.image_source import in_thread
from compute_core.xenapi.place import Place
from compute_core.xenapi.records import GIB, Drive, vdi_record
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo

ROOT, MEDIUM, SWAP, CONFIG, FIRST_EPHEMERAL = "0", "1", "2", "3", 4
"""The numbers of disks in a VM: guests know them by these."""
BUILD = "build"
"""What the tasks of disks that are made here bear instead of a migration."""


@dataclass(frozen=True, slots=True)
class Blank:
    """A disk that is made here. ``name`` is its mark; ``make`` writes it into a file that is not there yet."""

    name: str
    device: str
    make: Callable[[Path], None]
    mode: str = "RW"


@dataclass(frozen=True, slots=True)
class Drives:
    """The places of a server's disks in its VM; ``note`` is what its operator should know of them."""

    drives: tuple[Drive, ...]
    note: str = ""


async def root_drives(xapi: XenApi, place: Place, cache: ImageCache, instance: Instance, image: Image, undo: Undo) -> Drives:
    """The root disk as a copy of the image in the flavor's size; or an empty one, and the image as the medium to install it from."""
    if image.disk_format != "iso":
        copy = await cache.root_disk(xapi, instance, image, undo)
        root, note = await grow(xapi, copy, instance.flavor.root_gb * GIB), ""
        if instance.disk_config == "AUTO" and cache.fitting is not None and root != copy:
            root, note = await cache.fitting.fitted(xapi, place, instance, root, undo)
        return Drives((Drive(root.vdi, ROOT, is_bootable=True),), note)
    medium = await cache.prepare(xapi, instance, image)
    size_bytes = instance.flavor.root_gb * GIB
    empty = [Drive(await created(xapi, place, instance, "root", size_bytes, undo), ROOT, is_bootable=True)] if size_bytes else []
    return Drives((*empty, Drive(medium.vdi, MEDIUM, mode="RO", type="CD", is_bootable=True)))


def blanks_of(instance: Instance, admin_password: str) -> Iterator[Blank]:
    """The disks that are made for a server beside its root."""
    flavor = instance.flavor
    if flavor.swap_mb:
        yield Blank("swap", SWAP, lambda path: blank_disks.make_swap(path, flavor.swap_mb))
    if instance.has_config_drive:
        files = guest_files.files(instance, admin_password)
        yield Blank("config", CONFIG, lambda path: config_drive.write(path, files), mode="RO")
    for number, size_gb in enumerate(blank_disks.parts_of(flavor.ephemeral_gb)):
        yield Blank(f"ephemeral{number}", str(FIRST_EPHEMERAL + number), _ephemeral(size_gb, number))


def _ephemeral(size_gb: int, number: int) -> Callable[[Path], None]:
    return lambda path: blank_disks.make_ephemeral(path, size_gb, f"ephemeral{number}")


async def made(xapi: XenApi, place: Place, instance: Instance, blank: Blank, undo: Undo) -> Drive:
    """Make a disk in a file, and a VDI of it: five calls. BuildFailed when this machine lacks the programs."""
    with tempfile.TemporaryDirectory(prefix="inova-disk-") as folder:
        path = Path(folder, "disk")
        try:
            await in_thread(lambda: blank.make(path))
            content = RawContent.of(path)
            numbers = await in_thread(content.numbers)
        except OSError as problem:
            raise TransferFailed(f"the disk {blank.name} could not be made: {problem}") from problem
        vdi = await created(xapi, place, instance, blank.name, content.size_bytes, undo)
        label = marks.transfer_label(BUILD, instance.uuid, blank.device)
        await fill(xapi, vdi, streamed(content, numbers), length_of(content.size_bytes, len(numbers)), label)
    return Drive(vdi, blank.device, blank.mode)


async def created(xapi: XenApi, place: Place, instance: Instance, name: str, size_bytes: int, undo: Undo) -> str:
    """An empty VDI, marked as one of the server's disks; its undo is registered."""
    record = vdi_record(place.sr, instance.domain_name, size_bytes, {marks.INSTANCE: instance.uuid, marks.DISK: name})

    async def there() -> str | None:
        vdis = await all_of(xapi, "VDI", {"name__label": instance.domain_name, "SR": place.sr})
        return next((ref for ref, vdi in vdis.items() if not vdi["VBDs"] and vdi["other_config"].get(marks.DISK) == name), None)

    vdi: str = await certain(xapi.call("VDI.create", record), there)
    undo.add(f"destroy the {name} disk", lambda: destroy(xapi, "VDI", vdi))
    return vdi


async def grow(xapi: XenApi, disk: Disk, wanted_bytes: int) -> Disk:
    """Up to the flavor's size. A lost answer is answered by the size itself."""
    if disk.size_bytes >= wanted_bytes:
        return disk

    async def is_resized() -> str | None:
        return "" if await xapi.call("VDI.get_virtual_size", disk.vdi) >= wanted_bytes else None

    await certain(xapi.call("VDI.resize", disk.vdi, wanted_bytes), is_resized)
    return Disk(disk.vdi, wanted_bytes)
