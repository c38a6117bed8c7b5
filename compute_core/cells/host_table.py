"""The hosts of a compute cell as its scheduler sees them: in memory beside the database, ranked, with their last heartbeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.ranking import Ranking
from compute_core.store.hosts import StoredHost


class HostTable:
    """``down_after_s``: a host not heard of for so long is down."""

    def __init__(self, ranking: Ranking, down_after_s: float) -> None:
        self.ranking = ranking
        self._down_after_s = down_after_s
        self._heartbeats: dict[str, float] = {}

    def put(self, stored: StoredHost, now_s: float) -> None:
        """A host as the database has it; dates in seconds since 1970."""
        host = stored.node.report.host
        self._heartbeats[host] = stored.heartbeat_at_s
        self.ranking.put(replace(stored.node, is_up=now_s - stored.heartbeat_at_s < self._down_after_s))

    def fall_silent(self, now_s: float) -> tuple[str, ...]:
        """The hosts that have gone down since the last look; from now on they count as down."""
        fallen = []
        for host, heard_at_s in self._heartbeats.items():
            node = self.ranking.get(host)
            if node is not None and node.is_up and now_s - heard_at_s >= self._down_after_s:
                self.ranking.put(replace(node, is_up=False))
                fallen.append(host)
        return tuple(sorted(fallen))

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
