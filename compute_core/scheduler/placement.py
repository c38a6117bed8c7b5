"""Placement of a batch of servers: a pure function of the hosts, the requests and chance.

Each server in turn takes the heaviest host that passes the filters, and what it claims counts for those after it. The usual case
looks at one or two hosts per server; only one that fits nowhere, or names a host by another name than its agent's, makes us look at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

from compute_core.model.hosts import ComputeNode
from compute_core.scheduler.filters import FILTERS, removed_by
from compute_core.scheduler.ranking import Ranked, Ranking
from compute_core.scheduler.requests import Placement, PlacementRequest, Refusal


def place(hosts: Ranking | Iterable[ComputeNode], requests: Iterable[PlacementRequest], chance: Random) -> tuple[Placement | Refusal, ...]:
    """A host, or the reasons why there is none, for each request in its order. The hosts themselves stay as they are."""
    ranking, former = hosts if isinstance(hosts, Ranking) else Ranking(hosts), dict[str, ComputeNode]()
    try:
        return tuple(_place_one(ranking, request, chance, former) for request in requests)
    finally:
        for node in former.values():
            ranking.put(node)


def _place_one(ranking: Ranking, request: PlacementRequest, chance: Random, former: dict[str, ComputeNode]) -> Placement | Refusal:
    """``former`` keeps each host that is claimed from as it was at first: a few are put back sooner than all are copied."""
    removed: Counter[str] = Counter()
    for ranked in _candidates(ranking, request, chance):
        reason = removed_by(ranked.node, ranked.free, request)
        if reason is None:
            host = ranked.node.report.host
            former.setdefault(host, ranked.node)
            ranking.claim(host, request.ask)
            return Placement(request.uuid, host, request.ask)
        removed[reason] += 1
    return Refusal(request.uuid, len(ranking), tuple((reason, removed[reason]) for reason, _ in FILTERS if removed[reason]))


def _candidates(ranking: Ranking, request: PlacementRequest, chance: Random) -> Iterator[Ranked]:
    """Every host once: the one that is asked for by its name, then the others, the heaviest first."""
    target = ranking.ranked(request.target_host) if request.target_host is not None else None
    if target is None:
        yield from ranking.best_first(chance)
        return
    yield target
    yield from (ranked for ranked in ranking.best_first(chance) if ranked is not target)
