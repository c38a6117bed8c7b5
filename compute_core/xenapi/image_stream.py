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
from compute_core.xenapi.transport import closing

BOOTABLE = ("vhd", "raw", "iso", "ami")
"""The formats of images that servers are built from."""


class Images(Protocol):
    """What recipes need of an image store."""

    async def get(self, image_id: str) -> Image:
        """One image; NotFound when it is not there."""

    def download(self, image_id: str) -> AsyncIterator[bytes]:
        """The bytes of an active image, in chunks."""

    async def upload(self, image_id: str, chunks: AsyncIterator[bytes]) -> Image:
        """Take the bytes of a queued image."""


async def checked(image: Image, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a VHD, if they are the image: as ``whole``, and the structure of a VHD.

    BadImage for bytes that are not the image, TransferFailed for those that cannot be read.
    """
    vhd, held = VhdCheck(), b""
    async with closing(whole(image, chunks)) as own:
        async for chunk in own:
            vhd.feed(chunk)
            if held:
                yield held
            held = chunk
    vhd.finish()
    yield held


async def whole(image: Image, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, if they are the image: size and MD5. The last one is held back until all is well; what is too long is cut short.

    BadImage and TransferFailed as ``checked``.
    """
    digest, count, held = hashlib.md5(usedforsecurity=False), 0, b""
    async with closing(_readable(image, chunks)) as readable:
        async for chunk in readable:
            digest.update(chunk)
            count += len(chunk)
            if count > (image.size_bytes or 0):
                break
            if held:
                yield held
            held = chunk
    if count != image.size_bytes:
        raise BadImage(f"Image {image.id} is damaged: {count} bytes where the image service says {image.size_bytes}.")
    if image.checksum_md5 and digest.hexdigest() != image.checksum_md5:
        raise BadImage(f"Image {image.id} is damaged: its MD5 is {digest.hexdigest()}, the image service says {image.checksum_md5}.")
    yield held


async def _readable(image: Image, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async with closing(chunks) as own:
            async for chunk in own:
                yield chunk
    except OSError as problem:
        raise TransferFailed(f"image {image.id} cannot be read: {problem}") from problem


def check(image: Image, root_gb: int) -> None:
    """Refuse what can be seen to become no root disk before a byte of it is fetched: BuildFailed."""
    if image.disk_format not in BOOTABLE:
        raise BuildFailed(f"Image {image.id} is {image.disk_format}; servers are built from {', '.join(BOOTABLE)}.", is_retryable=False)
    if image.status != "active" or not image.size_bytes:
        raise BuildFailed(f"Image {image.id} is {image.status}, of unknown size: it cannot be built from.", is_retryable=False)
    if image.disk_format != "iso":
        check_fit(image, stated_bytes(image) or 0, root_gb)


def check_fit(image: Image, disk_bytes: int, root_gb: int) -> None:
    """Refuse a disk that is larger than the flavor's root; one of 0 GB takes any. BuildFailed."""
    if root_gb and disk_bytes > root_gb * GIB:
        said = f"Image {image.id} holds a disk of {disk_bytes} bytes, the flavor's root has {root_gb * GIB}."
        raise BuildFailed(said, is_retryable=False)


def stated_bytes(image: Image) -> int | None:
    """What the image service says of the size of the disk; of what is in a container it cannot know."""
    return None if image.container_format == "ovf" else image.virtual_size_bytes
