"""Images on a host: fetched once into a VDI of the SR, then copied for each server, copy-on-write or whole, or shared by all as a CD.

A cached image is a VDI named after the image that bears its own uuid as a mark. The mark is set last, so a VDI that is still being
filled, or that a crash left half filled, is never taken for an image; and a fresh clone, which inherits the mark of the VDI that it was
cloned from, is known for a clone by bearing another's uuid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from compute_core.model.clock import Clock, iso
from compute_core.model.images import Image
from compute_core.model.instances import Instance
from compute_core.xenapi import marks
from compute_core.xenapi.certainty import all_of, certain, destroy
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.filling import fill
from compute_core.xenapi.image_source import Source, opened
from compute_core.xenapi.image_stream import Images, check, check_fit
from compute_core.xenapi.locks import KeyedLocks
from compute_core.xenapi.place import Place
from compute_core.xenapi.records import GIB, vdi_record
from compute_core.xenapi.session import XenApi
from compute_core.xenapi.undo import Undo

KERNELS = ("aki", "ari")
"""Formats of images of a kernel and a ramdisk."""
NO_ROOTS = frozenset({"iso", *KERNELS})
"""Formats of images that no root disk is made of."""
COPIES: Mapping[str, bool] = {"full": True, "cow": False}
"""By the image property ``disk_copy``, which says it for one image; whether copies are whole."""
NOTE_AFTER = timedelta(minutes=30)
"""The use of an image is noted only so often: servers built one after the other need one note."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A VDI and its size."""

    vdi: str
    size_bytes: int
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom an image is fetched, by a uuid; ``root_gb`` is what its disk may have at most, 0 for any."""

    uuid: str
    root_gb: int = 0

    @classmethod
    def of(cls, instance: Instance) -> Asker:
        """A server."""
        return cls(instance.uuid, instance.flavor.root_gb)


class Fitting(Protocol):
    """Where root disks are fitted to their size."""

    async def fitted(self, xapi: XenApi, place: Place, instance: Instance, root: Disk, undo: Undo) -> tuple[Disk, str]:
        """The root disk that takes the place of ``root``, or ``root`` itself, with why it was left alone, "" when it was not."""


@dataclass(frozen=True, slots=True)
class ImageCache:
    """The cached images of one SR. Spawns of one image wait for one fetch, and take their copies one after the other.

    ``copies_whole``: servers get disks that share nothing with the image, which are slower to make and quicker to write to.
    ``fitting``: where the root disks of servers with automatic disk configuration are fitted; without it that is left to their guests.
    ``clock``: by which it is noted when images were used; without it that is not known.
    """

    place: Place
    images: Images
    copies_whole: bool = False
    fitting: Fitting | None = None
    clock: Clock | None = None
    _held: Counter[str] = field(default_factory=Counter)
    _locks: KeyedLocks = field(default_factory=KeyedLocks)

    async def root_disk(self, xapi: XenApi, instance: Instance, image: Image, undo: Undo) -> Disk:
        """The server's root disk as a copy of the image; its undo is registered."""
        return await self.copy(xapi, instance, image, undo, instance.domain_name, "root")

    async def prepare(self, xapi: XenApi, instance: Instance, image: Image) -> Disk:
        """Have the image here before it is needed. The VDI is everybody's: it is read, and never written to."""
        check(image, instance.flavor.root_gb)
        return await self.kept(xapi, instance, image)

    async def kept(self, xapi: XenApi, instance: Instance, image: Image) -> Disk:
        """As ``prepare``, of an image that is no disk to boot from."""
        return await self._kept(xapi, image, Asker.of(instance))

    async def ahead(self, xapi: XenApi, image: Image) -> Disk:
        """As ``kept``, of any image, for servers that are yet to come."""
        if image.disk_format not in KERNELS:
            check(image, 0)
        return await self._kept(xapi, image, Asker(self.place.uuid))

    async def _kept(self, xapi: XenApi, image: Image, asker: Asker) -> Disk:
        async with self._locks.held(image.id):
            return await self._here(xapi, image, asker)

    async def copy(self, xapi: XenApi, instance: Instance, image: Image, undo: Undo, label: str, disk: str) -> Disk:
        """A writable copy of the image, under a name and marked as one of the server's disks; its undo is registered."""
        check(image, instance.flavor.root_gb)
        async with self._locks.held(image.id):
            cached = await self._here(xapi, image, Asker.of(instance))
            copied = self._copied(xapi, cached.vdi, is_whole=COPIES.get(image.properties.get("disk_copy", ""), self.copies_whole))
            copy = await certain(copied, lambda: self._stray_clone(xapi, image))
            undo.add(f"destroy the {disk} disk", lambda: destroy(xapi, "VDI", copy))
            await xapi.call("VDI.set_name_label", copy, label)  # first: what bears the server's mark is found by its name
            await xapi.call("VDI.set_other_config", copy, {marks.INSTANCE: instance.uuid, marks.DISK: disk, marks.IMAGE: image.id})
        return Disk(copy, cached.size_bytes)

    def _copied(self, xapi: XenApi, vdi: str, *, is_whole: bool) -> Awaitable[str]:
        return xapi.call("VDI.copy", vdi, self.place.sr) if is_whole else xapi.call("VDI.clone", vdi, {})

    def turn(self, place: str) -> AbstractAsyncContextManager[None]:
        """One build at a time looks for what is free on a host, and takes it."""
        return self._locks.held(place)

    def is_in_use(self, image_id: str) -> bool:
        """Whether the image is being fetched or cloned, or held."""
        return self._locks.is_held(image_id) or image_id in self._held

    @asynccontextmanager
    async def holding(self, *image_ids: str) -> AsyncGenerator[None]:
        """Images that a build is about to use, though nothing here shows it: they stay."""
        self._held.update(image_ids)
        try:
            yield
        finally:
            for image_id in image_ids:
                self._held[image_id] -= 1
                if not self._held[image_id]:
                    del self._held[image_id]

    async def _cached(self, xapi: XenApi, image: Image) -> Disk | None:
        for ref, vdi in (await self._named(xapi, image)).items():
            if marks.is_cached_image(vdi):
                await self._note_use(xapi, ref, vdi["other_config"])
                return Disk(ref, vdi["virtual_size"], vdi["uuid"])
        return None

    async def _note_use(self, xapi: XenApi, vdi: str, config: Mapping[str, str]) -> None:
        """Before it is used: what was used lately is not taken away. One call, or none when that was noted lately."""
        if self.clock is not None and config.get(marks.IMAGE_USED, "") < iso(self.clock.now() - NOTE_AFTER):
            await xapi.call("VDI.set_other_config", vdi, {**config, marks.IMAGE_USED: self.clock.iso()})

    async def _stray_clone(self, xapi: XenApi, image: Image) -> str | None:
        """A clone that nobody has renamed. The lock keeps others' away, and one that a crash left behind is as good."""
        vdis = await self._named(xapi, image)
        return next((ref for ref, vdi in vdis.items() if _is_clone(vdi)), None)

    async def _named(self, xapi: XenApi, image: Image) -> Mapping[str, Any]:
        return await all_of(xapi, "VDI", {"name__label": marks.image_label(image.id), "SR": self.place.sr})

    async def _here(self, xapi: XenApi, image: Image, asker: Asker) -> Disk:
        """The cached image, fetched when it is not; BuildFailed when its disk is too large for the server's."""
        disk = await self._cached(xapi, image) or await self._fetch(xapi, image, asker)
        if image.disk_format not in NO_ROOTS:
            check_fit(image, disk.size_bytes, asker.root_gb)
        return disk

    async def _fetch(self, xapi: XenApi, image: Image, asker: Asker) -> Disk:
        async with opened(image, self.images, asker.root_gb * GIB) as source:
            return await self._fill(xapi, image, asker.uuid, source)

    async def _fill(self, xapi: XenApi, image: Image, asker: str, source: Source) -> Disk:
        mark = {marks.IMAGE: image.id, marks.IMPORTED_FOR: asker}
        async with Undo(f"fetch image {image.id}") as undo:
            record = vdi_record(self.place.sr, marks.image_label(image.id), source.size_bytes, mark)
            vdi: str = await certain(xapi.call("VDI.create", record), lambda: self._half_filled(xapi, image, asker))
            undo.add("destroy the half-filled VDI", lambda: destroy(xapi, "VDI", vdi))
            await fill(xapi, vdi, source.chunks, source.length, marks.import_label(image.id, asker))
            made = await xapi.call("VDI.get_record", vdi)
            if made["virtual_size"] < source.size_bytes:
                raise TransferFailed(f"the VDI has {made['virtual_size']} bytes, the image's disk has {source.size_bytes}")
            used = {marks.IMAGE_USED: self.clock.iso()} if self.clock is not None else {}
            await xapi.call("VDI.set_other_config", vdi, mark | {marks.IMAGE_VDI: made["uuid"], **used})
        return Disk(vdi, made["virtual_size"], made["uuid"])

    async def _half_filled(self, xapi: XenApi, image: Image, asker: str) -> str | None:
        vdis = await self._named(xapi, image)
        return next((ref for ref, vdi in vdis.items() if vdi["other_config"].get(marks.IMPORTED_FOR) == asker), None)


def _is_clone(vdi: Mapping[str, Any]) -> bool:
    return marks.IMAGE_VDI in vdi["other_config"] and not marks.is_cached_image(vdi) and not vdi["VBDs"]
