"""A scenario in another size than its own."""

from __future__ import annotations

from dataclasses import replace

from scenarios.scenario import FaultPlan, Scenario
from scenarios.sizing import sized

DEAD, CORRUPT = FaultPlan("dead-host", hosts=2), FaultPlan("corrupt-image", servers=5)
OWN = Scenario("own", "", hosts=200, servers=1000, builds_per_second=10.0, smoke_concurrency=64, faults=(DEAD, CORRUPT))


def test_its_own_size_is_as_it_is_stated() -> None:
    assert sized(OWN, None, None, on_virtual_time=True) == sized(OWN, 200, 1000, on_virtual_time=False) == OWN


def test_on_virtual_time_rates_and_faults_grow_with_the_cell() -> None:
    assert sized(OWN, 5000, 20_000, on_virtual_time=True) == replace(
        OWN,
        hosts=5000,
        servers=20_000,
        builds_per_second=200.0,
        smoke_concurrency=1600,
        faults=(replace(DEAD, hosts=50, servers=100), replace(CORRUPT, hosts=25, servers=100)),
    )


def test_on_real_time_a_larger_storm_lasts_longer() -> None:
    larger = sized(OWN, 400, 2000, on_virtual_time=False)

    assert (larger.hosts, larger.servers, larger.builds_per_second, larger.smoke_concurrency) == (400, 2000, 10.0, 64)
    assert larger.faults[0].hosts == 4


def test_a_small_cell_has_a_gentle_storm_with_every_fault_in_it() -> None:
    small = sized(OWN, 5, 20, on_virtual_time=False)

    assert (small.builds_per_second, small.smoke_concurrency) == (0.2, 64)
    assert [(plan.kind, plan.hosts, plan.servers) for plan in small.faults] == [("dead-host", 1, 1), ("corrupt-image", 1, 1)]
