"""Which XenServer host takes a VM: what each has left, and the choice among them, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compute_core.firstgen.guests import Unmovable
from compute_core.xenapi.certainty import certain
from compute_core.xenapi.place import Place
from compute_core.xenapi.records import MIB
from compute_core.xenapi.session import XenApi


@dataclass(frozen=True, slots=True)
class Need:
    """What a VM takes of a host. ``memory_bytes`` is 0 for one that will not run; ``bridges`` are the new host's."""

    disk_bytes: int
    memory_bytes: int
    bridges: frozenset[str]


@dataclass(frozen=True, slots=True)
class Room:
    """What a host has left."""

    disk_bytes: int
    memory_bytes: int
    bridges: frozenset[str]

    def lacks(self, need: Need) -> str:
        """What a VM would miss here, "" when nothing."""
        absent = sorted(need.bridges - self.bridges)
        if absent:
            return f"has no bridge {absent[0]}"
        for what, has, wants in (("disk", self.disk_bytes, need.disk_bytes), ("memory", self.memory_bytes, need.memory_bytes)):
            if has < wants:
                return f"has {has // MIB} MiB of {what} left"
        return ""

    def less(self, need: Need) -> Room:
        """What is left beside a VM that is on its way."""
        return replace(self, disk_bytes=self.disk_bytes - need.disk_bytes, memory_bytes=self.memory_bytes - need.memory_bytes)


async def room_of(xapi: XenApi, place: Place) -> Room:
    """Ask a host, with two calls."""
    sr = await xapi.call("SR.get_record", place.sr)
    free = await _free_memory(xapi, place)
    return Room(sr["physical_size"] - sr["physical_utilisation"], free, frozenset(place.networks))


async def _free_memory(xapi: XenApi, place: Place) -> int:
    """A question, though not by its name: it may be asked again."""

    async def ask() -> int:
        free: int = await xapi.call("host.compute_free_memory", place.host)
        return free

    return await certain(ask(), ask)


def pick(rooms: Mapping[str, Room], need: Need, name: str) -> str:
    """The host with most disk left of those that lack nothing. Unmovable with each host's reason when there is none."""
    lacking = {host: room.lacks(need) for host, room in rooms.items()}
    fitting = [host for host, reason in lacking.items() if not reason]
    if not fitting:
        wants = f"{need.disk_bytes // MIB} MiB of disk, {need.memory_bytes // MIB} MiB of memory"
        reasons = "; ".join(f"{host} {reason}" for host, reason in sorted(lacking.items()))
        raise Unmovable(f"{name}: no host has {wants} and its bridges: {reasons}.")
    return max(fitting, key=lambda host: (rooms[host].disk_bytes, host))
