"""The unmodified ``openstack`` client goes through the whole tour, against simulated hosts, over real sockets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.compute_core.api import tour


@pytest.mark.disk_tools
def test_the_client_goes_through_the_tour(tmp_path: Path) -> None:
    with tour.cloud(tmp_path) as session:
        for _, steps in tour.CHAPTERS:
            for step in steps:
                tour.check(session.take(step))
        assert (tmp_path / "again.vhd").read_bytes() == (tmp_path / "debian.vhd").read_bytes()
        code, output = session.ask("server show nowhere")
        assert (code, output.strip()) == (1, "No Server found for nowhere")
        code, output = session.ask("server create refused --flavor m1.tiny --image nowhere")
        assert code == 1


def test_the_recorded_tour_has_the_tested_steps() -> None:
    recorded = re.findall(r"^\$ openstack (.*)$", tour.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert recorded == [step.command for _, steps in tour.CHAPTERS for step in steps]
