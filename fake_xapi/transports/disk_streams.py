"""Streams of disk images, into disks and out of them: shared by HTTP transfers and the in-process transport.

May not know HTTP, sessions or tasks.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal, Protocol
from uuid import UUID

from fake_xapi.datamodel.failure import Failure
from fake_xapi.dom0 import tar
from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.dom0.disks import DiskError, DiskStore, DiskWriter
from fake_xapi.dom0.vhd import VhdError
from fake_xapi.dom0.vhd_read import VhdDecoder
from fake_xapi.dom0.vhd_write import Parent, VhdImage
from fake_xapi.dom0.xva import disk_pieces

Format = Literal["raw", "vhd", "tar"]
OpenDisk = Callable[[int], DiskWriter]
"""Given the virtual size that the image states (0 when it does not state it before its end), the writer of the disk to fill."""


_LONGEST_CHUNK_BYTES = 64 << 20


class Sink(Protocol):
    """Accepts an image in one format."""

    def feed(self, piece: bytes) -> None:
        """The next bytes; DiskError, VhdError."""
        ...

    def finish(self) -> None:
        """The end; VhdError when it comes too early."""
        ...


class RawSink:
    """A raw image: all bytes of the disk in order."""

    def __init__(self, writer: DiskWriter) -> None:
        self._writer = writer
        self._offset = 0

    def feed(self, piece: bytes) -> None:
        """Write the next bytes."""
        self._writer.write(self._offset, piece)
        self._offset += len(piece)

    def finish(self) -> None:
        """Write what is left in memory."""
        self._writer.flush()


_CHUNK_HEAD = struct.Struct("<QI")


class ChunkedSink:
    """XenServer's own format of chunks: each is preceded by its offset and length, the last one is empty."""

    def __init__(self, writer: DiskWriter) -> None:
        self._writer = writer
        self._buffer = bytearray()
        self._is_over = False

    def feed(self, piece: bytes) -> None:
        """Write the chunks that are complete; DiskError for one that is longer than anybody sends."""
        self._buffer += piece
        while not self._is_over and len(self._buffer) >= _CHUNK_HEAD.size:
            offset, length = _CHUNK_HEAD.unpack_from(self._buffer)
            if length > _LONGEST_CHUNK_BYTES:
                raise DiskError(f"a chunk of {length} bytes is too long")
            if len(self._buffer) < _CHUNK_HEAD.size + length:
                return
            self._writer.write(offset, bytes(self._buffer[_CHUNK_HEAD.size : _CHUNK_HEAD.size + length]))
            del self._buffer[: _CHUNK_HEAD.size + length]
            self._is_over = not length

    def finish(self) -> None:
        """Check that the last chunk was the last; DiskError when it is missing."""
        if not self._is_over:
            raise DiskError("the image ends before its last chunk")
        self._writer.flush()


class VhdSink:
    """A VHD; the disk is opened once the image has stated its size."""

    def __init__(self, open_disk: OpenDisk) -> None:
        self._open_disk = open_disk
        self._writer: DiskWriter | None = None
        self._decoder = VhdDecoder()

    def feed(self, piece: bytes) -> None:
        """Write the extents that are complete."""
        for offset, content in self._decoder.feed(piece):
            self._opened().write(offset, content)

    def finish(self) -> None:
        """Check the end of the image."""
        for offset, content in self._decoder.rest():
            self._opened().write(offset, content)
        self._decoder.finish()
        self._opened().flush()

    def _opened(self) -> DiskWriter:
        if self._writer is None:
            self._writer = self._open_disk(self._decoder.footer.size if self._decoder.footer else 0)
        return self._writer


def sink_of(format: Format, open_disk: OpenDisk) -> Sink:  # noqa: A002  # the word of the HTTP handler
    """The sink of a format."""
    return VhdSink(open_disk) if format == "vhd" else RawSink(open_disk(0))


async def pour(pieces: AsyncIterator[bytes], sink: Sink, progress: Callable[[int], None]) -> None:
    """Feed a sink until the image ends, reporting the bytes so far. Failure IMPORT_ERROR for an image that cannot be written."""
    received = 0
    try:
        async for piece in pieces:
            sink.feed(piece)
            received += len(piece)
            progress(received)
        sink.finish()
    except (VhdError, DiskError) as error:
        raise Failure("IMPORT_ERROR", str(error)) from error


@dataclass(frozen=True, slots=True)
class Image:
    """An image to be sent."""

    length: int | None
    pieces: Iterator[bytes]


def raw_image(disks: DiskStore, key: Hashable) -> Image:
    """All bytes of a disk as it is now, regardless of later writes."""
    disk = disks[key]
    whole, rest = divmod(disk.size, BLOCK_BYTES)
    blocks = (disks.block(disk, number) for number in range(whole))
    tail = (disks.block(disk, whole)[:rest] for _ in range(min(rest, 1)))
    return Image(disk.size, (piece for part in (blocks, tail) for piece in part))


def vhd_image(disks: DiskStore, key: Hashable, uuid: str, base: tuple[Hashable, str] | None = None) -> Image:
    """A disk as a VHD: complete, or as a differencing disk with the changes since ``base`` (key and uuid)."""
    disk = disks[key]
    numbers = disk.numbers() if base is None else disk.changed_since(disks[base[0]])
    parent = None if base is None else Parent(UUID(base[1]), f"{base[1]}.vhd")
    image = VhdImage(disk.size, UUID(uuid), numbers, lambda number: disks.block(disk, number), parent)
    return Image(len(image), image.pieces())


def tar_image(disks: DiskStore, key: Hashable, prefix: str, ending: str) -> Image:
    """A disk as a tar of chunks with their checksums; its length is not known beforehand."""
    return Image(None, chain(disk_pieces(disks, disks[key], prefix, ending), (bytes(2 * tar.BLOCK),)))
