"""XVA, the form in which a VM travels: a tar of its metadata, ``ova.xml``, and of its disks in chunks, each with its checksum.

A disk's chunks of 1 MiB are called ``<prefix>/00000000`` and so on; those that hold zeros alone are left out, but for the first and the
last. May not know what the metadata says.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import xxhash

from fake_xapi.dom0 import tar
from fake_xapi.dom0.blocks import BLOCK_BYTES
from fake_xapi.dom0.byte_reader import ByteReader
from fake_xapi.dom0.compression import unpacked
from fake_xapi.dom0.disks import Disk, DiskStore

METADATA = "ova.xml"
CHUNK_BYTES = 1 << 20
MOST_METADATA_BYTES = 64 << 20
_MOST_CHECKSUM_BYTES = 4096
_PIECE_BYTES = 256 << 10
_CHUNKS_PER_BLOCK = BLOCK_BYTES // CHUNK_BYTES


class XvaError(ValueError):
    """An archive that cannot be read; the text says why."""


class UnexpectedFile(XvaError):
    """Another file stands where one must be."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


class BadChecksum(XvaError):
    """A chunk is not what its sender saw."""


class Digest(Protocol):
    """A checksum in the making."""

    def update(self, content: bytes, /) -> object:
        """More bytes."""
        ...

    def text(self) -> str:
        """The checksum as archives write it."""
        ...


class Sha1:
    """The checksum of all archives before 2022."""

    def __init__(self) -> None:
        self._hash = hashlib.sha1(usedforsecurity=False)

    def update(self, content: bytes) -> None:
        """More bytes."""
        self._hash.update(content)

    def text(self) -> str:
        """Forty digits, lower case."""
        return self._hash.hexdigest()


class XxHash:
    """The checksum of later ones: 64 bits."""

    def __init__(self) -> None:
        self._hash = xxhash.xxh64()

    def update(self, content: bytes) -> None:
        """More bytes."""
        self._hash.update(content)

    def text(self) -> str:
        """Sixteen digits, upper case."""
        return f"{self._hash.intdigest():016X}"


DIGESTS: Mapping[str, Callable[[], Digest]] = {".checksum": Sha1, ".xxhash": XxHash}
"""By the ending of the file that holds the checksum."""


# ---- writing ---------------------------------------------------------------------------------------------------------------------


def disk_pieces(disks: DiskStore, disk: Disk, prefix: str, ending: str) -> Iterator[bytes]:
    """A disk's chunks with their checksums."""
    for number in _chunks(disk):
        content = _chunk(disks, disk, number)
        if content is None:
            continue
        digest = DIGESTS[ending]()
        digest.update(content)
        name = f"{prefix}/{number:08d}"
        yield tar.file(name, content)
        yield tar.file(name + ending, digest.text().encode())


def _chunks(disk: Disk) -> list[int]:
    """The chunks that may hold something, with the first and the last."""
    last = (disk.size - 1) // CHUNK_BYTES
    held = {block * _CHUNKS_PER_BLOCK + part for block in disk.blocks for part in range(_CHUNKS_PER_BLOCK)}
    return sorted({0, last, *(number for number in held if number <= last)})


def _chunk(disks: DiskStore, disk: Disk, number: int) -> bytes | None:
    """The bytes of a chunk; None for zeros that need not be sent."""
    block, part = divmod(number, _CHUNKS_PER_BLOCK)
    begin = number * CHUNK_BYTES
    length = min(CHUNK_BYTES, disk.size - begin)
    content = disks.block(disk, block)[part * CHUNK_BYTES : part * CHUNK_BYTES + length]
    is_edge = number == 0 or begin + length == disk.size
    return content if is_edge or content.count(0) != length else None


# ---- reading ---------------------------------------------------------------------------------------------------------------------


class Writer(Protocol):
    """Takes the bytes of one disk."""

    def write(self, offset: int, content: bytes) -> None:
        """The next bytes, at an offset that only grows."""
        ...

    def flush(self) -> None:
        """That was all."""
        ...


@dataclass(slots=True)
class Reading:
    """An archive as it is read. ``checksums`` are those of the chunks so far, kept for archives that tell theirs at the end."""

    reader: ByteReader
    is_lenient: bool = False
    checksums: dict[str, str] | None = None

    async def member(self, expected: str) -> tar.Member:
        """The header of the next file; UnexpectedFile at the end of the archive."""
        try:
            found = tar.read_header(await self.reader.exactly(tar.BLOCK))
        except tar.TarError as error:
            raise XvaError(str(error)) from error
        if found is None:
            raise UnexpectedFile(expected, "")
        return found

    async def small_file(self, expected: str, most: int) -> bytes:
        """The content of the next file, which must bear that name."""
        member = await self.member(expected)
        if member.name != expected:
            raise UnexpectedFile(expected, member.name)
        return await self.content(member, most)

    async def content(self, member: tar.Member, most: int) -> bytes:
        """A file's content and past its padding; XvaError for more than anybody writes."""
        if member.size > most:
            raise XvaError(f"{member.name} has {member.size} bytes; {most} is the most that is read")
        content = await self.reader.exactly(member.size)
        await self.reader.skip(member.padding)
        return content


def open_archive(pieces: AsyncIterator[bytes], *, is_lenient: bool = False) -> Reading:
    """Begin to read an archive, packed or not. Lenient is who does not mind wrong checksums."""
    return Reading(ByteReader(unpacked(pieces)), is_lenient)


async def read_metadata(archive: Reading) -> bytes:
    """``ova.xml``, which comes first. UnexpectedFile; PrematureEnd."""
    return await archive.small_file(METADATA, MOST_METADATA_BYTES)


@dataclass(slots=True)
class IncomingDisk:
    """One disk on its way in: ``prefix`` is what its chunks are called by."""

    prefix: str
    size: int
    writer: Writer
    has_checksums: bool
    progress: Callable[[int], None]


async def read_disk(archive: Reading, disk: IncomingDisk) -> None:
    """Write a disk's chunks; what was left out is zeros. UnexpectedFile, BadChecksum, PrematureEnd, XvaError."""
    offset, last, usual = 0, -1, 0
    while offset < disk.size:
        member = await archive.member(f"{disk.prefix}/")
        number = _number(disk, member.name, last)
        usual = usual or member.size
        offset += (number - last - 1) * usual
        if offset + member.size > disk.size:
            raise XvaError(f"{member.name} lies beyond the end of its disk")
        await _read_chunk(archive, disk, member, offset)
        offset, last = offset + member.size, number
        disk.progress(offset)
    disk.writer.flush()


def _number(disk: IncomingDisk, name: str, last: int) -> int:
    prefix, _, suffix = name.rpartition("/")
    if prefix != disk.prefix or not suffix.isascii() or not suffix.isdecimal() or len(suffix) > 12:
        raise UnexpectedFile(f"{disk.prefix}/", name)
    if int(suffix) <= last:
        raise XvaError(f"chunk {name} comes out of order")
    return int(suffix)


async def _read_chunk(archive: Reading, disk: IncomingDisk, member: tar.Member, offset: int) -> None:
    """Write one chunk; its checksum stands behind it, and its name says of which kind it is."""
    digests = {ending: make() for ending, make in DIGESTS.items()}
    left = member.size
    while left:
        piece = await archive.reader.some(min(left, _PIECE_BYTES))
        for digest in digests.values():
            digest.update(piece)
        disk.writer.write(offset + member.size - left, piece)
        left -= len(piece)
    await archive.reader.skip(member.padding)
    if archive.checksums is not None:
        archive.checksums[member.name] = digests[".checksum"].text()
    if disk.has_checksums:
        await _check(archive, member.name, digests)


async def _check(archive: Reading, name: str, digests: Mapping[str, Digest]) -> None:
    found = await archive.member(name + ".checksum")
    ending = found.name[len(name) :] if found.name.startswith(name) else ""
    if ending not in digests:
        raise UnexpectedFile(name + ".checksum", found.name)
    told = (await archive.content(found, _MOST_CHECKSUM_BYTES)).decode("latin-1")
    seen = digests[ending].text()
    if told != seen and not archive.is_lenient:
        raise BadChecksum(f"Block {name} checksum failed: original = {told}; recomputed = {seen}")
