"""The unmodified ``openstack`` client attaches interfaces, and puts servers into security groups, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute_core.api import networks_tour, tour


@pytest.mark.disk_tools
def test_the_client_works_with_networks(tmp_path: Path) -> None:
    with networks_tour.cloud(tmp_path) as session:
        for step in networks_tour.STEPS:
            tour.check(session.take(step))
        assert session.ask("port show nowhere")[0] == 1
        assert session.ask("security group show nowhere")[0] == 1
