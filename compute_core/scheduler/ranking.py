"""Hosts in the order of their weight, kept in order as they change: the best host is found without looking at the others.

A ranking is changed in place (one bisection per change); ``place`` puts back what it has changed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.capacity import Ask, Ratios, free
from compute_core.scheduler.weighers import Weights

Entry = tuple[float, str]
"""(minus the weight, the host's name): the heaviest first, equals by name."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A host, what it has left, and where it stands."""

    node: ComputeNode
    free: Ask
    entry: Entry


class Ranking:
    """Hosts by weight. The order in which they were put in makes no difference."""

    def __init__(self, hosts: Iterable[ComputeNode] = (), ratios: Ratios | None = None, weights: Weights | None = None) -> None:
        self.ratios = ratios or Ratios()
        self.weights = weights or Weights()
        self._ranked = {node.report.host: self._rank(node) for node in hosts}
        self._order = sorted(ranked.entry for ranked in self._ranked.values())
        self._names = sorted(self._ranked)

    def put(self, node: ComputeNode) -> None:
        """A host as it is now."""
        ranked, former = self._rank(node), self._ranked.get(node.report.host)
        self._ranked[node.report.host] = ranked
        if former is None:
            insort(self._order, ranked.entry)
            insort(self._names, node.report.host)
        elif former.entry != ranked.entry:
            del self._order[bisect_left(self._order, former.entry)]
            insort(self._order, ranked.entry)

    def claim(self, host: str, ask: Ask) -> None:
        """Take from a host what a server claims."""
        node = self._ranked[host].node
        self.put(
            replace(
                node,
                claimed_vcpus=node.claimed_vcpus + ask.vcpus,
                claimed_memory_mb=node.claimed_memory_mb + ask.memory_mb,
                claimed_disk_gb=node.claimed_disk_gb + ask.disk_gb,
                claimed_instances=node.claimed_instances + 1,
            )
        )

    def get(self, host: str) -> ComputeNode | None:
        """One host."""
        ranked = self._ranked.get(host)
        return None if ranked is None else ranked.node

    def ranked(self, host: str) -> Ranked | None:
        """One host and where it stands."""
        return self._ranked.get(host)

    def nodes(self) -> Iterator[ComputeNode]:
        """Every host, by name."""
        return (self._ranked[name].node for name in self._names)

    def __len__(self) -> int:
        return len(self._order)

    def best_first(self, chance: Random) -> Iterator[Ranked]:
        """Every host, the heaviest first; the order among equals begins at one drawn by lot."""
        at = 0
        while at < len(self._order):
            weight = self._order[at][0]
            end = bisect_right(self._order, (weight, _LAST), lo=at)
            start = at + chance.randrange(end - at) if end - at > 1 else at
            for index in range(start, end):
                yield self._ranked[self._order[index][1]]
            for index in range(at, start):
                yield self._ranked[self._order[index][1]]
            at = end

    def _rank(self, node: ComputeNode) -> Ranked:
        left = free(node, self.ratios)
        return Ranked(node, left, (-self.weights.of(node, left), node.report.host))


_LAST = "\U0010ffff"
"""After every host's name."""
