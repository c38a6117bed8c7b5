"""A rehearsal whose cell does not come up in time ends with that as its finding, and says no."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scenarios.figures import Finding, judge, verdict
from scenarios.rehearsal import rehearse_virtually
from scenarios.scenario import find

pytestmark = pytest.mark.disk_tools


def test_hosts_that_do_not_register_in_time_are_the_finding() -> None:
    scenario = replace(find("cell-rollout"), hosts=2, servers=1, register_limit_s=0.0)
    results = rehearse_virtually(scenario, 0, None, lambda _event, _facts: None)
    assert results.findings == [Finding("every phase ends in time", "register", "2 of 2 hosts did not register in time")]
    assert verdict(judge([], {}), results) == "fail"
