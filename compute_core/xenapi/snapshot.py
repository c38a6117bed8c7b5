"""Make an image of a server's root disk: a snapshot of the VDI, streamed out with all that its chain holds, then forgotten.

An image in a container becomes a tar of numbered VHDs, what the server has written and the image that it was made from; any other is
one VHD. Four calls, and three more where there is a chain to be found and waited for, whatever the SR holds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from compute_core.model.images import Image
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, certain, destroy, named_vm
from compute_core.xenapi.disk_chains import Chains, settled
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.image_stream import Images
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.transport import closing
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vhd_archive import Link, OnProgress, Tally, archived, gzipped, untold

COMPRESSION = "xenapi_image_compression_level"
"""The property of an image that says how hard gzip packs it, 1 to 9; without it, it is not packed."""
QUIESCE = "os_require_quiesce"
"""The property of an image whose guest is to be at rest while its disks are copied: refused where host or guest cannot do so."""
NO_ROOT = "the server has no root disk"


async def snapshot(xapi: XenApi, vm: str, image_id: str, images: Images, sr: str = "", on_progress: OnProgress = untold) -> Tally:
    """Fill the queued image ``image_id``. The VM may go on running; nothing is left on the host, however it ends.

    ``sr``: where the disks of servers are, "" when chains are of no interest. Raises XenApiFailure, NotSent, ReplyLost, TransferFailed,
    BadImage, NotFound.
    """
    image, tally = await images.get(image_id), Tally(on_progress)
    root = await root_disk(xapi, vm)
    if image.container_format != "ovf":
        async with copied(xapi, vm, root, image) as copy, closing(xapi.get_vdi(copy)) as chunks:
            await images.upload(image_id, chunks)
        return tally
    chains = Chains(await all_of(xapi, "VDI", {"SR": sr}) if sr else {})
    async with copied(xapi, vm, root, image) as copy:
        if chains.will_coalesce(root):
            await settled(xapi, copy, chains.uuids_below(root))
        links = _links(image.id, copy, chains.image_of(root))
        async with closing(_packed(archived(xapi, links, tally), image)) as chunks:
            await images.upload(image_id, chunks)
    return tally


async def root_disk(xapi: XenApi, vm: str) -> str:
    """The VDI that a VM boots from. TransferFailed: there is none."""
    vbds = await all_of(xapi, "VBD", {"VM": vm, "userdevice": "0"})
    root: str | None = next((vbd["VDI"] for vbd in vbds.values() if not vbd["empty"]), None)
    if root is None:
        raise TransferFailed(NO_ROOT)
    return root


@asynccontextmanager
async def copied(xapi: XenApi, vm: str, root: str, image: Image) -> AsyncGenerator[str]:
    """A snapshot of the root disk while the block lasts."""
    taken = _quiesced if is_quiesced(image) else _at_once
    async with Undo(f"snapshot into image {image.id}") as undo, taken(xapi, vm, root, undo) as copy:
        yield copy


def is_quiesced(image: Image) -> bool:
    """Whether its guest is to be at rest."""
    return image.properties.get(QUIESCE, "").lower() in {"yes", "true", "1"}


@asynccontextmanager
async def _at_once(xapi: XenApi, _vm: str, root: str, undo: Undo) -> AsyncGenerator[str]:
    copy = await certain(xapi.call("VDI.snapshot", root, {}), lambda: unmarked_copy(xapi, root))
    undo.add("destroy the snapshot", lambda: destroy(xapi, "VDI", copy))
    yield copy
    await destroy(xapi, "VDI", copy)


async def unmarked_copy(xapi: XenApi, root: str) -> str | None:
    """The snapshot whose making was not heard of: nobody else makes one meanwhile, and those of backups are marked."""
    found = await all_of(xapi, "VDI", {"snapshot_of": root})
    return next((ref for ref, vdi in found.items() if marks.BACKUP not in vdi["other_config"]), None)


@asynccontextmanager
async def _quiesced(xapi: XenApi, vm: str, root: str, undo: Undo) -> AsyncGenerator[str]:
    """The whole VM is copied, through the guest: its disks and their snapshots go with it."""
    name = quiesced_label(vm)
    whole = await certain(xapi.call("VM.snapshot_with_quiesce", vm, name), lambda: named_vm(xapi, name))
    undo.add("remove the snapshot of the VM", lambda: remove_quiesced(xapi, vm))
    vdis = await _vdis(xapi, whole)
    copy = next((ref for ref, vdi in vdis.items() if vdi["snapshot_of"] == root), None)
    if copy is None:
        raise TransferFailed(NO_ROOT)
    yield copy
    await remove_quiesced(xapi, vm)


def quiesced_label(vm: str) -> str:
    """The name_label of a VM's snapshot while its image is made."""
    return f"inova snapshot of {vm}"


async def remove_quiesced(xapi: XenApi, vm: str) -> None:
    """The snapshots of a VM that were made for images, with their disks; none is fine."""
    for whole in await all_of(xapi, "VM", {"name__label": quiesced_label(vm)}):
        for vdi in await _vdis(xapi, whole):
            await destroy(xapi, "VDI", vdi)
        await destroy(xapi, "VM", whole)


async def _vdis(xapi: XenApi, vm: str) -> Mapping[str, Any]:
    found = {}
    for vbd in (await all_of(xapi, "VBD", {"VM": vm, "type": "Disk"})).values():
        if not vbd["empty"]:
            found[vbd["VDI"]] = await xapi.call("VDI.get_record", vbd["VDI"])
    return found


def _links(image_id: str, copy: str, below: tuple[str, str] | None) -> Sequence[Link]:
    """What is sent: the copy, or what it has beyond the image that it was made from, and that image."""
    mine = UUID(image_id)
    its = UUID(int=mine.int ^ 1)
    if below is None:
        return [Link(copy, "", mine, its)]
    return [Link(copy, below[1], mine, its), Link(below[0], "", its, mine)]


def _packed(chunks: AsyncIterator[bytes], image: Image) -> AsyncIterator[bytes]:
    level = image.properties.get(COMPRESSION, "")
    return gzipped(chunks, int(level)) if level in set("123456789") else chunks
