"""The bytes of VDIs: immutable disks under keys, so that a clone, a snapshot or a fork of a whole fleet costs nothing.

A disk is a size and a persistent map from block number to block; blocks that are not there are zeros. Keys are whatever the owner
names its VDIs by. May not know worlds, VHD or how long anything takes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import immutables

from fake_xapi.dom0.blocks import BLOCK_BYTES, ZEROS, Block, BlockFile, HollowFile

Extent = tuple[int, bytes]
"""Offset and bytes."""


class DiskError(ValueError):
    """A read or write that does not fit the disk."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One state of one disk; ``size`` is what the guest sees, in bytes."""

    size: int
    blocks: immutables.Map[int, Block]

    @property
    def allocated_bytes(self) -> int:
        """What its blocks take, were they shared with nothing."""
        return len(self.blocks) * BLOCK_BYTES

    def numbers(self) -> list[int]:
        """The blocks that are not all zeros, in order."""
        return sorted(self.blocks)

    def changed_since(self, base: Disk) -> list[int]:
        """The blocks whose content differs from another disk's, in order; those that only ``base`` has are zeros here."""
        mine, theirs = self.blocks, base.blocks
        if mine is theirs:
            return []
        changed = {number for number, block in mine.items() if theirs.get(number) is not block}
        return sorted(changed.union(number for number in theirs if number not in mine))


_EMPTY: immutables.Map[int, Block] = immutables.Map()


class DiskStore:
    """The disks of one owner. Stores that were forked from one another share the bytes.

    Every method raises KeyError for a key that has no disk.
    """

    __slots__ = ("_disks", "_file")

    def __init__(self, file: BlockFile | None = None, disks: immutables.Map[Hashable, Disk] | None = None) -> None:
        self._file = file if file is not None else BlockFile()
        self._disks: immutables.Map[Hashable, Disk] = disks if disks is not None else immutables.Map()

    @property
    def is_hollow(self) -> bool:
        """Whether disks are only measured: what is read from them is noise."""
        return isinstance(self._file, HollowFile)

    def fork(self) -> DiskStore:
        """Another store with the same disks, at no cost."""
        return DiskStore(self._file, self._disks)

    def empty(self) -> DiskStore:
        """Another store without disks that shares the bytes."""
        return DiskStore(self._file)

    def become(self, other: DiskStore) -> None:
        """Have the disks of another store, and share its bytes from now on, at no cost."""
        self._file, self._disks = other._file, other._disks

    def shares_bytes_with(self, other: DiskStore) -> bool:
        """Whether a disk of one can be put into the other at no cost."""
        return self._file is other._file

    def close(self) -> None:
        """Give back the file of this store and of all its forks."""
        self._disks = immutables.Map()
        self._file.close()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._disks

    def __getitem__(self, key: Hashable) -> Disk:
        return self._disks[key]

    def get(self, key: Hashable) -> Disk | None:
        """The disk of a key, None when it has none."""
        return self._disks.get(key)

    def keys(self) -> Iterator[Hashable]:
        """The keys of all disks."""
        return iter(self._disks)

    def put(self, key: Hashable, disk: Disk) -> None:
        """Make a disk of a store that shares this one's file the disk of a key."""
        self._disks = self._disks.set(key, disk)

    def create(self, key: Hashable, size: int) -> None:
        """A disk of zeros."""
        self.put(key, Disk(size, _EMPTY))

    def clone(self, source: Hashable, key: Hashable) -> None:
        """The same disk under another key as well; writing to either leaves the other alone."""
        self.put(key, self._disks[source])

    snapshot = clone
    copy = clone

    def resize(self, key: Hashable, size: int) -> None:
        """Cut the end off, or add zeros."""
        disk = self._disks[key]
        if size < disk.size:
            disk = self._cut(disk, size)
        self.put(key, replace(disk, size=size))

    def destroy(self, key: Hashable) -> None:
        """Forget a disk; its blocks go when nobody else has them."""
        self._disks = self._disks.delete(key)

    def allocated_bytes(self, key: Hashable, base: Hashable | None = None) -> int:
        """What a disk takes: all its blocks, or those that its parent in a chain of VHDs has not."""
        disk = self._disks[key]
        return disk.allocated_bytes if base is None else len(disk.changed_since(self._disks[base])) * BLOCK_BYTES

    def blocks(self, key: Hashable) -> list[int]:
        """The numbers of the blocks that are not all zeros, in order."""
        return self._disks[key].numbers()

    def diff(self, key: Hashable, base: Hashable) -> list[int]:
        """The numbers of the blocks that differ between two disks, in order."""
        return self._disks[key].changed_since(self._disks[base])

    def block(self, disk: Disk, number: int) -> bytes:
        """All bytes of one block of a disk; the last block is filled up with zeros."""
        block = disk.blocks.get(number)
        return self._file.get(block) if block is not None else ZEROS

    def read(self, key: Hashable, offset: int, length: int) -> bytes:
        """Bytes of a disk; DiskError beyond its end."""
        disk = self._disks[key]
        _check_range(disk, offset, length)
        return b"".join(self._part(disk, *span) for span in _spans(offset, length))

    def write(self, key: Hashable, offset: int, content: bytes) -> None:
        """Change bytes of a disk; DiskError beyond its end, OSError when there is no room for them."""
        disk = self._disks[key]
        _check_range(disk, offset, len(content))
        self.put(key, self._written(disk, [(offset, content)]))

    def write_unseen(self, key: Hashable, numbers: Iterable[int], name: str) -> None:
        """Let blocks of a disk hold what a guest has written and nobody has seen; TypeError where bytes are kept."""
        if not isinstance(self._file, HollowFile):
            raise TypeError("these disks keep their bytes")
        disk = self._disks[key]
        written = {number: self._file.named(f"{name}/{number}") for number in numbers}
        self.put(key, Disk(disk.size, _with(disk.blocks, written)))

    def writer(self, key: Hashable) -> DiskWriter:
        """Write many extents in the order of their offsets; each block is put once, when it is complete."""
        return DiskWriter(self, self._file, key)

    def _part(self, disk: Disk, number: int, start: int, length: int) -> bytes:
        block = disk.blocks.get(number)
        return self._file.part(block, start, length) if block is not None else bytes(length)

    def _written(self, disk: Disk, extents: Iterable[Extent]) -> Disk:
        changes: dict[int, Block | None] = {}
        for offset, content in extents:
            for number, start, length in _spans(offset, len(content)):
                begin = number * BLOCK_BYTES + start - offset
                piece = content[begin : begin + length]
                changes[number] = self._file.put(piece if length == BLOCK_BYTES else _patched(self.block(disk, number), start, piece))
        return Disk(disk.size, _with(disk.blocks, changes))

    def _cut(self, disk: Disk, size: int) -> Disk:
        last, kept = divmod(size, BLOCK_BYTES)
        changes: dict[int, Block | None] = {number: None for number in disk.blocks if number > last or (number == last and not kept)}
        if kept and last in disk.blocks:
            changes[last] = self._file.put(self.block(disk, last)[:kept] + bytes(BLOCK_BYTES - kept))
        return Disk(size, _with(disk.blocks, changes))


class DiskWriter:
    """Extents that come one after another, as an import delivers them. The disk changes block by block; ``flush`` ends it."""

    def __init__(self, store: DiskStore, file: BlockFile, key: Hashable) -> None:
        self._store = store
        self._file = file
        self._key = key
        self._number = -1
        self._buffer = bytearray()

    def write(self, offset: int, content: bytes) -> None:
        """Add an extent; DiskError beyond the disk's end, or when the disk is gone."""
        _check_range(self._disk(), offset, len(content))
        view = memoryview(content)
        for number, start, length in _spans(offset, len(content)):
            begin = number * BLOCK_BYTES + start - offset
            self._open(number)
            self._buffer[start : start + length] = view[begin : begin + length]

    def flush(self) -> None:
        """Put what is still in memory."""
        if self._number >= 0:
            disk = self._disk()
            changes = {self._number: self._file.put(bytes(self._buffer))}
            self._store.put(self._key, Disk(disk.size, _with(disk.blocks, changes)))
        self._number = -1

    def _disk(self) -> Disk:
        if self._key not in self._store:
            raise DiskError("the disk was destroyed while it was written")
        return self._store[self._key]

    def _open(self, number: int) -> None:
        if number != self._number:
            self.flush()
            self._number = number
            self._buffer = bytearray(self._store.block(self._disk(), number))


def _spans(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """A range as (block number, start within it, length)."""
    end = offset + length
    while offset < end:
        number, start = divmod(offset, BLOCK_BYTES)
        piece = min(BLOCK_BYTES - start, end - offset)
        yield number, start, piece
        offset += piece


def _patched(block: bytes, start: int, piece: bytes) -> bytes:
    return block[:start] + piece + block[start + len(piece) :]


def _with(blocks: immutables.Map[int, Block], changes: Mapping[int, Block | None]) -> immutables.Map[int, Block]:
    mutation = blocks.mutate()
    for number, block in changes.items():
        if block is not None:
            mutation[number] = block
        else:
            mutation.pop(number, None)
    return mutation.finish()


def _check_range(disk: Disk, offset: int, length: int) -> None:
    if offset < 0 or length < 0 or offset + length > disk.size:
        raise DiskError(f"bytes {offset} to {offset + length} do not fit a disk of {disk.size} bytes")
