"""Hosts as the scheduler and the operator see them: what they report, what is claimed, whether they are in use."""

from __future__ import annotations

from dataclasses import dataclass

from compute_core.model.aggregates import Membership


@dataclass(frozen=True, slots=True)
class HostReport:
    """What an agent says of its host at every heartbeat, read from XenAPI. Free memory and disk count every user of the host.

    ``pool`` is the uuid of its pool, which ``is_master`` leads; "" of agents that do not say.
    ``others_disk_gb`` is what of its disk no server has for itself: caches and bases among it, as it was measured last; -1: it was not.
    """

    host: str
    hypervisor_hostname: str
    hypervisor_uuid: str
    hypervisor_version: str
    host_ip: str
    vcpus: int
    memory_mb_total: int
    memory_mb_free: int
    disk_gb_total: int
    disk_gb_free: int
    running_vms: int
    cpu_model: str = ""
    supports_hvm: bool = True
    pool: str = ""
    is_master: bool = True
    others_disk_gb: int = -1


@dataclass(frozen=True, slots=True)
class ComputeNode:
    """A host in its cell's database: its last report, what instances have claimed, and the operator's word on it.

    ``other_*`` is what is used by what is none of the cell's instances: the control domain, foreign VMs, caches.
    ``failed_builds`` counts those of late, since the last one that went well. ``aggregates`` are those that it is in.
    ``generation`` grows at every change of what is claimed: a claim made on an older one is refused by the store.
    """

    report: HostReport
    service_uuid: str
    claimed_vcpus: int = 0
    claimed_memory_mb: int = 0
    claimed_disk_gb: int = 0
    claimed_instances: int = 0
    other_memory_mb: int = 0
    other_disk_gb: int = 0
    is_enabled: bool = True
    disabled_reason: str | None = None
    is_forced_down: bool = False
    is_up: bool = True
    availability_zone: str = "nova"
    generation: int = 0
    failed_builds: int = 0
    updated_at: str | None = None
    aggregates: tuple[Membership, ...] = ()

    @property
    def is_in_use(self) -> bool:
        """Whether servers may come here."""
        return self.is_enabled and self.is_up and not self.is_forced_down


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a cell, as ``os-services`` lists it."""

    uuid: str
    binary: str
    host: str
    availability_zone: str
    is_enabled: bool
    is_up: bool
    updated_at: str | None
    disabled_reason: str | None = None
    is_forced_down: bool = False


@dataclass(frozen=True, slots=True)
class AvailabilityZone:
    """A zone and its hosts; available while one of them is up and enabled."""

    name: str
    is_available: bool
    hosts: tuple[str, ...] = ()
