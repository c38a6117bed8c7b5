"""The hosts of a compute cell as its scheduler sees them: in memory beside the database, ranked, with their last heartbeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compute_core.model.aggregates import Memberships, zone_of
from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.ranking import Ranking
from compute_core.store.hosts import StoredHost

FAILURES_COUNT_FOR_S = 600.0
"""A host's failed builds are forgotten after so long without another one: it may have been repaired."""


class HostTable:
    """``down_after_s``: a host not heard of for so long is down."""

    def __init__(self, ranking: Ranking, down_after_s: float) -> None:
        self.ranking = ranking
        self._down_after_s = down_after_s
        self._heartbeats: dict[str, float] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._memberships: Memberships = {}
        self._zones: dict[str, str] = {}

    def put(self, stored: StoredHost, now_s: float) -> None:
        """A host as the database has it; dates in seconds since 1970. Heartbeats that were heard and not written down still count."""
        host, known = stored.node.report.host, self.ranking.get(stored.node.report.host)
        heard_at_s = self._heartbeats[host] = max(stored.heartbeat_at_s, self._heartbeats.get(host, 0.0))
        is_up = now_s - heard_at_s < self._down_after_s
        updated_at = max(stored.node.updated_at or "", (known and known.updated_at) or "") or None
        self._zones[host] = stored.node.availability_zone
        node = replace(stored.node, is_up=is_up, updated_at=updated_at, failed_builds=self._failed_builds(host, now_s))
        self.ranking.put(self._as_member(node))

    def set_memberships(self, found: Memberships) -> None:
        """In which aggregates the hosts are from now on, and so in which zones; a host in none has its cell's."""
        self._memberships = found
        for node in tuple(self.ranking.nodes()):
            self.ranking.put(self._as_member(node))

    def _as_member(self, node: ComputeNode) -> ComputeNode:
        host = node.report.host
        mine = self._memberships.get(host, ())
        return replace(node, aggregates=mine, availability_zone=zone_of(mine) or self._zones[host])

    def build_failed(self, host: str, now_s: float) -> None:
        """A host has failed a build that another one may manage."""
        self._failures[host] = self._failed_builds(host, now_s) + 1, now_s

    def build_succeeded(self, host: str) -> None:
        """A host can build, after all."""
        node = self.ranking.get(host)
        if self._failures.pop(host, None) is not None and node is not None:
            self.ranking.put(replace(node, failed_builds=0))

    def heard(self, host: str, now_s: float, updated_at: str) -> None:
        """A host that is known says that nothing has changed."""
        node = self.ranking.get(host)
        self._heartbeats[host] = now_s
        if node is not None:
            self.ranking.put(replace(node, is_up=True, updated_at=updated_at, failed_builds=self._failed_builds(host, now_s)))

    def fall_silent(self, now_s: float) -> tuple[str, ...]:
        """The hosts that have gone down since the last look; from now on they count as down."""
        fallen = []
        for host, heard_at_s in self._heartbeats.items():
            node = self.ranking.get(host)
            if node is not None and node.is_up and now_s - heard_at_s >= self._down_after_s:
                self.ranking.put(replace(node, is_up=False))
                fallen.append(host)
        return tuple(sorted(fallen))

    def _failed_builds(self, host: str, now_s: float) -> int:
        count, last_s = self._failures.get(host, (0, now_s))
        return count if now_s - last_s < FAILURES_COUNT_FOR_S else 0

    def is_up(self, host: str) -> bool:
        """Whether somebody answers for a host, as far as is known."""
        node = self.ranking.get(host)
        return node is not None and node.is_up and not node.is_forced_down

    def get(self, host: str) -> ComputeNode | None:
        """One host."""
        return self.ranking.get(host)

    def by_service(self, uuid: str) -> ComputeNode | None:
        """The host whose agent has this uuid."""
        return next((node for node in self.ranking.nodes() if node.service_uuid == uuid), None)

    def nodes(self) -> Iterator[ComputeNode]:
        """Every host, by name."""
        return self.ranking.nodes()
