"""A whole fleet as one file: its order, each host's differences from the golden host, and the bytes of the disks, each block once.

The file has a first line, the length of the head, the head as MessagePack, then the blocks. It is written beside its place, then renamed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

import msgspec
from immutables import Map

from fake_xapi.datamodel.personality import personality
from fake_xapi.dom0.blocks import BLOCK_BYTES, Block, BlockFile, HollowFile
from fake_xapi.dom0.disks import Disk, DiskStore
from fake_xapi.engine.derive import derive
from fake_xapi.engine.rewinding import free
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.fleet.golden import golden
from fake_xapi.fleet.hardware import Hardware
from fake_xapi.state.ids import Id
from fake_xapi.state.storage import BadWorldFile, dump, restore
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from fake_xapi.transports.vdi_holds import release_all
from fake_xapi.verbs.disks.media import Shelf, new_shelf

FIRST_LINE = b"inova fleet 5\n"
LENGTH_BYTES = 8
_ARRAYS = ""
"""No host is called so."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved fleet: worlds and disks of pools by the names of their masters, all disks over one ``file``.

    ``members``: of each host in a pool of several, the name of its master, and which host it is there. ``off``: who was switched off.
    """

    order: Order
    worlds: Mapping[str, World]
    disks: Mapping[str, DiskStore]
    members: Mapping[str, tuple[str, Id]]
    off: Collection[str]
    arrays: Shelf
    file: DiskStore


def save_fleet(fleet: Fleet, path: Path) -> None:
    """Write a fleet to one file, all or nothing. OSError when there is no room for it."""
    base, blocks = fleet.base.world.value, _Blocks()
    pools = {name: xapi for name, xapi in fleet.hosts.items() if xapi.is_master}
    hosts = {name: {**_plain(xapi.world, base), "disks": blocks.listed(xapi.disks)} for name, xapi in pools.items()}
    masters = {xapi: name for name, xapi in pools.items()}
    members = {name: (masters[leader], host) for name, (leader, host) in fleet.machines.seats()}
    content: dict[str, Any] = {"order": asdict(fleet.order), "hosts": hosts, "members": members, "off": sorted(fleet.machines.off)}
    arrays = fleet.arrays.shelf
    content["arrays"] = {"state": dump(arrays.world.value), "disks": blocks.listed(arrays.disks)}
    content["unseen_blocks"] = blocks.count if fleet.order.disk_bytes == "measure" else 0
    head = msgspec.msgpack.encode(content)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(FIRST_LINE + len(head).to_bytes(LENGTH_BYTES, "big") + head)
            file.writelines(blocks.contents() if fleet.order.disk_bytes == "keep" else ())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _plain(world: World, base: Value) -> dict[str, Any]:
    return {"seed": world.seed, "release": world.personality.name, "state": dump(world.value, base)}


def load_fleet(path: Path) -> Saved:
    """The fleet in a file; BadWorldFile for a malformed one. Operations under way have ended, as after a power cut of dom0."""
    with path.open("rb") as file:
        content = _head(path, file)
        order = _order(path, content["order"])
        try:
            worlds = {name: _world(host, order) for name, host in content["hosts"].items()}
            store = BlockFile() if order.disk_bytes == "keep" else HollowFile()
            listed = {name: host["disks"] for name, host in content["hosts"].items()}
            disks = _disks(_blocks(file, store, content["unseen_blocks"]), store, {**listed, _ARRAYS: content["arrays"]["disks"]})
            arrays = new_shelf(restore(content["arrays"]["state"]), disks.pop(_ARRAYS))
            members = {name: (master, host) for name, (master, host) in content["members"].items()}
            off = list(content["off"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise BadWorldFile(f"{path}: damaged ({error!r}); {_CURE}") from error
    return Saved(order, worlds, disks, members, off, arrays, DiskStore(store))


_CURE = "name another file, or remove this one to begin anew"


def _head(path: Path, file: IO[bytes]) -> Any:
    if file.readline(len(FIRST_LINE)) != FIRST_LINE:
        raise BadWorldFile(f"{path}: not a fleet of the format {FIRST_LINE.decode().strip()!r}; {_CURE}")
    try:
        return msgspec.msgpack.decode(file.read(int.from_bytes(file.read(LENGTH_BYTES), "big")))
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, MemoryError, RecursionError) as error:
        raise BadWorldFile(f"{path}: damaged ({error}); {_CURE}") from error


def _order(path: Path, plain: Any) -> Order:
    try:
        order = Order(**{**plain, "hardware": Hardware(**plain["hardware"])})
        personality(order.personality)
    except (KeyError, TypeError, ValueError) as error:
        raise BadWorldFile(f"{path}: damaged ({error}); {_CURE}") from error
    return order


def _world(host: Any, order: Order) -> World:
    base = golden(order.personality, order.hardware, min(order.pool_size, order.hosts)).world.value
    world = World(restore(host["state"], base), host["seed"], personality(host["release"]))
    world.derive = derive
    if any(row["status"] == "pending" for _, row in world.rows("task")):
        free(world)
    _end_sessions(world)
    release_all(world)
    return world


def _end_sessions(world: World) -> None:
    """End all sessions: the secret behind their refs is gone with the process that saved them."""
    with world.edit() as edit:
        for session in list(world.ids("session")):
            edit.destroy(session)


class _Blocks:
    """The distinct blocks of all disks, in the order of their first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[Block, int] = {}
        self._sources: list[tuple[DiskStore, Disk, int]] = []

    def listed(self, store: DiskStore) -> dict[int, Any]:
        """Each disk of a store: its size, and the number of each block's content."""
        return {cast(int, key): [store[key].size, self._blocks(store, store[key])] for key in store.keys()}  # noqa: SIM118  # no mapping

    def _blocks(self, store: DiskStore, disk: Disk) -> dict[int, int]:
        for place in disk.numbers():
            block = disk.blocks[place]
            if block not in self._numbers:
                self._numbers[block] = len(self._sources)
                self._sources.append((store, disk, place))
        return {place: self._numbers[block] for place, block in disk.blocks.items()}

    @property
    def count(self) -> int:
        """The number of distinct blocks."""
        return len(self._sources)

    def contents(self) -> Iterator[bytes]:
        """The bytes of every block."""
        return (store.block(disk, place) for store, disk, place in self._sources)


def _blocks(file: IO[bytes], store: BlockFile, unseen: int) -> list[Block]:
    """The blocks in the order of their numbers; for blocks whose bytes are not kept, only their count."""
    if isinstance(store, HollowFile):
        return [store.named(f"saved/{number}") for number in range(unseen)]
    blocks: list[Block] = []
    while content := file.read(BLOCK_BYTES):
        block = store.put(content)
        if block is None:
            raise ValueError("a block of zeros")
        blocks.append(block)
    return blocks


def _disks(blocks: list[Block], store: BlockFile, listed: Mapping[str, Any]) -> dict[str, DiskStore]:
    made = {name: {key: _disk(size, places, blocks) for key, (size, places) in disks.items()} for name, disks in listed.items()}
    return {name: DiskStore(store, Map(disks)) for name, disks in made.items()}


def _disk(size: int, places: Mapping[int, int], blocks: list[Block]) -> Disk:
    return Disk(size, Map({place: blocks[number] for place, number in places.items()}))
