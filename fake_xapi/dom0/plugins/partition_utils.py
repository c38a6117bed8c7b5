"""The plugin ``partition_utils``: disks that are plugged into dom0 get a partition and a file system.

What is written is what a reader looks for first: the table of partitions, a superblock, the mark of a swap area.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping

from fake_xapi.datamodel.digits import whole
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.dom0.plugins.place import Dom0, PluginError
from fake_xapi.state.ids import NULL, Id

SECTOR = 512
_TABLE = 446
_LINUX = 0x83
_LOOKS_EVERY_S = 1.0
_ENTRY = struct.Struct("<B3sB3sII")
_SIGNATURE = b"\x55\xaa"
_PAGE = 4096


async def wait_for_dev(dom0: Dom0, dev_path: str, max_seconds: float) -> str:
    """The path of a device once it is there; "" when it has not come in time."""
    deadline = asyncio.get_running_loop().time() + float(max_seconds)
    while not _disk_at(dom0, dev_path):
        if asyncio.get_running_loop().time() >= deadline:
            return ""
        await asyncio.sleep(_LOOKS_EVERY_S)
    return dev_path


def _disk_at(dom0: Dom0, dev_path: str) -> Id:
    """The disk that dom0 has as a device."""
    name = dev_path.removeprefix("/dev/")
    for vm in dom0.world[dom0.host]["resident_VMs"]:
        row = dom0.world[vm]
        for vbd in row["VBDs"] if row["is_control_domain"] else ():
            device = dom0.world[vbd]
            if device["currently_attached"] and device["device"] == name:
                return int(device["VDI"])
    return NULL


def _writable(dom0: Dom0, dev: str) -> Id:
    vdi = _disk_at(dom0, dev)
    if not vdi:
        raise PluginError(
            f"Command failed with code 1: /dev/{dev.removeprefix('/dev/')}: No such file or directory", "ProcessExecutionError"
        )
    if vdi not in dom0.call.disks:
        dom0.call.disks.create(vdi, dom0.world[vdi]["virtual_size"])
    return vdi


def make_partition(dom0: Dom0, dev: str, partition_start: str, partition_end: str) -> None:
    """One partition from a sector to another, "-" for as far as the disk goes; the table that was there is gone."""
    vdi = _writable(dom0, dev)
    sectors = dom0.call.disks[vdi].size // SECTOR
    first, last = _sector(partition_start, sectors), _sector(partition_end, sectors)
    if not 0 < first <= last < sectors:
        raise PluginError(f"Command failed with code 1: no partition from {partition_start} to {partition_end}", "ProcessExecutionError")
    count = min(last - first + 1, 0xFFFFFFFF)
    table = _ENTRY.pack(0, b"\xfe\xff\xff", _LINUX, b"\xfe\xff\xff", first, count).ljust(64, b"\0") + _SIGNATURE
    dom0.call.disks.write(vdi, _TABLE, table)
    dom0.call.disks.write(vdi, first * SECTOR, bytes(min(2 * _PAGE, count * SECTOR)))


def _sector(text: str, sectors: int) -> int:
    bare = str(text).rstrip("s")
    if bare == "-":
        return sectors - 1
    number = whole(bare)
    return -1 if number is None else number


def mkfs(dom0: Dom0, dev: str, partnum: str, fs_type: str, fs_label: str = "") -> None:
    """Make a file system in a partition; PluginError for a partition or a kind that is none."""
    vdi = _writable(dom0, dev)
    start, count = _partition(dom0.call.disks, vdi, str(partnum))
    if fs_type not in _MAKERS or not count:
        raise PluginError(f"Command failed with code 1: mkfs -t {fs_type} on partition {partnum}", "ProcessExecutionError")
    offset, content = _MAKERS[fs_type](count * SECTOR, fs_label or "")
    dom0.call.disks.write(vdi, start * SECTOR + offset, content)


def _partition(store: DiskStore, vdi: Id, number: str) -> tuple[int, int]:
    if number not in ("1", "2", "3", "4") or store.read(vdi, 510, 2) != _SIGNATURE:
        return 0, 0
    entry = store.read(vdi, _TABLE + (int(number) - 1) * _ENTRY.size, _ENTRY.size)
    *_, first, count = _ENTRY.unpack(entry)
    return first, count


def _ext(size: int, label: str) -> tuple[int, bytes]:
    """The superblock of an ext file system, at 1,024 bytes: sizes, magic, state, name."""
    blocks = size // _PAGE
    inodes = max(blocks // 4, 16)
    head = struct.pack("<7I", inodes, blocks, 0, blocks, inodes, 0, 2).ljust(56, b"\0") + struct.pack("<HHH", 0xEF53, 1, 1)
    return 1024, head.ljust(120, b"\0") + label.encode()[:16].ljust(16, b"\0") + bytes(1024 - 136)


def _swap(size: int, label: str) -> tuple[int, bytes]:
    """The header of a swap area fills a page: version, last page, name, and the mark at its end."""
    header = bytes(1024) + struct.pack("<III", 1, size // _PAGE - 1, 0) + bytes(16) + label.encode()[:16].ljust(16, b"\0")
    return 0, header.ljust(_PAGE - 10, b"\0") + b"SWAPSPACE2"


_MAKERS: Mapping[str, Callable[[int, str], tuple[int, bytes]]] = {
    "ext2": _ext,
    "ext3": _ext,
    "ext4": _ext,
    "swap": _swap,
    "linux-swap": _swap,
}
