"""A scenario in another size than its own: what is stated for its own size grows and shrinks with it.

The storm lasts as long as the scenario's own, so that its faults strike in the midst of it, and they strike as large a share of the
cell. On real time no more is asked of the machine at once than the scenario states: there a larger storm lasts longer instead.
"""

from __future__ import annotations

from dataclasses import replace

from scenarios.scenario import FaultPlan, Scenario


def sized(scenario: Scenario, hosts: int | None, servers: int | None, *, on_virtual_time: bool) -> Scenario:
    """The scenario with so many hosts and servers; None: its own number."""
    by_hosts, by_servers = (hosts or scenario.hosts) / scenario.hosts, (servers or scenario.servers) / scenario.servers
    most = float("inf") if on_virtual_time else 1.0
    return replace(
        scenario,
        hosts=hosts or scenario.hosts,
        servers=servers or scenario.servers,
        builds_per_second=scenario.builds_per_second * min(by_servers, most),
        smoke_concurrency=_share(scenario.smoke_concurrency, max(1.0, min(by_hosts, most))),
        faults=tuple(_fault(plan, by_hosts, by_servers) for plan in scenario.faults),
    )


def _fault(plan: FaultPlan, by_hosts: float, by_servers: float) -> FaultPlan:
    return replace(plan, hosts=_share(plan.hosts, by_hosts), servers=_share(plan.servers, by_servers))


def _share(count: int, factor: float) -> int:
    """Never none."""
    return max(1, round(count * factor))
