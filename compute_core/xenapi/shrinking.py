"""A root disk goes into a smaller size: the file system of a copy here is shrunk with the real tools, and what is left of it is sent on.

The disk itself is only read, so that it is whole when the server goes back to its old size. Its VM is halted meanwhile.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from compute_core.images.contents import RawContent
from compute_core.images.partition import LeftAlone, fit
from compute_core.images.vhd_write import length_of, streamed
from compute_core.model.errors import BuildFailed, Conflict
from compute_core.model.flavors import Flavor
from compute_core.model.instances import Instance
from compute_core.xenapi.auto_disk import fetched
from compute_core.xenapi.disk_stream import Stream
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.image_cache import Disk
from compute_core.xenapi.image_source import in_thread
from compute_core.xenapi.parcel import Parcel, ParcelDisk
from compute_core.xenapi.records import GIB
from compute_core.xenapi.session import XenApi

TOO_FULL = "Resize error: Shrinking the filesystem down with resize2fs has failed, please check if you have enough free space on your disk."
"""In the words that users of XenAPI drivers have always read here."""


def trimmed(parcel: Parcel, instance: Instance, flavor: Flavor) -> Parcel:
    """The parcel with a root disk that the flavor allows. Conflict for disks that are too large and not to be touched."""
    if flavor.ephemeral_gb < instance.flavor.ephemeral_gb:
        raise Conflict("Resize error: Can't resize down ephemeral disks.")
    wanted_bytes = flavor.root_gb * GIB
    if not any(_is_cut(disk, wanted_bytes) for disk in parcel.disks):
        return parcel
    if instance.disk_config != "AUTO":
        raise Conflict("Resize error: Resize down not allowed without auto_disk_config")
    cut = (replace(disk, cut_bytes=wanted_bytes) if _is_cut(disk, wanted_bytes) else disk for disk in parcel.disks)
    return replace(parcel, disks=tuple(cut))


def _is_cut(disk: ParcelDisk, wanted_bytes: int) -> bool:
    return disk.is_root and 0 < wanted_bytes < disk.size_bytes


@asynccontextmanager
async def shrunk(xapi: XenApi, disk: ParcelDisk) -> AsyncGenerator[Stream]:
    """What is left of a disk, as a VHD, while the block lasts. Conflict when it holds more than that, or is of another kind."""
    with tempfile.TemporaryDirectory(prefix="inova-root-") as folder:
        try:
            path = await fetched(xapi, Disk(disk.vdi, disk.size_bytes), Path(folder))
            await in_thread(partial(_fit, path, disk.cut_bytes))
            content = RawContent(path, disk.cut_bytes)
            numbers = await in_thread(content.numbers)
        except OSError as problem:
            raise TransferFailed(f"the root disk could not be shrunk: {problem}") from problem
        yield Stream(length_of(content.size_bytes, len(numbers)), streamed(content, numbers))


def _fit(path: Path, size_bytes: int) -> None:
    try:
        fit(path, size_bytes)
    except LeftAlone as reason:
        raise Conflict(f"Server disk was unable to be resized because: {reason}.") from reason
    except BuildFailed as failure:
        raise Conflict(f"Resize error: {failure.message}" if failure.is_retryable else TOO_FULL) from failure
