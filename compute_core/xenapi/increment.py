"""Back up what has changed of a server's root disk since its last backup: the snapshot of each stays, to compare the next one with.

A snapshot is marked with its point before a byte of it is sent, so that whatever breaks off, it is known what each one is of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, certain, destroy
from compute_core.xenapi.disk_stream import measured
from compute_core.xenapi.errors import XenApiFailure
from compute_core.xenapi.image_stream import Images
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.snapshot import root_disk, unmarked_copy
from compute_core.xenapi.transport import closing
from compute_core.xenapi.undo import Undo
from compute_core.xenapi.vhd_archive import Link, Tally, archived

log = logging.getLogger(__name__)

NOBODY = UUID(int=0)
PAUSES_S = (1.0, 5.0, 0.0)
"""After each refusal to destroy a snapshot."""


@dataclass(frozen=True, slots=True)
class Base:
    """The snapshot of an earlier point."""

    vdi: str
    uuid: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Disk:
    """A server's root disk, and the snapshots that its backups have left of it."""

    vdi: str
    instance_uuid: str
    bases: tuple[Base, ...]

    def base(self, image_id: str) -> Base | None:
        """The snapshot of a point."""
        return next((base for base in self.bases if base.image_id == image_id), None)


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes that the host has sent, and those that it would have sent for the whole disk. ``is_delta``: it has sent but a change."""

    sent_bytes: int
    whole_bytes: int
    is_delta: bool


async def found(xapi: XenApi, vm: str, instance_uuid: str) -> Disk:
    """The disk as it is: two calls. TransferFailed: there is none."""
    root = await root_disk(xapi, vm)
    copies = await all_of(xapi, "VDI", {"snapshot_of": root})
    bases = (_base(ref, vdi) for ref, vdi in copies.items() if marks.BACKUP in vdi["other_config"])
    return Disk(root, instance_uuid, tuple(bases))


def _base(ref: str, vdi: Mapping[str, Any]) -> Base:
    return Base(ref, vdi["uuid"], vdi["other_config"][marks.BACKUP])


async def increment(xapi: XenApi, disk: Disk, base: Base | None, image_id: str, images: Images, tally: Tally) -> Moved:
    """Fill the queued image with what has changed since ``base`` (None: with everything), and leave a snapshot to be the next one's base.

    Whatever fails, no snapshot of it is left. Raises XenApiFailure, NotSent, ReplyLost, TransferFailed, BadImage, NotFound.
    """
    async with Undo(f"backup into image {image_id}") as undo:
        copy: str = await certain(xapi.call("VDI.snapshot", disk.vdi, {}), lambda: unmarked_copy(xapi, disk.vdi))
        undo.add("destroy the snapshot", lambda: destroy(xapi, "VDI", copy))
        config = {marks.INSTANCE: disk.instance_uuid, marks.DISK: "backup", marks.BACKUP: image_id}
        await xapi.call("VDI.set_other_config", copy, config)
        whole_bytes = 0 if base is None else await _whole_bytes(xapi, copy)
        link = Link(copy, base.uuid if base else "", UUID(image_id), UUID(base.image_id) if base else NOBODY)
        async with closing(archived(xapi, [link], tally)) as chunks:
            await images.upload(image_id, chunks)
    is_delta = not tally.is_whole
    return Moved(tally.sent_bytes, whole_bytes if is_delta else tally.sent_bytes, is_delta)


async def _whole_bytes(xapi: XenApi, copy: str) -> int:
    """How long a whole copy would be: its beginning says so, and no more of it is fetched."""
    async with closing(xapi.get_vdi(copy)) as chunks:
        return (await measured(chunks, "a disk")).length


async def let_go(xapi: XenApi, disk: Disk, kept: Container[str]) -> None:
    """Destroy the snapshots of all points but these. One that the host will not let go of now is left to the next backup."""
    for base in disk.bases:
        if base.image_id not in kept:
            await _destroyed(xapi, base)


async def _destroyed(xapi: XenApi, base: Base) -> None:
    for pause_s in PAUSES_S:
        try:
            await destroy(xapi, "VDI", base.vdi)
        except XenApiFailure as failure:
            log.warning("the snapshot %s of an earlier backup is still there: %s", base.uuid, failure)
            await asyncio.sleep(pause_s)
        else:
            return
