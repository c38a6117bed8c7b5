"""Aggregates: named sets of hosts, whose metadata the scheduler reads. One may be a zone, and one may be a pool of XenServer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

ZONE = "availability_zone"
"""The key of the metadata that makes an aggregate a zone."""
POOL = "pool"
POOL_FLAG = "hypervisor_pool"
"""The keys that make it a pool: the name that the pool is given, or "true" for the aggregate's own."""

Change = Literal["join", "eject"]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate; the API cell's database has it, the compute cells keep copies.

    ``changing``: hosts that are on their way into the pool that it is, or out of it. ``generation`` grows at every change, so that a
    copy is never replaced by an older one.
    """

    name: str
    uuid: str
    created_at: str
    id: int = 0
    updated_at: str | None = None
    deleted_at: str | None = None
    hosts: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    changing: Mapping[str, Change] = field(default_factory=dict)
    generation: int = 1

    @property
    def zone(self) -> str | None:
        """The zone that it is, when it is one."""
        return self.metadata.get(ZONE)

    @property
    def pool_name(self) -> str:
        """What the pool that it is is called; "" when it is none."""
        named = self.metadata.get(POOL, "")
        return named or (self.name if self.metadata.get(POOL_FLAG, "").lower() in {"true", "1", "yes"} else "")


@dataclass(frozen=True, slots=True)
class Membership:
    """What a host is to know of an aggregate that it is in."""

    aggregate: str
    metadata: Mapping[str, str] = field(default_factory=dict)


Memberships = Mapping[str, tuple[Membership, ...]]
"""By host."""


def memberships(aggregates: Iterable[Aggregate]) -> Memberships:
    """In which aggregates each host is."""
    found: dict[str, tuple[Membership, ...]] = {}
    for aggregate in aggregates:
        for host in aggregate.hosts:
            found[host] = (*found.get(host, ()), Membership(aggregate.name, aggregate.metadata))
    return found


def zone_of(among: Iterable[Membership]) -> str | None:
    """The zone of a host by the aggregates that it is in."""
    return next((membership.metadata[ZONE] for membership in among if ZONE in membership.metadata), None)
