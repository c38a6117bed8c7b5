"""What a cell has left, as it announces it upwards; and in which order the cells below are asked for room. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.capacity import Ask, Ratios, free


@dataclass(frozen=True, slots=True)
class CellCapacity:
    """A cell's free room, summed over the hosts in use; ``largest_free_memory_mb`` is what its emptiest host has left."""

    hosts: int = 0
    hosts_in_use: int = 0
    free_memory_mb: int = 0
    free_disk_gb: int = 0
    largest_free_memory_mb: int = 0
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownCell:
    """A cell below, and what it last said, when (loop time)."""

    path: str
    capacity: CellCapacity | None = None
    heard_at_s: float = 0.0


def capacity_of(nodes: Iterable[ComputeNode], ratios: Ratios) -> CellCapacity:
    """The room of these hosts."""
    every = tuple(nodes)
    used = [node for node in every if node.is_in_use]
    left = [free(node, ratios) for node in used]
    return CellCapacity(
        hosts=len(every),
        hosts_in_use=len(used),
        free_memory_mb=sum(max(ask.memory_mb, 0) for ask in left),
        free_disk_gb=sum(max(ask.disk_gb, 0) for ask in left),
        largest_free_memory_mb=max((ask.memory_mb for ask in left), default=0),
        zones=tuple(sorted({node.availability_zone for node in every})),
    )


def by_room(cells: Iterable[KnownCell], ask: Ask, zone: str | None, heard_since_s: float, chance: Random) -> tuple[str, ...]:
    """The cells' paths, the one to be asked first first.

    A cell that is mute, too full or in other zones is asked last rather than never: what is known of it is old by nature.
    """

    def order(cell: KnownCell) -> tuple[bool, bool, bool, int]:
        known = cell.capacity
        if known is None:
            return True, True, True, 0
        is_elsewhere = zone is not None and zone not in known.zones
        return cell.heard_at_s < heard_since_s, is_elsewhere, known.largest_free_memory_mb < ask.memory_mb, -known.free_memory_mb

    every = sorted(cells, key=lambda cell: cell.path)
    chance.shuffle(every)
    return tuple(cell.path for cell in sorted(every, key=order))
