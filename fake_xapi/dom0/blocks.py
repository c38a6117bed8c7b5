"""Blocks of disks, each content kept once, in one anonymous sparse file that the kernel removes whatever happens to us.

May not know what disks are. Who holds a ``Block`` keeps its bytes; Python's own reference count frees them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import Callable
from heapq import heappop, heappush
from pathlib import Path

BLOCK_BYTES = 2 << 20
"""The block of a VHD, so that what is shared here is shared there."""

ZEROS = bytes(BLOCK_BYTES)


class Block:
    """The bytes of one block; equal contents are the same object."""

    __slots__ = ("__weakref__", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot


class BlockFile:
    """Content-addressed blocks. No file exists until the first is put; ``close`` gives it back, as does the end of the process."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._descriptor = -1
        self._close_file: Callable[[], object] | None = None
        self._by_digest: weakref.WeakValueDictionary[bytes, Block] = weakref.WeakValueDictionary()
        self._free: list[int] = []
        self._slots = 0

    def put(self, content: bytes) -> Block | None:
        """The block with this content, which is exactly BLOCK_BYTES long; None when it is all zeros. OSError when the disk is full."""
        if len(content) != BLOCK_BYTES:
            raise ValueError(f"a block has {BLOCK_BYTES} bytes, not {len(content)}")
        if content == ZEROS:
            return None
        digest = hashlib.sha256(content).digest()
        known = self._by_digest.get(digest)
        return known if known is not None else self._store(digest, content)

    def get(self, block: Block) -> bytes:
        """The bytes of a block."""
        return os.pread(self._descriptor, BLOCK_BYTES, block.slot * BLOCK_BYTES)

    def part(self, block: Block, start: int, length: int) -> bytes:
        """Some bytes of a block."""
        return os.pread(self._descriptor, length, block.slot * BLOCK_BYTES + start)

    @property
    def stored_bytes(self) -> int:
        """The bytes of all different blocks that somebody holds."""
        return (self._slots - len(self._free)) * BLOCK_BYTES

    def close(self) -> None:
        """Give the file back; its blocks cannot be read any more."""
        if self._close_file is not None:
            self._close_file()
            self._descriptor, self._close_file = -1, None

    def _store(self, digest: bytes, content: bytes) -> Block:
        slot = heappop(self._free) if self._free else self._slots
        self._slots = max(self._slots, slot + 1)
        try:
            self._write(slot, content)
        except OSError:
            self._release(slot)
            raise
        block = Block(slot)
        self._by_digest[digest] = block
        weakref.finalize(block, self._release, slot).atexit = False
        return block

    def _write(self, slot: int, content: bytes) -> None:
        if self._descriptor < 0:
            self._descriptor = _anonymous_file(self._directory)
            self._close_file = weakref.finalize(self, os.close, self._descriptor)
        view, position = memoryview(content), slot * BLOCK_BYTES
        while view:
            written = os.pwrite(self._descriptor, view, position)
            view, position = view[written:], position + written

    def _release(self, slot: int) -> None:
        """Free a slot for the next block; the file shrinks when nothing is left in it."""
        heappush(self._free, slot)
        if len(self._free) == self._slots:
            self._free.clear()
            self._slots = 0
            if self._descriptor >= 0:
                os.ftruncate(self._descriptor, 0)


class HollowFile(BlockFile):
    """Blocks that are told apart and counted, but whose bytes nobody keeps: what is read is noise, the same each time for one block.

    For fleets whose disks are only measured: everything takes as much as if the bytes were there.
    """

    def get(self, block: Block) -> bytes:
        """Noise."""
        return hashlib.sha256(block.slot.to_bytes(8, "big")).digest() * (BLOCK_BYTES // hashlib.sha256().digest_size)

    def part(self, block: Block, start: int, length: int) -> bytes:
        """Some of the noise."""
        return self.get(block)[start : start + length]

    def named(self, name: str) -> Block:
        """A block that holds something which nobody has seen; the same for the same name."""
        digest = hashlib.sha256(name.encode()).digest()
        known = self._by_digest.get(digest)
        return known if known is not None else self._store(digest, b"")

    def _write(self, slot: int, content: bytes) -> None:
        """Keep nothing."""


def _anonymous_file(directory: Path | None) -> int:
    """A file without a name: nothing to remove when the process ends, even by SIGKILL."""
    with tempfile.TemporaryFile(dir=directory, prefix="inova-disks-") as file:
        return os.dup(file.fileno())
