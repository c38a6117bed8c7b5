"""The weighers: how good a host is, whoever asks. The best host is the heaviest; equals are drawn by lot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.capacity import Ask

Weigher = Callable[[ComputeNode, Ask], float]

WEIGHERS: Mapping[str, Weigher] = {
    "memory_mb": lambda _node, free: free.memory_mb,
    "disk_gb": lambda _node, free: free.disk_gb,
    "vcpus": lambda _node, free: free.vcpus,
    "instances": lambda node, _free: node.claimed_instances,
    "failed_builds": lambda node, _free: node.failed_builds,
}

SPREAD: Mapping[str, float] = {"memory_mb": 1.0, "failed_builds": -1e9}
"""By free memory; a host that fails builds comes last, or else it would stay the emptiest and draw every build to itself."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A multiplier for each weigher in use: positive spreads servers over the hosts, negative packs them together."""

    multipliers: Mapping[str, float] = field(default_factory=lambda: dict(SPREAD))

    def of(self, node: ComputeNode, free: Ask) -> float:
        """What a host weighs."""
        return sum(multiplier * WEIGHERS[name](node, free) for name, multiplier in self.multipliers.items())
