"""The unmodified ``openstack`` client has volumes made, attached, extended and taken away, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compute_core.api import tour, volumes_tour


@pytest.mark.disk_tools
def test_the_client_works_with_volumes(tmp_path: Path) -> None:
    with volumes_tour.cloud(tmp_path) as session:
        for step in volumes_tour.STEPS:
            tour.check(session.take(step))
        assert session.ask("volume show nowhere")[0] == 1
