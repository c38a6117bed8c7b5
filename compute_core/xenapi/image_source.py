"""An image as a VHD that a VDI is filled with, whatever it is made of: a single VHD as it passes by, anything else by way of files here.

A tar of numbered VHDs is unpacked into a folder of its own, checked as a whole and then sent as the one disk that its chain amounts to; so
no host ever sees a wrong one, and memory holds one block. Zeros are not sent. Folders are made where TMPDIR says.
"""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from compute_core.dom0 import chain
from compute_core.dom0 import images as archives
from compute_core.dom0.refusal import Refusal
from compute_core.dom0.vhd import MAX_DISK_BYTES
from compute_core.dom0.vhd import read as read_vhd
from compute_core.images.contents import ChainContent, RawContent
from compute_core.images.vhd import SECTOR
from compute_core.images.vhd_write import Content, length_of, streamed
from compute_core.model.backups import PARENT
from compute_core.model.errors import BadImage, NotFound
from compute_core.model.images import Image
from compute_core.xenapi.errors import TransferFailed
from compute_core.xenapi.image_stream import Images, checked, stated_bytes, whole
from compute_core.xenapi.records import GIB
from compute_core.xenapi.transport import closing

T = TypeVar("T")

PIECE_BYTES = 1 << 20
BEYOND_DISK_BYTES = 10 * GIB
"""So much more than its disk may an image hold once it is unpacked: layers of its chain that hide each other."""
MOST_UNPACKED_BYTES = 256 * GIB
"""Where the flavor does not limit the disk."""
PARTITION_AT = 63
"""In sectors: where Xen's tools have always put the only partition of a disk without a table."""


@dataclass(frozen=True, slots=True)
class Source:
    """``length`` bytes of a VHD, whose disk has ``size_bytes``."""

    size_bytes: int
    length: int
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def opened(image: Image, images: Images, most_bytes: int) -> AsyncGenerator[Source]:
    """The image while the block lasts; of a disk of ``most_bytes`` at most, 0 for any. BadImage, TransferFailed, NotFound."""
    stated = stated_bytes(image)
    if image.disk_format == "vhd" and stated:
        yield Source(stated, image.size_bytes or 0, checked(image, images.download(image.id)))
        return
    with tempfile.TemporaryDirectory(prefix="inova-image-") as folder:
        try:
            content = await _CONTENTS[image.disk_format or ""](image, images, Path(folder), most_bytes)
            numbers = await in_thread(content.numbers)
        except OSError as problem:
            raise TransferFailed(f"image {image.id} could not be unpacked: {problem}") from problem
        yield Source(content.size_bytes, length_of(content.size_bytes, len(numbers)), streamed(content, numbers))


async def in_thread(work: Callable[[], T]) -> T:
    """What a function returns that reads files or runs programs. Cancelled, it is waited for: nobody cleans up under its hands."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


async def _chain(image: Image, images: Images, folder: Path, most_bytes: int) -> Content:
    """A VHD, a tar of VHDs, or either of them packed by gzip; of a backup of what has changed also those that it needs."""
    links: list[chain.Link] = []
    current: Image | None = image
    while current is not None:
        here = folder / str(len(links))
        here.mkdir()
        await spool(current, images, here / "image")
        links += await in_thread(partial(_unpacked, current, here, most_bytes))
        current = await _parent(current, images) if links[-1].vhd.parent and len(links) <= chain.MOST_LINKS else None
    with _as_bad_image(image):
        chain.check(links, most_bytes or MAX_DISK_BYTES)
    return ChainContent([Path(link.path) for link in links])


def _unpacked(image: Image, folder: Path, most_bytes: int) -> list[chain.Link]:
    limits = archives.Limits(most_bytes + BEYOND_DISK_BYTES if most_bytes else MOST_UNPACKED_BYTES, most_bytes or MAX_DISK_BYTES)
    packed = folder / "image"
    with _as_bad_image(image):
        with packed.open("rb") as file:
            count = archives.unpack(_pieces(file), str(folder), limits)
        packed.unlink()
        return [_link(folder / chain.name_of(place)) for place in range(count)]


def _link(path: Path) -> chain.Link:
    with path.open("rb") as file:
        return chain.Link(str(path), read_vhd(file, path.name))


@contextmanager
def _as_bad_image(image: Image) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise BadImage(f"Image {image.id} is refused: {refusal}.") from refusal


async def _parent(image: Image, images: Images) -> Image | None:
    """What a backup of what has changed needs; None when it names nothing. What belongs to somebody else is nobody's parent."""
    named = image.properties.get(PARENT, "")
    if not named:
        return None
    try:
        parent = await images.get(named)
    except NotFound as absence:
        raise BadImage(f"Image {image.id} is refused: it needs the image {named}, which is not there.") from absence
    if parent.owner != image.owner or parent.status != "active":
        raise BadImage(f"Image {image.id} is refused: it needs the image {named}, which cannot be had.")
    return parent


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(PIECE_BYTES), b"")


async def _raw(image: Image, images: Images, folder: Path, most_bytes: int) -> Content:  # noqa: ARG001  # its size was checked before
    path = folder / "image"
    await spool(image, images, path)
    return RawContent.of(path)


async def _partitioned(image: Image, images: Images, folder: Path, most_bytes: int) -> Content:  # noqa: ARG001  # as above
    """A file system without a table before it: guests look for it in a first partition."""
    path = folder / "image"
    await spool(image, images, path, PARTITION_AT * SECTOR)
    sectors = -(-(image.size_bytes or 0) // SECTOR)
    with path.open("r+b") as file:
        file.write(partition_table(PARTITION_AT, sectors))
    return RawContent(path, (PARTITION_AT + sectors) * SECTOR)


def partition_table(begin: int, sectors: int) -> bytes:
    """The first sector of a disk with one Linux partition, bootable; BadImage when it is longer than such a table can say."""
    if sectors > 0xFFFFFFFF:
        raise BadImage(f"A partition of {sectors} sectors is too long for the table of its disk.")
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", begin, sectors)
    return bytes(446) + entry.ljust(64, b"\0") + b"\x55\xaa"


async def spool(image: Image, images: Images, path: Path, begin: int = 0) -> None:
    """Write the bytes of an image into a file, from ``begin`` on; what is zeros becomes a hole. BadImage, TransferFailed."""
    with path.open("xb") as file:
        file.seek(begin)
        async with closing(whole(image, images.download(image.id))) as chunks:
            async for chunk in chunks:
                if chunk.count(0) == len(chunk):
                    file.seek(len(chunk), 1)
                else:
                    file.write(chunk)
        file.truncate()


_CONTENTS: Mapping[str, Callable[[Image, Images, Path, int], Awaitable[Content]]] = {
    "vhd": _chain,
    "raw": _raw,
    "iso": _raw,
    "ami": _partitioned,
    "aki": _raw,
    "ari": _raw,
}
