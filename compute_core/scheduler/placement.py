"""Placement of a batch of servers: a pure function of the hosts, the requests and chance.

Each server in turn takes the heaviest host that passes the filters, and what it claims counts for those after it. The usual case
looks at one or two hosts per server; only a server that fits nowhere makes us look at them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.filters import FILTERS, removed_by
from compute_core.scheduler.ranking import Ranking
from compute_core.scheduler.requests import Placement, PlacementRequest, Refusal


def place(hosts: Ranking | Iterable[ComputeNode], requests: Iterable[PlacementRequest], chance: Random) -> tuple[Placement | Refusal, ...]:
    """A host, or the reasons why there is none, for each request in its order. The hosts themselves stay as they are."""
    ranking = hosts.copy() if isinstance(hosts, Ranking) else Ranking(hosts)
    return tuple(_place_one(ranking, request, chance) for request in requests)


def _place_one(ranking: Ranking, request: PlacementRequest, chance: Random) -> Placement | Refusal:
    removed: Counter[str] = Counter()
    for ranked in ranking.best_first(chance):
        reason = removed_by(ranked.node, ranked.free, request)
        if reason is None:
            host = ranked.node.report.host
            ranking.claim(host, request.ask)
            return Placement(request.uuid, host, request.ask)
        removed[reason] += 1
    return Refusal(request.uuid, len(ranking), tuple((reason, removed[reason]) for reason, _ in FILTERS if removed[reason]))
