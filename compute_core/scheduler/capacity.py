"""What a server asks of a host, and what a host has left, in vCPUs, MiB and GiB."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compute_core.model.flavors import Flavor
from compute_core.model.hosts import ComputeNode

OVERHEAD_MB = 3
OVERHEAD_PER_MEMORY_MB = 0.00781
OVERHEAD_PER_VCPU_MB = 1.5
"""What Xen itself needs for a domain beyond the guest's memory (shadow pages, the vCPUs' structures)."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """How many times over a host's vCPUs, memory and disk may be promised; ``reserved_*`` is never promised."""

    vcpus: float = 16.0
    memory: float = 1.0
    disk: float = 1.0
    reserved_memory_mb: int = 0
    reserved_disk_gb: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """What one server (or, added up, several) takes from a host."""

    vcpus: int
    memory_mb: int
    disk_gb: int

    @classmethod
    def of(cls, flavor: Flavor) -> Ask:
        """The flavor's size, Xen's own overhead and the swap disk included."""
        overhead = math.ceil(flavor.memory_mb * OVERHEAD_PER_MEMORY_MB + flavor.vcpus * OVERHEAD_PER_VCPU_MB + OVERHEAD_MB)
        disk = flavor.root_gb + flavor.ephemeral_gb + -(-flavor.swap_mb // 1024)
        return cls(flavor.vcpus, flavor.memory_mb + overhead, disk)

    def __add__(self, other: Ask) -> Ask:
        return Ask(self.vcpus + other.vcpus, self.memory_mb + other.memory_mb, self.disk_gb + other.disk_gb)


def limits(node: ComputeNode, ratios: Ratios) -> Ask:
    """The most that instances may claim of the host, whatever they have claimed already."""
    report = node.report
    return Ask(
        int(report.vcpus * ratios.vcpus),
        int((report.memory_mb_total - node.other_memory_mb - ratios.reserved_memory_mb) * ratios.memory),
        int((report.disk_gb_total - node.other_disk_gb - ratios.reserved_disk_gb) * ratios.disk),
    )


def free(node: ComputeNode, ratios: Ratios) -> Ask:
    """What is left to be claimed; negative where a report has shrunk the host below its claims."""
    most = limits(node, ratios)
    return Ask(most.vcpus - node.claimed_vcpus, most.memory_mb - node.claimed_memory_mb, most.disk_gb - node.claimed_disk_gb)
