"""Images on a host: fetched once into a VDI of the SR, then cloned copy-on-write for each server.

A cached image is a VDI named after the image that bears its own uuid as a mark. The mark is set last, so a VDI that is still being
filled, or that a crash left half filled, is never taken for an image; and a fresh clone, which inherits the mark of the VDI that it was
cloned from, is known for a clone by bearing another's uuid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, certain, destroy, one_of
from compute_core.xenapi.errors import TransferFailed, XenApiFailure
from compute_core.xenapi.image_stream import Images, checked, sizes
from compute_core.xenapi.locks import KeyedLocks
from compute_core.xenapi.place import Place
from compute_core.xenapi.records import vdi_record
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo

TASK_LOOKS_S = (0.1, 0.2, 0.5, 1.0)
"""Pauses between looks at a task that is not over when its transfer is; the last one repeats."""
TASK_LIMIT_S = 1500.0


@dataclass(frozen=True, slots=True)
class Disk:
    """A VDI and its size."""

    vdi: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ImageCache:
    """The cached images of one SR. Spawns of one image wait for one fetch, and take their clones one after the other."""

    place: Place
    images: Images
    _locks: KeyedLocks = field(default_factory=KeyedLocks)

    async def root_disk(self, xapi: XenApi, instance: Instance, image: Image, undo: Undo) -> Disk:
        """A writable copy of the image, named and marked as the server's; its undo is registered."""
        async with self._locks.held(image.id):
            cached = await self._cached(xapi, image) or await self._fetch(xapi, image, instance)
            clone = await certain(xapi.call("VDI.clone", cached.vdi, {}), lambda: self._stray_clone(xapi, image))
            undo.add("destroy the root disk", lambda: destroy(xapi, "VDI", clone))
            await xapi.call("VDI.set_other_config", clone, {marks.INSTANCE: instance.uuid, marks.DISK: "root", marks.IMAGE: image.id})
            await xapi.call("VDI.set_name_label", clone, instance.domain_name)
        return Disk(clone, cached.size_bytes)

    def is_in_use(self, image_id: str) -> bool:
        """Whether the image is being fetched or cloned."""
        return self._locks.is_held(image_id)

    async def _cached(self, xapi: XenApi, image: Image) -> Disk | None:
        vdis = await self._named(xapi, image)
        return next((Disk(ref, vdi["virtual_size"]) for ref, vdi in vdis.items() if marks.is_cached_image(vdi)), None)

    async def _stray_clone(self, xapi: XenApi, image: Image) -> str | None:
        """A clone that nobody has renamed. The lock keeps others' away, and one that a crash left behind is as good."""
        vdis = await self._named(xapi, image)
        return next((ref for ref, vdi in vdis.items() if _is_clone(vdi)), None)

    async def _named(self, xapi: XenApi, image: Image) -> Mapping[str, Any]:
        return await all_of(xapi, "VDI", {"name__label": marks.image_label(image.id), "SR": self.place.sr})

    async def _fetch(self, xapi: XenApi, image: Image, instance: Instance) -> Disk:
        length, size_bytes, _ = sizes(image, instance.flavor.root_gb)
        mark = {marks.IMAGE: image.id, marks.IMPORTED_FOR: instance.uuid}
        async with Undo(f"fetch image {image.id}") as undo:
            record = vdi_record(self.place.sr, marks.image_label(image.id), size_bytes, mark)
            vdi = await certain(xapi.call("VDI.create", record), lambda: self._half_filled(xapi, image, instance))
            undo.add("destroy the half-filled VDI", lambda: destroy(xapi, "VDI", vdi))
            await self._fill(xapi, vdi, image, instance, length)
            made = await xapi.call("VDI.get_record", vdi)
            if made["virtual_size"] < size_bytes:
                raise TransferFailed(f"the VDI has {made['virtual_size']} bytes, the image's disk has {size_bytes}")
            await xapi.call("VDI.set_other_config", vdi, mark | {marks.IMAGE_VDI: made["uuid"]})
        return Disk(vdi, made["virtual_size"])

    async def _fill(self, xapi: XenApi, vdi: str, image: Image, instance: Instance, length: int) -> None:
        """Send the image. XAPI may answer before it has read the bytes: whether they arrived, the task says."""
        label = marks.import_label(image.id, instance.uuid)
        task = await certain(xapi.call("task.create", label, ""), lambda: one_of(xapi, "task", {"name__label": label}))
        async with Undo(label) as undo:
            undo.add("destroy the task", lambda: destroy(xapi, "task", task))
            await self._send(xapi, vdi, image, length, task)
        await destroy(xapi, "task", task)

    async def _send(self, xapi: XenApi, vdi: str, image: Image, length: int, task: str) -> None:
        try:
            await xapi.put_vdi(vdi, checked(image, self.images.download(image.id)), length, task=task)
        except TransferFailed:
            await _outcome(xapi, task)  # which knows the reason better, when there is one
            raise
        await _outcome(xapi, task, is_over=True)

    async def _half_filled(self, xapi: XenApi, image: Image, instance: Instance) -> str | None:
        vdis = await self._named(xapi, image)
        return next((ref for ref, vdi in vdis.items() if vdi["other_config"].get(marks.IMPORTED_FOR) == instance.uuid), None)


def _is_clone(vdi: Mapping[str, Any]) -> bool:
    return marks.IMAGE_VDI in vdi["other_config"] and not marks.is_cached_image(vdi) and not vdi["VBDs"]


async def _outcome(xapi: XenApi, task: str, *, is_over: bool = False) -> None:
    """Raise what the task failed with. ``is_over``: the bytes are all there, so it is waited for."""
    pauses, waited_s = iter(TASK_LOOKS_S), 0.0
    pause_s = next(pauses)
    while True:
        record = await xapi.call("task.get_record", task)
        if record["status"] == "failure":
            raise XenApiFailure(record["error_info"])
        if record["status"] == "success" or not is_over:
            return
        if record["status"] != "pending" or waited_s > TASK_LIMIT_S:
            raise TransferFailed(f"the import's task is {record['status']} after {waited_s:g} s")
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = next(pauses, pause_s)
