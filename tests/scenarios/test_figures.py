"""Figures of a rehearsal, and the verdict on them."""

from __future__ import annotations

import pytest

from scenarios.figures import Finding, Results, ServerTrial, SmokeTrial, counts, figures, judge, percentile, verdict
from scenarios.scenario import Objective


def _results() -> Results:
    return Results(
        hosts=2,
        smoke=[SmokeTrial("a", passed=True, took_s=10), SmokeTrial("b")],
        servers=[
            ServerTrial("s0", 0.0, active_s=4.0),
            ServerTrial("s1", 1.0, active_s=3.0),
            ServerTrial("s2", 2.0, failed_s=3.0),
            ServerTrial("s3", 3.0),
            ServerTrial("d0", 4.0, is_doomed=True, failed_s=5.0),
        ],
    )


@pytest.mark.parametrize(
    ("values", "fraction", "found"),
    [
        ([], 0.5, None),
        ([1.0], 0.99, 1.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
    ],
)
def test_a_percentile_is_the_smallest_value_that_covers_the_fraction(values: list[float], fraction: float, found: float | None) -> None:
    assert percentile(values, fraction) == found


def test_servers_are_counted_by_what_became_of_them() -> None:
    assert counts(_results()) == {"requested": 5, "active": 2, "failed": 1, "lost": 1, "doomed": 1}


def test_figures_leave_doomed_servers_out_of_the_success_rate() -> None:
    found = figures(_results())
    assert (found["success_rate"], found["smoke_success_rate"], found["servers_lost"]) == (0.5, 0.5, 1.0)
    assert (found["time_to_active_p50_s"], found["time_to_active_p99_s"]) == (2.0, 4.0)


def test_the_verdict_is_pass_when_all_objectives_are_met_and_nothing_was_found() -> None:
    results = _results()
    good, bad = Objective("good", "success_rate", at_least=0.5), Objective("bad", "servers_lost", at_most=0)
    values = figures(results)
    assert verdict(judge([good], values), results) == "pass"
    assert verdict(judge([good, bad], values), results) == "fail"
    results.findings.append(Finding("rule", "vm", "is odd"))
    assert verdict(judge([good], values), results) == "fail"


def test_what_was_not_measured_is_never_good_enough() -> None:
    (judgement,) = judge([Objective("quick", "time_to_active_p50_s", at_most=30)], figures(Results()))
    assert (judgement.met, judgement.value, judgement.wanted, judgement.reached) == (False, None, "30 s", "nothing measured")
