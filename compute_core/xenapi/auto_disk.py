"""Automatic disk configuration: a new server's root disk is made a file here, in which partition and file system are fitted to it.

Where the agent runs in a VM of the pool, the disk is plugged into that; anywhere else it comes as a stream, and goes back as one into a
VDI of its own. Disks of another kind than one partition with an ext file system are left alone, and why is noted on the VM.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from compute_core.dom0 import chain
from compute_core.dom0.refusal import Refusal
from compute_core.dom0.vhd import MAX_DISK_BYTES
from compute_core.images.contents import ChainContent, RawContent
from compute_core.images.partition import LeftAlone, fit
from compute_core.images.vhd_write import BLOCK_BYTES, Content, length_of, streamed
from compute_core.model.instances import Instance
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import certain, destroy, one_of
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.filling import fill
from compute_core.xenapi.image_cache import Disk
from compute_core.xenapi.image_source import in_thread
from compute_core.xenapi.place import Place
from compute_core.xenapi.records import Drive, drive_record
from compute_core.xenapi.server_disks import BUILD, ROOT, created
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.transport import closing
from compute_core.xenapi.undo import Undo

FITTED = "fitted-root"
"""The mark of a root disk that went through here."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """The disk as a device of the VM ``vm`` (its uuid), in which the agent runs: six calls. ``devices`` is where its devices are."""

    vm: str
    devices: Path = Path("/dev")

    async def fitted(self, xapi: XenApi, place: Place, instance: Instance, root: Disk, undo: Undo) -> tuple[Disk, str]:  # noqa: ARG002
        """See Fitting."""
        domain = await xapi.call("VM.get_by_uuid", self.vm)
        async with self._device(xapi, domain, root.vdi) as path:
            return root, await _fit(path, root.size_bytes)

    @asynccontextmanager
    async def _device(self, xapi: XenApi, domain: str, vdi: str) -> AsyncGenerator[Path]:
        record = drive_record(domain, Drive(vdi, "autodetect"))
        vbd: str = await certain(xapi.call("VBD.create", record), lambda: one_of(xapi, "VBD", {"VM": domain, "VDI": vdi}))
        try:
            await certain(xapi.call("VBD.plug", vbd), lambda: _is_plugged(xapi, vbd))
            yield self.devices / await xapi.call("VBD.get_device", vbd)
        finally:
            if await _is_plugged(xapi, vbd) is not None:
                await xapi.call("VBD.unplug", vbd)
            await destroy(xapi, "VBD", vbd)


async def _is_plugged(xapi: XenApi, vbd: str) -> str | None:
    return "" if await xapi.call("VBD.get_currently_attached", vbd) else None


@dataclass(frozen=True, slots=True)
class Streamed:
    """The disk as a file that came over HTTP, and goes back so: seven calls, one for a disk that is left alone."""

    async def fitted(self, xapi: XenApi, place: Place, instance: Instance, root: Disk, undo: Undo) -> tuple[Disk, str]:
        """See Fitting."""
        with tempfile.TemporaryDirectory(prefix="inova-root-") as folder:
            try:
                path = await fetched(xapi, root, Path(folder))
                note = await _fit(path, root.size_bytes)
                if note:
                    return root, note
                content = RawContent.of(path)
                numbers = await in_thread(content.numbers)
            except OSError as problem:
                raise TransferFailed(f"the root disk could not be fitted: {problem}") from problem
            vdi = await created(xapi, place, instance, FITTED, root.size_bytes, undo)
            label = marks.transfer_label(BUILD, instance.uuid, ROOT)
            await fill(xapi, vdi, streamed(content, numbers), length_of(content.size_bytes, len(numbers)), label)
        await destroy(xapi, "VDI", root.vdi)
        return Disk(vdi, root.size_bytes), ""


async def fetched(xapi: XenApi, root: Disk, folder: Path) -> Path:
    """The disk in a file with holes, as large as it is."""
    with (folder / chain.name_of(0)).open("xb") as file:
        async with closing(xapi.get_vdi(root.vdi)) as chunks:
            async for chunk in chunks:
                file.write(chunk)
    return await in_thread(lambda: _laid_out(folder, root.size_bytes))


def _laid_out(folder: Path, size_bytes: int) -> Path:
    try:
        (link,) = chain.read(str(folder), 1, MAX_DISK_BYTES)
    except Refusal as refusal:
        raise TransferFailed(f"the root disk came otherwise than it is: {refusal}") from refusal
    content: Content = ChainContent([Path(link.path)])
    path = folder / "disk"
    with path.open("xb") as file:
        for number in content.numbers():
            file.seek(number * BLOCK_BYTES)
            file.write(content.block(number))
        file.truncate(size_bytes)
    Path(link.path).unlink()
    return path


async def _fit(path: Path, size_bytes: int) -> str:
    """Why the disk is left alone, "" when it is not."""
    try:
        await in_thread(lambda: fit(path, size_bytes))
    except LeftAlone as reason:
        return f"The root disk is left as the image has it: {reason}."
    return ""
