"""One requested migration: which VM goes where, the mapping of its disks and interfaces, and its target pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from fake_xapi.datamodel.failure import Failure, Handle
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.state.row import Row
from fake_xapi.state.world import World
from fake_xapi.verbs.call import Call
from fake_xapi.verbs.migrations.remote import Remote

FOREIGN: Mapping[str, frozenset[str]] = {
    name: frozenset({"vdi_map", "vif_map", "vgpu_map"})
    for name in ("VM.migrate_send", "VM.assert_can_migrate", "VM.assert_can_migrate_sender")
}
"""Parameters whose refs may belong to another pool."""


def ref_of(world: World, value: Id) -> str:
    """A ref as the caller gave it: an object of this pool, or of another one."""
    foreign: str = getattr(value, "ref", "")
    return foreign or world.ref(value)


@dataclass(frozen=True, slots=True)
class Destination:
    """The answer of ``host.migrate_receive`` from the waiting host; ``master`` is the address of its pool."""

    master: str
    address: str
    session: str
    host: str


def destination(dest: Mapping[str, str]) -> Destination:
    """Parse the map; INTERNAL_ERROR Not_found when a key is missing, as in XAPI."""
    missing = [key for key in ("SM", "xenops", "master", "host", "session_id") if key not in dest]
    if missing:
        raise Failure("INTERNAL_ERROR", "Not_found")
    return Destination(urlsplit(dest["master"]).netloc, urlsplit(dest["xenops"]).netloc, dest["session_id"], dest["host"])


@dataclass
class Journey:
    """A migrating VM. ``vdi_map`` and ``vif_map`` lead from objects here to refs there."""

    call: Call
    vm: Id
    to: Destination
    vdi_map: Mapping[Id, str]
    vif_map: Mapping[Id, str]
    options: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[Id, str] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The source's database."""
        return self.call.world

    @property
    def row(self) -> Row:
        """The VM's row."""
        return self.world[self.vm]

    @property
    def host(self) -> Id:
        """The target host, if it is in this pool; otherwise NULL."""
        found = self.world.find_ref(self.to.host)
        row = self.world.get(found) if found else None
        return found if row is not None and row.cls == "host" else 0

    @property
    def is_within_pool(self) -> bool:
        """Whether it stays in its pool."""
        return bool(self.host)

    @property
    def is_forced(self) -> bool:
        """Whether some checks are skipped."""
        return self.options.get("force") == "true"

    @property
    def is_copy(self) -> bool:
        """Whether the original VM stays where it is."""
        return self.options.get("copy") == "true"

    @property
    def source(self) -> Id:
        """The host that it leaves; the master for one that does not run."""
        return int(self.row["resident_on"] or self.world[POOL]["master"])

    @property
    def vms(self) -> tuple[Id, ...]:
        """The VM and its snapshots."""
        return (self.vm, *self.row["snapshots"])

    @cached_property
    def remote(self) -> Remote:
        """The target pool."""
        return self.call.remote(self.to.master)

    async def there(self, method: str, *params: Any) -> Any:
        """A call in the target pool, with the session that waits there."""
        return await self.remote.call(method, self.to.session, *params)


Maps = tuple[Mapping[Id, Id], Mapping[Id, Id], Mapping[Id, str]]
"""Of disks, of interfaces, and of the formats of disks."""


def journey_of(call: Call, vm: Id, dest: Mapping[str, str], maps: Maps, options: Mapping[str, str]) -> Journey:
    """The migration that a message's parameters describe."""
    vdi_map, vif_map, formats = maps
    vdis = {vdi: ref_of(call.world, sr) for vdi, sr in vdi_map.items() if vdi}
    vifs = {vif: ref_of(call.world, network) for vif, network in vif_map.items() if vif}
    return Journey(call, vm, destination(dest), vdis, vifs, options, formats)


def disks_of(world: World, vm: Id) -> list[Id]:
    """The VDIs of a VM's disks: media stay behind."""
    rows = (world[vbd] for vbd in world[vm]["VBDs"])
    return list(dict.fromkeys(row["VDI"] for row in rows if not row["empty"] and row["type"] != "CD" and row["VDI"]))


async def shared_disks(journey: Journey) -> dict[Id, str]:
    """The mapped disks that lie on an SR which the other pool has under the same uuid, and that SR's ref there: they are not sent.

    Releases of 2012 have no such disks.
    """
    if journey.is_within_pool or journey.world.personality.era != "modern":
        return {}
    world, found = journey.world, dict[Id, str]()
    uuids = {sr: await journey.there("SR.get_uuid", sr) for sr in dict.fromkeys(journey.vdi_map.values())}
    for vdi, sr in journey.vdi_map.items():
        row = world.get(vdi)
        if row is not None and world.uuid(row["SR"]) == uuids[sr]:
            found[vdi] = sr
    return found


async def kept_disks(journey: Journey) -> dict[Id, str]:
    """The refs of shared disks in the other pool, which looks for them once; INTERNAL_ERROR for one that it does not find."""
    shared = await shared_disks(journey)
    return {vdi: await _kept_disk(journey, journey.world.uuid(vdi), sr) for vdi, sr in shared.items()}


async def _kept_disk(journey: Journey, uuid: str, sr: str) -> str:
    for is_last in (False, True):
        try:
            vdi = str(await journey.there("VDI.get_by_uuid", uuid))
            if await journey.there("VDI.get_SR", vdi) == sr:
                return vdi
        except Failure:
            pass
        if not is_last:
            await journey.there("SR.scan", sr)
    raise Failure("INTERNAL_ERROR", 'Failure("SR UUID matches on destination but VDI does not exist")')


def inferred_vifs(journey: Journey) -> dict[Id, str]:
    """The networks of all interfaces, those of snapshots matched by address; VIF_NOT_IN_MAP [vif] for one without a mapping."""
    world = journey.world
    by_mac = {world[vif]["MAC"]: network for vif, network in journey.vif_map.items() if world.get(vif) is not None}
    found: dict[Id, str] = {}
    for vif in (vif for vm in journey.vms for vif in world[vm]["VIFs"]):
        network = journey.vif_map.get(vif) or by_mac.get(world[vif]["MAC"])
        if network is None:
            raise Failure("VIF_NOT_IN_MAP", Handle(vif))
        found[vif] = network
    return found
