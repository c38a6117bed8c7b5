"""Copies of a pool's database on disks of type metadata, from which another pool can recover it.

A copy is written at once, and again a while after every change for as long as its disk exists.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fake_xapi.dom0.disks import DiskStore
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.storage import dump
from fake_xapi.state.value import Change
from fake_xapi.verbs.disks import storage
from fake_xapi.verbs.disks.storage import Storage

FLUSH_S = 5.0
_MAGIC = b"inova database 1\n"
_LENGTH_BYTES = 8
_HEAD_BYTES = len(_MAGIC) + _LENGTH_BYTES
_MOST_BYTES = 1 << 30
"""No database is larger, packed or not."""
_KEYS = frozenset({"pool", "seed", "personality", "state"})


@dataclass(slots=True)
class Replica:
    """Keeps the copy on a disk current, a while behind the database."""

    store: Storage
    vdi: Id
    timer: asyncio.TimerHandle | None = field(default=None)
    is_writing: bool = False

    def __call__(self, _generation: int, _changes: tuple[Change, ...]) -> None:
        """Note that something has changed."""
        if self.timer is None and not self.is_writing:
            self.timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write the copy, or stop when its disk is gone."""
        self.timer = None
        if self.store.world.get(self.vdi) is None:
            self.store.world.listeners.remove(self)
            return
        self.is_writing = True
        write(self.store, self.vdi)
        self.is_writing = False


def replicate(store: Storage, vdi: Id) -> None:
    """Write a copy of the database to a disk, now and after each change."""
    replica = Replica(store, vdi)
    replica.flush()
    store.world.listeners.append(replica)


def write(store: Storage, vdi: Id) -> None:
    """Write the database as it is now to a disk."""
    world = store.world
    written = {"pool": world.uuid(POOL), "seed": world.seed, "personality": world.personality.name, "state": dump(world.value)}
    packed = zlib.compress(msgspec.msgpack.encode(written), 1)
    store.disks.write(vdi, 0, _MAGIC + len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)
    with world.edit() as edit:
        storage.measure(store, edit, vdi)


def pool_of(disks: DiskStore, vdi: Id) -> str:
    """The uuid of the pool whose database a disk holds, "" when it holds none."""
    found = content(disks, vdi)
    return str(found["pool"]) if found is not None else ""


def content(disks: DiskStore, vdi: Id) -> dict[str, Any] | None:
    """The copy on a disk: ``pool``, ``seed``, ``personality`` and ``state``; None when there is none."""
    if vdi not in disks or disks[vdi].size < _HEAD_BYTES:
        return None
    head = disks.read(vdi, 0, _HEAD_BYTES)
    length = int.from_bytes(head[len(_MAGIC) :], "big")
    if not head.startswith(_MAGIC) or length > min(disks[vdi].size - _HEAD_BYTES, _MOST_BYTES):
        return None
    try:
        unpacked = zlib.decompressobj().decompress(disks.read(vdi, _HEAD_BYTES, length), _MOST_BYTES)
        return _checked(msgspec.msgpack.decode(unpacked))
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _checked(found: object) -> dict[str, Any] | None:
    """What was read, if it is a complete copy: anybody who may write to the disk could have written it."""
    return found if isinstance(found, dict) and found.keys() >= _KEYS else None
