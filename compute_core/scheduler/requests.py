"""What is asked of the scheduler, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compute_core.scheduler.capacity import Ask


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """One server looking for a host. ``image_properties`` are the image's own; hosts tried before are not tried again.

    ``aggregate_specs`` is what its flavor asks of the aggregates of a host, see `aggregate_specs`.
    """

    uuid: str
    ask: Ask
    image_properties: Mapping[str, str] = field(default_factory=dict)
    availability_zone: str | None = None
    target_host: str | None = None
    tried_hosts: frozenset[str] = frozenset()
    project_id: str = ""
    aggregate_specs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """A host was found."""

    uuid: str
    host: str
    ask: Ask


@dataclass(frozen=True, slots=True)
class Refusal:
    """No host was found: how many there are, and how many of them each filter has removed, in the filters' order."""

    uuid: str
    hosts: int
    removed: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        causes = "; ".join(f"{count} {reason}" for reason, count in self.removed)
        return f"No valid host was found: of {self.hosts} hosts {causes}." if causes else "No valid host was found: the cell has no hosts."
