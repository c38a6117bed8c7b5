"""The disks of a migrating VM: which go where, and how each is copied while the VM runs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.datamodel.types import NULL_REF
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.verbs.disks import storage, vdi_disks
from fake_xapi.verbs.migrations.migration_journey import Journey, disks_of, shared_disks
from fake_xapi.verbs.vms import placement

_KEPT = ("name_label", "name_description", "type", "sharable", "other_config", "xenstore_data", "tags")


@dataclass(frozen=True, slots=True)
class Move:
    """A disk that moves to an SR, by its ref there. A mirrored one is in use meanwhile; a snapshot or an image is only copied."""

    vdi: Id
    sr: str
    size: int
    is_mirrored: bool


async def planned(journey: Journey) -> tuple[Move, ...]:
    """The disks that move, of the VM, its snapshots and their memory: the smallest first, snapshots before what came after them.

    Failures VDI_NOT_IN_MAP [vdi], VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION [vdi], SUSPEND_IMAGE_NOT_ACCESSIBLE [vdi].
    """
    world = journey.world
    own = disks_of(world, journey.vm)
    for vdi in own:
        if vdi not in journey.vdi_map:
            raise Failure("VDI_NOT_IN_MAP", Handle(vdi))
    for vdi in own:
        if world[vdi]["on_boot"] == "reset":
            raise Failure("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION", Handle(vdi))
    images = _images(journey)
    snapshots = [] if journey.is_copy else [vdi for vm in journey.vms[1:] for vdi in disks_of(world, vm)]
    usual = await _usual_srs(journey) if images or snapshots else _Usual("", "")
    chosen = {vdi: journey.vdi_map[vdi] for vdi in own}
    chosen |= {vdi: _chosen(journey, vdi, usual, is_image=vdi in images) for vdi in (*images, *snapshots) if vdi not in chosen}
    shared = await shared_disks(journey)
    moves = [_move(journey, vdi, sr) for vdi, sr in chosen.items() if vdi not in shared and not _stays(journey, vdi, sr)]
    return tuple(sorted(moves, key=lambda move: (move.size, world[move.vdi]["snapshot_time"], move.vdi)))


def _images(journey: Journey) -> list[Id]:
    """The suspended memory that moves; it must be accessible here, and stays where the other host sees it."""
    world, found = journey.world, []
    for vm in journey.vms[:1] if journey.is_copy else journey.vms:
        vdi: Id = world[vm]["suspend_VDI"]
        if world[vm]["power_state"] != "Suspended" or world.get(vdi) is None:
            continue
        sr: Id = world[vdi]["SR"]
        if journey.host and placement.is_connected(world, sr, journey.host):
            continue
        if not placement.is_connected(world, sr, journey.source):
            raise Failure("SUSPEND_IMAGE_NOT_ACCESSIBLE", Handle(vdi))
        found.append(vdi)
    return found


@dataclass(frozen=True, slots=True)
class _Usual:
    """A pool's default SRs for disks that no map mentions; "" for none."""

    default: str
    images: str


async def _usual_srs(journey: Journey) -> _Usual:
    if journey.is_within_pool:
        world = journey.world
        pool, host = world[POOL], world[journey.host]
        ids = (pool["default_SR"], pool["suspend_image_SR"] or host["suspend_image_sr"])
        default, images = (world.ref(sr) if sr and world.get(sr) is not None else "" for sr in ids)
        return _Usual(default, images)
    [pool_ref] = await journey.there("pool.get_all")
    default = await journey.there("pool.get_default_SR", pool_ref)
    images = await journey.there("pool.get_suspend_image_SR", pool_ref)
    if images == NULL_REF:
        images = await journey.there("host.get_suspend_image_sr", journey.to.host)
    return _Usual(*("" if sr == NULL_REF else str(sr) for sr in (default, images)))


def _chosen(journey: Journey, vdi: Id, usual: _Usual, *, is_image: bool) -> str:
    """The SR in the map, for the disk or for what it is a snapshot of; otherwise the default."""
    told = journey.vdi_map.get(vdi) or journey.vdi_map.get(journey.world[vdi]["snapshot_of"])
    found = told or (usual.images if is_image else "") or usual.default
    if not found:
        raise Failure("VDI_NOT_IN_MAP", Handle(vdi))
    return found


def _stays(journey: Journey, vdi: Id, sr: str) -> bool:
    return journey.is_within_pool and journey.world.ref(journey.world[vdi]["SR"]) == sr


def _move(journey: Journey, vdi: Id, sr: str) -> Move:
    row = journey.world[vdi]
    modes = {journey.world[vbd]["mode"] for vbd in row["VBDs"] if journey.world[vbd]["VM"] == journey.vm}
    return Move(vdi, sr, row["virtual_size"], "RW" in modes)


# ---- where they go ---------------------------------------------------------------------------------------------------------------


class Place(Protocol):
    """A target for disks: an SR of this pool or of another. ``made`` are refs there, by the disks that they replace."""

    made: dict[Id, str]

    async def make(self, move: Move) -> None:
        """An empty disk."""
        ...

    async def fill(self, move: Move) -> None:
        """The content as it is now."""
        ...

    async def discard(self) -> None:
        """Destroy all that was made, as far as it can be reached."""
        ...


@dataclass
class Here:
    """Another SR of the same pool."""

    journey: Journey
    made: dict[Id, str] = field(default_factory=dict)

    async def make(self, move: Move) -> None:
        """An empty disk."""
        call, row, sr = self.journey.call, self.journey.world[move.vdi], self.journey.world.find_ref(move.sr)
        storage.assert_reachable(call, sr)
        with call.world.edit() as edit:
            fields = {name: row[name] for name in (*_KEPT, "on_boot", "allow_caching")}
            size = storage.rounded_size(call.world[sr]["type"], move.size)
            vdi = vdi_disks.create_disk(call, edit, sr, size, **fields, read_only=row["read_only"])
        self.made[move.vdi] = call.world.ref(vdi)

    async def fill(self, move: Move) -> None:
        """The content at no cost: the time was let pass."""
        call, vdi = self.journey.call, self.journey.world.find_ref(self.made[move.vdi])
        if move.vdi not in call.disks or vdi not in call.disks:
            return
        size = call.disks[vdi].size
        call.disks.clone(move.vdi, vdi)
        call.disks.resize(vdi, size)
        with call.world.edit() as edit:
            storage.measure(call, edit, vdi)

    async def discard(self) -> None:
        """Destroy what was made."""
        call = self.journey.call
        with call.world.edit() as edit:
            for ref in self.made.values():
                vdi = call.world.find_ref(ref)
                if edit.get(vdi) is not None:
                    storage.drop_vdi(call, edit, vdi)


@dataclass
class There:
    """An SR of another pool."""

    journey: Journey
    made: dict[Id, str] = field(default_factory=dict)

    async def make(self, move: Move) -> None:
        """An empty disk."""
        row = self.journey.world[move.vdi]
        record: dict[str, Any] = {name: _wire(row[name]) for name in _KEPT}
        record |= {"SR": move.sr, "virtual_size": str(move.size), "read_only": False, "sm_config": {}}
        self.made[move.vdi] = str(await self.journey.there("VDI.create", record))

    async def fill(self, move: Move) -> None:
        """Send the content; MIRROR_FAILED [vdi] when it is not taken."""
        call, to = self.journey.call, self.journey.to
        if move.vdi not in call.disks:
            return
        made, disk = self.made[move.vdi], call.disks[move.vdi]
        if not await self.journey.remote.send_disk(to.session, made, call.disks, disk, call.stop_if_cancelled):
            raise Failure("MIRROR_FAILED", Handle(move.vdi))

    async def discard(self) -> None:
        """Destroy what was made; what cannot be reached any more is left."""
        for vdi in self.made.values():
            try:
                await self.journey.there("VDI.destroy", vdi)
            except Failure:
                continue


def _wire(value: Any) -> Any:
    """A disk's plain field as a wire value."""
    return list(value) if isinstance(value, tuple) else value


async def copy_disks(journey: Journey, moves: tuple[Move, ...], place: Place, marks: AsyncExitStack) -> None:
    """Create and fill each disk, with progress by size; those in use are marked ``mirror`` until the migration ends."""
    total, done = max(1, sum(move.size for move in moves)), 0
    for move in moves:
        if move.is_mirrored and journey.world.personality.era == "modern":
            await marks.enter_async_context(journey.call.operating((move.vdi, "mirror")))
        await journey.call.takes("VDI.mirror.start", share=(0.8 * done / total, 0.8 * done / total))
        await place.make(move)
        held = journey.call.disks[move.vdi].allocated_bytes if move.vdi in journey.call.disks else 0
        share = (0.8 * done / total, 0.8 * (done + move.size) / total)
        await journey.call.takes("VDI.mirror", bytes_moved=held, share=share)
        await place.fill(move)
        journey.call.stop_if_cancelled()
        done += move.size
