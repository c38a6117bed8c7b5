"""An image on its way to a host: every byte is checked before the last one is let go, so that no host takes a wrong image for whole."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Protocol

from compute_core.images.vhd import VhdCheck
from compute_core.model.errors import BadImage, BuildFailed
from compute_core.model.images import Image
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.records import GIB


class Images(Protocol):
    """What recipes need of an image store."""

    async def get(self, image_id: str) -> Image:
        """One image; NotFound when it is not there."""

    def download(self, image_id: str) -> AsyncIterator[bytes]:
        """The bytes of an active image, in chunks."""

    async def upload(self, image_id: str, chunks: AsyncIterator[bytes]) -> Image:
        """Take the bytes of a queued image."""


async def checked(image: Image, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, if they are the image: size, MD5 and the structure of a VHD. The last one is held back until all is well.

    BadImage for bytes that are not the image, TransferFailed for those that cannot be read.
    """
    digest, vhd, count, held = hashlib.md5(usedforsecurity=False), VhdCheck(), 0, b""
    async for chunk in _readable(image, chunks):
        digest.update(chunk)
        vhd.feed(chunk)
        count += len(chunk)
        if held:
            yield held
        held = chunk
    if count != image.size_bytes:
        raise BadImage(f"Image {image.id} is damaged: {count} bytes where the image service says {image.size_bytes}.")
    if image.checksum_md5 and digest.hexdigest() != image.checksum_md5:
        raise BadImage(f"Image {image.id} is damaged: its MD5 is {digest.hexdigest()}, the image service says {image.checksum_md5}.")
    vhd.finish()
    yield held


async def _readable(image: Image, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    except OSError as problem:
        raise TransferFailed(f"image {image.id} cannot be read: {problem}") from problem


def sizes(image: Image, root_gb: int) -> tuple[int, int, int]:
    """Bytes of the file, of its virtual disk, and of the root disk to be made. BuildFailed for an image that cannot become one.

    A flavor with a root of 0 GB takes the image's own size.
    """
    if image.disk_format != "vhd":
        raise BuildFailed(f"Image {image.id} is {image.disk_format}; servers are built from vhd.", is_retryable=False)
    if image.status != "active" or not image.size_bytes or not image.virtual_size_bytes:
        raise BuildFailed(f"Image {image.id} is {image.status}, of unknown size: it cannot be built from.", is_retryable=False)
    wanted = root_gb * GIB or image.virtual_size_bytes
    if image.virtual_size_bytes > wanted:
        said = f"Image {image.id} holds a disk of {image.virtual_size_bytes} bytes, the flavor's root has {wanted}."
        raise BuildFailed(said, is_retryable=False)
    return image.size_bytes, image.virtual_size_bytes, wanted
