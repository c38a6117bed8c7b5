"""The embedded image store: one folder, two files per image: what it is (JSON) and its bytes.

A file appears under its own name only when it is whole: written aside, synced, renamed. A crash therefore leaves an image queued
or active, never half; what a crash left aside is cleared when the folder is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from compute_core.images.filters import passes
from compute_core.images.port import ImageFilters
from compute_core.images.vhd import VhdCheck
from compute_core.model.clock import Clock
from compute_core.model.errors import BadImage, Conflict, Forbidden, Invalid, NotFound
from compute_core.model.images import Image
from compute_core.model.json import from_json, to_json

CHUNK_BYTES = 1 << 20
_SAFE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class _Intake:
    """The bytes of one upload on their way to the disk."""

    file: BinaryIO
    limit_bytes: int
    vhd: VhdCheck | None
    is_packed: bool
    size_bytes: int = 0
    md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    sha512: Any = field(default_factory=hashlib.sha512)

    def take(self, chunk: bytes) -> None:
        """Write one chunk and count it in."""
        self.size_bytes += len(chunk)
        if self.size_bytes > self.limit_bytes:
            raise BadImage(f"The image is larger than this store takes ({self.limit_bytes} bytes).")
        if self.vhd is not None:
            self.vhd.feed(chunk)
        self.md5.update(chunk)
        self.sha512.update(chunk)
        self.file.write(chunk)

    def virtual_size(self) -> int | None:
        """The size of the disk inside, once everything has passed; None where only who unpacks it can tell."""
        if self.vhd is not None:
            return self.vhd.finish()
        return None if self.is_packed else self.size_bytes


class EmbeddedImageStore:
    """Images in a folder. ``is_synced=False`` trades safety against power loss for speed: rehearsals may, services may not."""

    def __init__(self, folder: Path, clock: Clock, new_id: Callable[[], str], *, limit_bytes: int, is_synced: bool = True) -> None:
        self._folder = folder
        self._clock = clock
        self._new_id = new_id
        self._limit_bytes = limit_bytes
        self._is_synced = is_synced
        self._images: dict[str, Image] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._open()

    async def list(self, filters: ImageFilters | None = None) -> tuple[Image, ...]:
        """The images that pass."""
        wanted = filters or ImageFilters()
        return tuple(image for image in self._images.values() if passes(image, wanted))

    async def get(self, image_id: str) -> Image:
        """One image."""
        return self._find(image_id)

    async def create(self, name: str, owner: str, *, image_id: str | None = None, **fields: Any) -> Image:
        """Register an image without bytes."""
        identity = image_id or self._new_id()
        if not _SAFE_ID.fullmatch(identity):
            raise Invalid(f"Image id {identity} is not a UUID in lower case.")
        if identity in self._images:
            raise Conflict(f"Image ID {identity} already exists!")
        now = self._clock.iso()
        return self._keep(Image(identity, name, "queued", owner, now, now, **fields))

    async def update(self, image_id: str, **changes: Any) -> Image:
        """Change fields of an image."""
        return self._keep(replace(self._find(image_id), updated_at=self._clock.iso(), **changes))

    async def delete(self, image_id: str) -> None:
        """Forget the image, then its bytes: in this order a crash between leaves a stray file and no broken image."""
        if self._find(image_id).is_protected:
            raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
        del self._images[image_id]
        self._record(image_id).unlink()
        self._bytes(image_id).unlink(missing_ok=True)

    async def upload(self, image_id: str, chunks: AsyncIterator[bytes]) -> Image:
        """Take the bytes of a queued image."""
        image = self._find(image_id)
        if image.status != "queued":
            raise Conflict(f"Image status transition from {image.status} to saving is not allowed.")
        self._images[image_id] = replace(image, status="saving")
        try:
            arrived = await self._take_in(image, chunks)
        except BaseException:
            with suppress(NotFound):  # It may have been deleted meanwhile.
                self._find(image_id)
                self._images[image_id] = image
            raise
        return self._finish_upload(arrived)

    async def download(self, image_id: str) -> AsyncIterator[bytes]:
        """The bytes of an active image."""
        if self._find(image_id).status != "active":
            raise Conflict(f"Image {image_id} has no bytes yet.")
        with self._bytes(image_id).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def path(self, image_id: str) -> Path | None:
        """The file with the bytes of an active image."""
        return self._bytes(image_id) if self._find(image_id).status == "active" else None

    async def _take_in(self, image: Image, chunks: AsyncIterator[bytes]) -> Image:
        aside = self._folder / f"{image.id}.part"
        try:
            with aside.open("wb") as file:
                intake = _Intake(file, self._limit_bytes, VhdCheck() if _is_vhd(image) else None, image.container_format == "ovf")
                async for chunk in chunks:
                    intake.take(chunk)
                virtual_size_bytes = intake.virtual_size()
                self._sync(file)
            aside.replace(self._bytes(image.id))
        finally:
            aside.unlink(missing_ok=True)
        return replace(
            image,
            size_bytes=intake.size_bytes,
            virtual_size_bytes=virtual_size_bytes,
            checksum_md5=intake.md5.hexdigest(),
            hash_sha512=intake.sha512.hexdigest(),
        )

    def _finish_upload(self, arrived: Image) -> Image:
        if arrived.id not in self._images:
            self._bytes(arrived.id).unlink(missing_ok=True)
            raise NotFound.of("Image", arrived.id)
        present = self._images[arrived.id]  # Its name or properties may have been changed while the bytes came in.
        return self._keep(
            replace(
                present,
                status="active",
                updated_at=self._clock.iso(),
                size_bytes=arrived.size_bytes,
                virtual_size_bytes=arrived.virtual_size_bytes,
                checksum_md5=arrived.checksum_md5,
                hash_sha512=arrived.hash_sha512,
            )
        )

    def _find(self, image_id: str) -> Image:
        image = self._images.get(image_id)
        if image is None:
            raise NotFound(f"No image found with ID {image_id}")
        return image

    def _keep(self, image: Image) -> Image:
        """Write the image's record, then show it. A record never says ``saving``: after a crash nobody is."""
        written = replace(image, status="queued") if image.status == "saving" else image
        aside = self._folder / f"{image.id}.json.part"
        with aside.open("wb") as file:
            file.write(json.dumps(to_json(written), indent=1, sort_keys=True).encode())
            self._sync(file)
        aside.replace(self._record(image.id))
        self._sync_folder()
        self._images[image.id] = image
        return image

    def _open(self) -> None:
        for aside in self._folder.glob("*.part"):
            aside.unlink()
        for record in sorted(self._folder.glob("*.json")):
            image = from_json(json.loads(record.read_bytes()), Image)
            self._images[image.id] = image
        for stray in self._folder.glob("*.image"):
            if stray.stem not in self._images or self._images[stray.stem].status != "active":
                stray.unlink()

    def _record(self, image_id: str) -> Path:
        return self._folder / f"{image_id}.json"

    def _bytes(self, image_id: str) -> Path:
        return self._folder / f"{image_id}.image"

    def _sync(self, file: BinaryIO) -> None:
        if self._is_synced:
            file.flush()
            os.fsync(file.fileno())

    def _sync_folder(self) -> None:
        if self._is_synced:
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _is_vhd(image: Image) -> bool:
    # An "ovf" is a tar of several VHDs, which only its reader can judge.
    return image.disk_format == "vhd" and image.container_format == "bare"
