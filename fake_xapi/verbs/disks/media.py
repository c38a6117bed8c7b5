"""What is stored on devices, LUNs and shares, whatever the database says: forgotten disks, SRs of other pools, change tracking.

What is local is kept beside the rows of the pool. What lies on an array is kept with the arrays, which every pool of the process
sees: there a listener notes each change to a disk, so that nothing else has to think of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from fake_xapi.datamodel.personality import personality
from fake_xapi.dom0.arrays import STANDARD, StorageNetwork, network_of
from fake_xapi.dom0.disks import Disk, DiskStore
from fake_xapi.lifecycle.rules import POOL, AnyRow
from fake_xapi.lifecycle.storage_types import LUN_TYPES, NETWORK_TYPES
from fake_xapi.state.edit import Edit
from fake_xapi.state.ids import NULL, Id, class_of
from fake_xapi.state.value import Change, Value
from fake_xapi.state.world import World
from fake_xapi.verbs.disks.sr_drivers import Place

_OF_ANY = ("location", "virtual_size", "physical_utilisation", "sm_config", "managed", "read_only", "cbt_enabled", "type")
_OF_LVM = (*_OF_ANY, "name_label", "name_description", "is_a_snapshot", "snapshot_time", "sharable")
"""LVM SRs keep names and other metadata in a volume of their own; file SRs have nothing but their files."""
_LVM_TYPES = frozenset({"lvm", "lvmoiscsi", "lvmohba", "cslg", "netapp", "equal"})
SETTING = "sim.storage"
"""The key of the pool's other_config whose JSON replaces the standard arrays."""


class Shelf(NamedTuple):
    """Where media are kept: their rows, and by uuid the bytes of disks without a row in any database."""

    world: World
    disks: DiskStore


def new_shelf(value: Value, disks: DiskStore) -> Shelf:
    """A shelf that belongs to no pool."""
    return Shelf(World(value, "arrays", personality()), disks)


class Arrays:
    """The storage arrays of a process: which there are, and what is stored on them."""

    __slots__ = ("_disks", "_shelf", "followers", "network")

    def __init__(self, disks: DiskStore, network: StorageNetwork = STANDARD, kept: Shelf | None = None) -> None:
        self.network = network
        self.followers: list[Follower] = []
        """The pools that have disks on them."""
        self._disks = disks
        self._shelf = kept

    @property
    def shelf(self) -> Shelf:
        """The media on them; the shelf is created when somebody first looks."""
        if self._shelf is None:
            self._shelf = new_shelf(Value.empty(), self._disks.empty())
        return self._shelf


class Holder(Protocol):
    """Anything that has a pool's world, its disks and the arrays: a call."""

    @property
    def world(self) -> World:
        """The pool's database."""
        ...

    @property
    def disks(self) -> DiskStore:
        """The bytes of its VDIs, keyed by their ids."""
        ...

    @property
    def arrays(self) -> Arrays:
        """The storage outside its hosts."""
        ...


def network(store: Holder) -> StorageNetwork:
    """The storage that a pool's hosts can reach: its own setting, otherwise the process's. A setting that is not JSON is ignored."""
    pool = store.world.get(POOL)
    text = pool["other_config"].get(SETTING, "") if pool is not None else ""
    if not text:
        return store.arrays.network
    try:
        return network_of(text)
    except msgspec.MsgspecError:
        return store.arrays.network


def shelf(store: Holder, sr_type: str) -> Shelf:
    """The shelf that holds what is on SRs of that type."""
    if sr_type not in NETWORK_TYPES:
        return Shelf(store.world, store.disks)
    return store.arrays.shelf


def find(place: Shelf, sr_uuid: str) -> Id:
    """The medium of an SR, NULL when nothing is known of one."""
    return next(iter(place.world.named("medium", sr_uuid)), NULL)


def lying_at(store: Holder, sr_type: str, place: str) -> Iterator[AnyRow]:
    """The media of that type at a location, oldest first."""
    held = shelf(store, sr_type).world
    rows = (held[medium] for medium in sorted(held.ids("medium")))
    return (row for row in rows if row["place"] == place and row["sr_type"] == sr_type)


def write(store: Holder, sr: Id, place: str, size: int) -> None:
    """Record that an SR is at a location, with all disks that it has now."""
    row, uuid = store.world[sr], store.world.uuid(sr)
    on = shelf(store, row["type"])
    on_it = {store.world.uuid(vdi): held(store.world, vdi) for vdi in row["VDIs"]}
    with on.world.edit() as edit:
        medium = find(on, uuid) or edit.create("medium", sr_uuid=uuid, sr_type=row["type"])
        edit.set(medium, place=place, size=size, label=row["name_label"], disks=on_it)


def put(store: Holder, sr_type: str, sr_uuid: str, lying: Mapping[str, str], kept: Mapping[str, Disk], place: Place | None = None) -> None:
    """Leave disks without a row on a medium: the known fields of each by uuid, and its bytes."""
    on = shelf(store, sr_type)
    with on.world.edit() as edit:
        medium = find(on, sr_uuid) or edit.create("medium", sr_uuid=sr_uuid, sr_type=sr_type)
        edit.set(medium, disks={**edit[medium]["disks"], **lying})
        if place is not None:
            edit.set(medium, place=place.key, size=place.size)
    for uuid, disk in kept.items():
        on.disks.put(uuid, disk)


def drop(store: Holder, sr_type: str, sr_uuid: str, uuid: str) -> None:
    """Take a disk away that lies on a medium; one that does not is no error."""
    on = shelf(store, sr_type)
    medium = find(on, sr_uuid)
    if medium and uuid in on.world[medium]["disks"]:
        with on.world.edit() as edit:
            edit.drop(medium, "disks", uuid)
        _drop_bytes(on, uuid)


def claim(store: Holder, sr_type: str, sr_uuid: str, uuid: str, vdi: Id) -> None:
    """Give a new row the bytes of the disk that lies on a medium under its name, if one does; what is local lies there no longer."""
    on = shelf(store, sr_type)
    medium = find(on, sr_uuid)
    if not medium or uuid not in on.world[medium]["disks"]:
        return
    disk = _bytes_of(store, sr_type, uuid)
    if disk is not None:
        store.disks.put(vdi, disk)
    if sr_type not in NETWORK_TYPES:
        drop(store, sr_type, sr_uuid, uuid)


def erase(store: Holder, sr_type: str, sr_uuid: str) -> None:
    """Wipe a medium with everything on it."""
    on = shelf(store, sr_type)
    medium = find(on, sr_uuid)
    if medium:
        for uuid in on.world[medium]["disks"]:
            _drop_bytes(on, uuid)
        with on.world.edit() as edit:
            edit.destroy(medium)


def _drop_bytes(on: Shelf, uuid: str) -> None:
    if uuid in on.disks:
        on.disks.destroy(uuid)


# ---- one disk --------------------------------------------------------------------------------------------------------------------


def held(world: World, vdi: Id) -> str:
    """What a medium knows about a disk."""
    return _written(world, world[vdi])


def _written(world: World, row: AnyRow) -> str:
    sr = world.get(row["SR"])
    names = _OF_LVM if sr is not None and sr["type"] in _LVM_TYPES else _OF_ANY
    parts = {name: row[name] for name in names}
    if "is_a_snapshot" in parts and row["snapshot_of"]:
        parts["snapshot_of"] = world.uuid(row["snapshot_of"])
    return msgspec.json.encode(parts).decode()


def read(text: str) -> dict[str, Any]:
    """The fields of a disk as its medium knows them."""
    return dict(msgspec.json.decode(text))


def take_over(store: Holder, edit: Edit, sr: Id, uuid: str, text: str) -> Id:
    """Create the row, with its bytes, of a disk that is on a medium but not in the database."""
    fields = read(text)
    origin = store.world.by_uuid("VDI", fields.pop("snapshot_of", ""))
    vdi = edit.create("VDI", SR=sr, uuid=uuid, snapshot_of=origin, **fields)
    disk = _bytes_of(store, edit[sr]["type"], uuid)
    if disk is not None:
        store.disks.put(vdi, disk)
    return vdi


def _bytes_of(store: Holder, sr_type: str, uuid: str) -> Disk | None:
    """The content of a disk: from the pool that has it in use, otherwise from its medium."""
    on = shelf(store, sr_type)
    for follower in store.arrays.followers if sr_type in NETWORK_TYPES else ():
        vdi = follower.world.by_uuid("VDI", uuid)
        if vdi in follower.disks and follower.world is not store.world:
            return follower.disks[vdi]
    return on.disks.get(uuid)


# ---- arrays that more than one pool may see -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Follower:
    """Listens to a pool's commits and updates what is stored on arrays accordingly."""

    arrays: Arrays
    world: World
    disks: DiskStore

    def __call__(self, _generation: int, changes: tuple[Change, ...]) -> None:
        """Take over what changed in disks that lie on arrays."""
        for change in changes:
            if class_of(change.identity) == "VDI":
                self._note(change)

    def _note(self, change: Change) -> None:
        row = change.new or change.old
        if row is None:
            return
        if "SCSIid" in row["sm_config"]:
            self._note_lun(change.identity, row["sm_config"]["SCSIid"])
        sr = self.world.get(row["SR"])
        if sr is not None and sr["type"] in NETWORK_TYPES:
            self._note_disk(change, self.world.uuid(row["SR"]))

    def _note_lun(self, vdi: Id, scsi_id: str) -> None:
        if vdi in self.disks:
            self.arrays.shelf.disks.put(scsi_id, self.disks[vdi])

    def _note_disk(self, change: Change, sr_uuid: str) -> None:
        on = self.arrays.shelf
        medium = find(on, sr_uuid)
        if not medium:
            return
        uuid = _uuid_of(self.world, change)
        with on.world.edit() as edit:
            if change.new is not None:
                edit.put(medium, "disks", uuid, _written(self.world, change.new))
            else:
                edit.drop(medium, "disks", uuid)
                _drop_bytes(on, uuid)


def _uuid_of(world: World, change: Change) -> str:
    return str(change.old["uuid"]) if change.old is not None and change.old["uuid"] else world.uuid(change.identity)


def follow(store: Holder) -> None:
    """Let the arrays hear of every change that a pool makes from now on. Idempotent."""
    if not any(isinstance(listener, Follower) for listener in store.world.listeners):
        follower = Follower(store.arrays, store.world, store.disks)
        store.world.listeners.append(follower)
        store.arrays.followers.append(follower)


def follow_if_needed(store: Holder) -> None:
    """The same, for a pool that starts out with SRs on arrays."""
    if any(row["type"] in NETWORK_TYPES | LUN_TYPES for _, row in store.world.rows("SR")):
        follow(store)
