"""Operations whose agent is asked to end while they wait, after requests at which that has once gone wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute_core.faults.case import disturbed, faults_of, normal, verdict
from tests.compute_core.faults.cases import CASES


@pytest.mark.parametrize(
    ("name", "request_name"),
    [
        ("rebuild", "VM.create"),
        ("resize-here", "VM.create"),
        ("resize", "VIF.create"),
        ("attach-volume", "VBD.plug"),
    ],
)
def test_an_agent_that_ends_leaves_the_result_or_the_state_before(name: str, request_name: str, tmp_path: Path) -> None:
    """A VM in the making is removed; what is told again when it has ended is not begun anew; a volume given up is unplugged."""
    expected = normal(CASES[name], tmp_path)
    faults = [fault for fault in faults_of(expected.awaits, "ended", every_error=False) if expected.awaits[fault.step - 1] == request_name]

    wrong = [verdict(expected, fault, disturbed(CASES[name], fault, tmp_path / str(fault.step))) for fault in faults]

    assert wrong == [[]] * len(faults)
    assert faults
